/**
 * Models whose matrices are bands of columns in schemes in turn, whatever their errors. For tests of what computes with
 * them; `--scheme FlightLLM-mixed3.5-bands` chooses by errors.
 */
import { findScheme, quantizeModel } from '@bitloom/compression';
import {
  type CanonicalMatrix,
  type FixedQuantizedType,
  isNmLayout,
  packCanonical,
  packNmTensor,
  unpackCanonical,
  unpackNmTensor,
} from '@bitloom/formats';
import { bandComponent, bandedType, type ConstantDecl, type ModelBundle } from '@bitloom/ir';

/**
 * `bundle` with bands of `groups` groups (the last one what is left): the k-th of them in every matrix as
 * `schemes[k mod n]` has these columns. Matrices of one band, and tables that are gathered, are as the first has them.
 */
export function inBands(bundle: ModelBundle, schemes: readonly string[], groups = 1): ModelBundle {
  const parts = schemes.map((scheme) => quantizeModel(bundle, findScheme(scheme)));
  const [first] = parts;
  const bytes = new Map<string, Uint8Array>();
  const constants = first.model.constants.map((whole, index): ConstantDecl => {
    const { name, type } = whole;
    if (type.kind !== 'quantized' || name.startsWith('embedding')) return whole;
    const [rows, cols] = type.shape.map(Number);
    const step = groups * type.scales[0].block[1];
    if (cols <= step) return whole;
    const components: Record<string, string> = {};
    const types: FixedQuantizedType[] = [];
    for (let start = 0, band = 0; start < cols; start += step, band += 1) {
      const part = parts[band % parts.length];
      const own = part.model.constants[index];
      if (own.type.kind !== 'quantized') throw new Error(`${name} is not quantised`);
      const tensor = {
        type: { ...own.type, shape: [rows, cols] },
        components: Object.fromEntries(
          Object.entries(own.components).map(([key, section]) => [key, part.sections.read(section)]),
        ),
      };
      const sliced = columns(tensor, start, Math.min(cols, start + step));
      types.push(sliced.type);
      for (const [key, value] of Object.entries(sliced.components)) {
        const section = `${name} ${bandComponent(key, band)}`;
        components[bandComponent(key, band)] = section;
        bytes.set(section, value);
      }
    }
    return { name, type: bandedType(types), components };
  });
  const { sections } = first;
  return {
    model: { ...first.model, constants },
    sections: {
      has: (section) => bytes.has(section) || sections.has(section),
      byteLength: (section) => bytes.get(section)?.length ?? sections.byteLength(section),
      read: (section, offset = 0, length) => {
        const own = bytes.get(section);
        if (own === undefined) return sections.read(section, offset, length);
        return own.slice(offset, length === undefined ? undefined : offset + length);
      },
    },
  };
}

interface Coded {
  readonly type: FixedQuantizedType;
  readonly components: Record<string, Uint8Array>;
}

/** Columns [start, end) of a matrix, whole groups. */
function columns(tensor: Coded, start: number, end: number): Coded {
  const { sparsity } = tensor.type;
  const dense = isNmLayout(tensor.type) ? unpackNmTensor(tensor) : tensor;
  const { type } = dense;
  const [rows, cols] = type.shape;
  const groupSize = type.scales[0].block[1];
  const { codes, scales } = unpackCanonical({
    rows,
    cols,
    bits: type.element.bits,
    groupSize,
    codes: dense.components.codes,
    scales: new Uint16Array(dense.components.scales.slice().buffer),
  });
  const [from, to, of] = [start, end, cols].map((col) => Math.ceil(col / groupSize));
  const take = <T extends Int8Array | Uint16Array>(all: T, width: number, a: number, b: number): number[] =>
    Array.from({ length: rows }, (_, row) => [...all.subarray(row * width + a, row * width + b)]).flat();
  const packed: CanonicalMatrix = packCanonical({
    rows,
    cols: end - start,
    bits: type.element.bits,
    groupSize,
    codes: Int8Array.from(take(codes, cols, start, end)),
    scales: Uint16Array.from(take(scales, of, from, to)),
  });
  const own = {
    type: { ...type, shape: [rows, end - start] },
    components: { codes: packed.codes, scales: new Uint8Array(packed.scales.slice().buffer) },
  };
  if (sparsity?.kind !== 'n-of-m') return own;
  const sparse = packNmTensor(own, sparsity);
  return { type: sparse.type, components: { ...sparse.components } };
}
