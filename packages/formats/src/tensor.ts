/** Tensors as the bulk calls of this package take and give them. */
import { BitloomError, type QuantizedType } from '@bitloom/ir';

/** A dense float32 tensor, row-major, the last axis contiguous. */
export interface Tensor {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

/** A quantised type whose dimensions are numbers. */
export type FixedQuantizedType = QuantizedType & { readonly shape: readonly number[] };

/**
 * A quantised tensor: its type, and the bytes of its components. A constant of a model is the same pair, so it goes
 * into an artefact as it is and comes back without a conversion. What the components are called and hold follows
 * from `type.layout`; in the layout `canonical`:
 *
 * - `codes`: per row of the last axis a stream of `element.bits` bits per code, least significant bit first, rows
 *   starting on a byte;
 * - `scales`, `scales1`, ...: the codes of each scale level, row-major over its blocks, each in the fewest whole
 *   bytes of 1, 2 or 4, little-endian; `zeros`, `zeros1`, ...: likewise, where the level has a zero or minimum;
 * - `index`: one byte per slice of the axis of the index map.
 */
export interface QuantizedTensor {
  readonly type: FixedQuantizedType;
  readonly components: Readonly<Record<string, Uint8Array>>;
}

/**
 * A component of a quantised tensor.
 *
 * @throws BitloomError `quantized-component-missing`
 */
export function componentOf({ components }: QuantizedTensor, name: string): Uint8Array {
  if (Object.hasOwn(components, name)) return components[name];
  throw new BitloomError({
    code: 'quantized-component-missing',
    message: `a quantised tensor lacks its component '${name}'`,
    expected: name,
    got: Object.keys(components).join(', ') || 'none',
  });
}

/** Elements of a shape. */
export function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}

/** Rows and columns of a shape: everything before the last axis, and the last axis. A scalar is one by one. */
export function rowsOf(shape: readonly number[]): { readonly rows: number; readonly cols: number } {
  return { rows: elementsOf(shape.slice(0, -1)), cols: shape.length === 0 ? 1 : shape[shape.length - 1] };
}

/** @throws BitloomError `format-shape` unless every dimension is a whole number, and the elements can be counted */
export function checkShape(shape: readonly number[]): void {
  const isSane = shape.every((size) => Number.isSafeInteger(size) && size >= 0);
  if (isSane && Number.isSafeInteger(elementsOf(shape))) return;
  throw new BitloomError({
    code: 'format-shape',
    message: 'this is not the shape of a tensor',
    where: 'shape',
    expected: 'whole numbers with a product below 2^53',
    got: `[${shape.join(', ')}]`,
  });
}

/** Blocks, rows or channels that there may be where there are no elements. */
export const MOST_WITHOUT_ELEMENTS = 2 ** 16;

/**
 * There are never more blocks than elements, except where there are no elements at all.
 *
 * @param what the blocks, rows or channels that are counted
 * @throws BitloomError `format-shape`
 */
export function requireBlocks(
  count: number,
  elements: number,
  shape: readonly number[],
  what = 'blocks',
): void {
  if (count <= Math.max(elements, MOST_WITHOUT_ELEMENTS)) return;
  throw new BitloomError({
    code: 'format-shape',
    message: 'this is not the shape of a tensor',
    where: 'shape',
    expected: `at most ${MOST_WITHOUT_ELEMENTS} ${what} where there are no elements`,
    got: `[${shape.join(', ')}], ${count} ${what}`,
  });
}
