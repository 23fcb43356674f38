/**
 * Matrices through the block functions: copied into their memory piece by piece, encoded or decoded there, copied
 * out. A piece is some whole rows, or some whole blocks of one row, small enough for the caches. Nothing here throws
 * for what a format cannot do: the answer is then undefined, and the caller takes the definition.
 */
import type { BlockFunctions, BlockSource } from './block-functions.js';
import { ELEMENT_KINDS, PARAMETER_BYTES, PARAMETERS, SCALE_KINDS } from './parameters.js';

/** A matrix [rows, cols] with a scale per `group` columns of a row; the last group of a row may be short. */
export interface BlockShape {
  readonly rows: number;
  readonly cols: number;
  readonly group: number;
}

/** Scale and element of a block format, in the terms of `parameters.ts`. */
export interface BlockFormat {
  /** Width of a code, 2 to 8. */
  readonly bits: number;
  readonly scale: keyof typeof SCALE_KINDS;
  readonly element: keyof typeof ELEMENT_KINDS;
  /** Float elements: mantissa bits. */
  readonly mantissaBits: number;
  /** Vectors for `encode` and for `decode`, beside the index; those not named are 0. */
  readonly encode: VectorParameters;
  readonly decode: VectorParameters;
}

/** Vectors by name: 16 bytes each. */
export type VectorParameters = Partial<Record<keyof typeof PARAMETERS, Uint8Array>>;

/** Four equal float32, as a vector. */
export function floats(value: number): Uint8Array {
  return new Uint8Array(new Float32Array(4).fill(value).buffer);
}

/** Four equal 32-bit integers. */
export function integers(value: number): Uint8Array {
  return new Uint8Array(new Int32Array(4).fill(value).buffer);
}

/** Sixteen equal bytes. */
export function bytes(value: number): Uint8Array {
  return new Uint8Array(16).fill(value);
}

/** Bytes of a stored scale. */
const SCALE_BYTES: Readonly<Record<keyof typeof SCALE_KINDS, number>> = { fp16: 2, e8m0: 1 };

/** Elements of a piece, unless one block is larger. */
const PIECE = 16384;
/** A block past this many elements is left to the definition. */
const LARGEST_BLOCK = 2 ** 24;
/** What the functions may read or write past the end of a buffer, at least. */
const SPARE = 64;
const PAGE = 65536;

/** Where the buffers of a piece lie, in bytes. */
interface Layout {
  readonly elements: number;
  readonly values: number;
  readonly codes: number;
  readonly scales: number;
}

/** Makes room for pieces of at most `elements` elements. */
function layOut(memory: BlockFunctions['memory'], elements: number): Layout {
  const values = PARAMETER_BYTES;
  const codes = values + elements * 4 + SPARE;
  const scales = codes + elements + SPARE;
  // A block has at least one element, and its scale at most two bytes.
  const missing = scales + elements * 2 + SPARE - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / PAGE));
  return { elements, values, codes, scales };
}

/** Whether every block begins on a byte of the code stream and fits a piece. */
function isRegular({ cols, group }: BlockShape, bits: number): boolean {
  return (group >= cols || (group * bits) % 8 === 0) && Math.min(group, cols) <= LARGEST_BLOCK;
}

/** Writes the vectors a format needs; the index moves bytes between 2 · bits dense ones and two runs of 8. */
function setParameters(
  memory: BlockFunctions['memory'],
  vectors: VectorParameters,
  index: (i: number) => number,
): void {
  const target = new Uint8Array(memory.buffer, 0, PARAMETER_BYTES);
  target.fill(0);
  for (let i = 0; i < 16; i += 1) target[PARAMETERS.index + i] = index(i);
  for (const [name, vector] of Object.entries(vectors)) {
    target.set(vector, PARAMETERS[name as keyof typeof PARAMETERS]);
  }
}

/**
 * Visits a matrix in pieces: rows and columns of the piece, and where its values, code bytes and scales begin in the
 * matrix.
 */
function forPieces(
  { rows, cols, group }: BlockShape,
  bits: number,
  elements: number,
  visit: (rows: number, cols: number, value: number, code: number, scale: number) => void,
): void {
  const rowBytes = Math.ceil((cols * bits) / 8);
  const groups = Math.ceil(cols / group);
  if (cols <= elements) {
    const most = Math.floor(elements / cols);
    for (let row = 0; row < rows; row += most) {
      visit(Math.min(most, rows - row), cols, row * cols, row * rowBytes, row * groups);
    }
    return;
  }
  const groupsPerPiece = Math.floor(elements / group);
  for (let row = 0; row < rows; row += 1) {
    for (let first = 0; first < groups; first += groupsPerPiece) {
      const col = first * group;
      const count = Math.min(groupsPerPiece * group, cols - col);
      visit(1, count, row * cols + col, row * rowBytes + (col * bits) / 8, row * groups + first);
    }
  }
}

/** Buffers that {@link encodeBlocks} fills: the stream of codes, and the scales in their bytes. */
export interface BlockBuffers {
  readonly codes: Uint8Array;
  readonly scales: Uint8Array;
}

/**
 * Encodes `values` [rows, cols]. Returns the largest magnitude, which is not finite where a value is not; the codes
 * then mean nothing. Undefined: not done, the buffers are untouched.
 */
export function encodeBlocks(
  values: Float32Array,
  shape: BlockShape,
  format: BlockFormat,
  out: BlockBuffers,
  source: BlockSource,
): number | undefined {
  const { bits } = format;
  if (!isRegular(shape, bits)) return undefined;
  if (shape.rows === 0 || shape.cols === 0) return 0;
  const functions = source();
  if (functions === undefined) return undefined;
  const { memory, encode } = functions;
  const group = Math.min(shape.group, shape.cols);
  const layout = layOut(memory, Math.max(PIECE, group));
  setParameters(memory, format.encode, (i) => (i < bits ? i : i < 2 * bits ? 8 + i - bits : 0xff));
  const bytesPerScale = SCALE_BYTES[format.scale];
  const scaleKind = SCALE_KINDS[format.scale];
  const elementKind = ELEMENT_KINDS[format.element];
  const drop = 23 - format.mantissaBits;
  const floatsAt = new Float32Array(memory.buffer, layout.values, layout.elements);
  const bytesAt = new Uint8Array(memory.buffer);
  let largest = 0;
  forPieces({ ...shape, group }, bits, layout.elements, (rows, cols, value, code, scale) => {
    floatsAt.set(values.subarray(value, value + rows * cols));
    const { values: from, codes: to, scales } = layout;
    const seen = encode(rows, cols, group, from, to, scales, bits, scaleKind, elementKind, drop);
    largest = Math.max(largest, seen);
    const codeBytes = rows * Math.ceil((cols * bits) / 8);
    const scaleBytes = rows * Math.ceil(cols / group) * bytesPerScale;
    out.codes.set(bytesAt.subarray(to, to + codeBytes), code);
    out.scales.set(bytesAt.subarray(scales, scales + scaleBytes), scale * bytesPerScale);
  });
  return new Float32Array(Int32Array.of(largest).buffer)[0];
}

/**
 * Decodes a matrix [rows, cols] into `out`. Returns the largest scale code, by which the caller knows whether all
 * scales were numbers; where not, what was written means nothing. Undefined: not done, `out` is untouched.
 */
export function decodeBlocks(
  { codes, scales }: BlockBuffers,
  shape: BlockShape,
  format: BlockFormat,
  out: Float32Array,
  source: BlockSource,
): number | undefined {
  const { bits } = format;
  if (!isRegular(shape, bits)) return undefined;
  if (shape.rows === 0 || shape.cols === 0) return 0;
  const functions = source();
  if (functions === undefined) return undefined;
  const { memory, decode } = functions;
  const group = Math.min(shape.group, shape.cols);
  const layout = layOut(memory, Math.max(PIECE, group));
  setParameters(memory, format.decode, (i) => (i % 8 < bits ? (i >> 3) * bits + (i % 8) : 0xff));
  const bytesPerScale = SCALE_BYTES[format.scale];
  const scaleKind = SCALE_KINDS[format.scale];
  const elementKind = ELEMENT_KINDS[format.element];
  const drop = 23 - format.mantissaBits;
  const floatsAt = new Float32Array(memory.buffer, layout.values, layout.elements);
  const bytesAt = new Uint8Array(memory.buffer);
  let largest = 0;
  forPieces({ ...shape, group }, bits, layout.elements, (rows, cols, value, code, scale) => {
    const { values: to, codes: from, scales: scalesFrom } = layout;
    const codeBytes = rows * Math.ceil((cols * bits) / 8);
    const scaleBytes = rows * Math.ceil(cols / group) * bytesPerScale;
    bytesAt.set(codes.subarray(code, code + codeBytes), from);
    bytesAt.set(scales.subarray(scale * bytesPerScale, scale * bytesPerScale + scaleBytes), scalesFrom);
    const seen = decode(rows, cols, group, from, scalesFrom, to, bits, scaleKind, elementKind, drop);
    largest = Math.max(largest, seen);
    out.set(floatsAt.subarray(0, rows * cols), value);
  });
  return largest;
}
