/**
 * Quantised matrices of group integers whose codes lie in the layout `nm`: the type says the sparsity, the component
 * `codes` is the packed matrix, and everything else (scales by level) is as in the layout `canonical`. Where one keep is
 * allowed, the bytes follow from the shape alone, so that models without weights have a size too.
 *
 * Not for: which elements are kept (`nm-pattern.ts`), or how the packed bytes lie (`nm-layout.ts`).
 */
import { BitloomError } from '@bitloom/ir';
import { packBitStream, unpackBitStream } from '../layouts/bit-stream.js';
import { checkLength } from '../layouts/group-shape.js';
import { canonicalComponents } from '../scaled/dequantize-scaled.js';
import { componentOf, type FixedQuantizedType, type QuantizedTensor } from '../tensor.js';
import {
  type NmSparsity,
  nmLayoutId,
  nmPackedBytes,
  parseNmLayoutId,
  type SparseShape,
} from './nm-layout.js';
import { packNm } from './nm-pack.js';
import { unpackNm } from './nm-unpack.js';

/** The type of a canonical matrix whose codes are packed by `sparsity`. */
export function nmType(type: FixedQuantizedType, sparsity: NmSparsity): FixedQuantizedType {
  return { ...type, sparsity, layout: nmLayoutId(sparsity) };
}

/** The same type with every element stored, canonically. */
export function denseNmType({ sparsity: _, ...type }: FixedQuantizedType): FixedQuantizedType {
  return { ...type, layout: 'canonical' };
}

/** Whether a type names the layout `nm`; whether the rest of it fits is for {@link nmCodes} to say. */
export function isNmLayout({ layout }: Pick<FixedQuantizedType, 'layout'>): boolean {
  return parseNmLayoutId(layout) !== undefined;
}

/**
 * Shape and sparsity of the packed codes of a type.
 *
 * @throws BitloomError `quantized-type` unless it is a matrix of signed integers without zero points, whose layout is
 *   that of its sparsity
 */
export function nmCodes(type: FixedQuantizedType): {
  readonly shape: SparseShape;
  readonly sparsity: NmSparsity;
} {
  const { shape, element, sparsity, layout, scales } = type;
  if (sparsity?.kind !== 'n-of-m' || layout !== nmLayoutId(sparsity)) {
    throw typeError('an N:M sparsity with the layout of its groups and blocks', layout);
  }
  const isInteger = element.kind === 'int' && element.signed && element.bias === 0 && element.bits <= 8;
  const hasZero = scales.some(({ zero }) => zero !== undefined);
  if (shape.length !== 2 || !isInteger || hasZero || type.indexMap !== undefined) {
    throw typeError('a matrix of signed integers of at most 8 bits without zero points', element.name);
  }
  return { shape: { rows: shape[0], cols: shape[1], bits: element.bits }, sparsity };
}

/**
 * Exact bytes of every component.
 *
 * @throws BitloomError `quantized-type`, also where blocks may choose among several keeps, `sparsity-shape`
 */
export function nmComponents(type: FixedQuantizedType): Record<string, number> {
  const { shape, sparsity } = nmCodes(type);
  const [keep, ...others] = sparsity.keep;
  if (others.length > 0)
    throw typeError('one keep, so that bytes follow from the shape', sparsity.keep.join(', '));
  return { ...canonicalComponents(denseNmType(type)), codes: nmPackedBytes(shape, sparsity, keep) };
}

/**
 * Packs the codes of a canonical matrix. Blocks keep as many as the sparsity says, where it says one number.
 *
 * @throws BitloomError `quantized-type`, `quantized-component-missing`, `format-length`, `sparsity-shape`,
 *   `sparsity-pattern` when a group has more codes that are not 0 than it may keep
 */
export function packNmTensor({ type, components }: QuantizedTensor, sparsity: NmSparsity): QuantizedTensor {
  const packed = nmType(type, sparsity);
  const { shape } = nmCodes(packed);
  const codes = unpackBitStream(componentOf({ type, components }, 'codes'), shape);
  const [keep, ...others] = sparsity.keep;
  const keeps = others.length === 0 ? { keeps: keep } : {};
  return { type: packed, components: { ...components, codes: packNm(codes, shape, sparsity, keeps) } };
}

/**
 * The canonical matrix again; the inverse of {@link packNmTensor}.
 *
 * @throws BitloomError `quantized-type`, `quantized-component-missing`, `format-length`, `sparsity-shape`,
 *   `sparsity-packed`
 */
export function unpackNmTensor(tensor: QuantizedTensor): QuantizedTensor {
  const { shape, sparsity } = nmCodes(tensor.type);
  const packed = componentOf(tensor, 'codes');
  // Scales are there for every row, so a shape that has none of its bytes is refused before it has memory.
  for (const [name, bytes] of Object.entries(canonicalComponents(denseNmType(tensor.type)))) {
    if (name !== 'codes') checkLength(name, componentOf(tensor, name).length, bytes);
  }
  if (sparsity.keep.length === 1) checkLength('packed codes', packed.length, nmComponents(tensor.type).codes);
  const codes = unpackNm(packed, shape, sparsity, new Int8Array(shape.rows * shape.cols));
  return {
    type: denseNmType(tensor.type),
    components: { ...tensor.components, codes: packBitStream(codes, shape) },
  };
}

function typeError(expected: string, got: string): BitloomError {
  return new BitloomError({
    code: 'quantized-type',
    message: 'this quantised type says nothing that could be read in the layout nm',
    where: 'sparsity',
    expected,
    got,
  });
}
