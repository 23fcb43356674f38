/**
 * The two orders of the rows of query and key maps: rotation turns neighbouring rows of a head (GGUF's `llama`,
 * llama2.c) or rows half a head apart (Hugging Face). Moving the rows makes one from the other without changing what the
 * model computes. `values` holds whole heads, `rowLength` values to a row.
 */

/** From pairs (0, 1), (2, 3), ... to halves: row 2i of a head goes to i, row 2i + 1 to i + headDim/2. */
export function halvesFirst(
  values: Float32Array,
  headDim: number,
  rowLength: number,
): Float32Array<ArrayBuffer> {
  return moveRows(values, headDim, rowLength, (row) => (row >> 1) + (row & 1) * (headDim / 2));
}

/** From halves to pairs: row i of a head goes to 2i, row i + headDim/2 to 2i + 1. */
export function pairsFirst(
  values: Float32Array,
  headDim: number,
  rowLength: number,
): Float32Array<ArrayBuffer> {
  const half = headDim / 2;
  return moveRows(values, headDim, rowLength, (row) => (row < half ? 2 * row : 2 * (row - half) + 1));
}

/** @param place gives the new row of a head's row */
function moveRows(
  values: Float32Array,
  headDim: number,
  rowLength: number,
  place: (row: number) => number,
): Float32Array<ArrayBuffer> {
  const out = new Float32Array(values.length);
  const rows = values.length / rowLength;
  for (let row = 0; row < rows; row++) {
    const inHead = row % headDim;
    const target = row - inHead + place(inHead);
    out.set(values.subarray(row * rowLength, (row + 1) * rowLength), target * rowLength);
  }
  return out;
}
