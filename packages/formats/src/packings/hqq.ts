/**
 * The packing of HQQ. The weight is reshaped before it is grouped: to [N·K / groupSize, groupSize] for axis 1, to
 * [groupSize, N·K / groupSize] for axis 0. Of that matrix [R, C] several rows share an element of `W_q`: its first rows
 * lie in the highest bits, and lane j of `lanes` holds rows j·step up to (j + 1)·step, step = R / lanes. So each lane
 * is a stretch of the weight as it lies in memory.
 *
 * | packing | `W_q` | lanes | widths |
 * |---|---|---|---|
 * | `8bit_u8` | uint8 | 1 | 8, and 5 and 6, which have no packing of their own |
 * | `4bit_u8` | uint8 | 2 | 4 |
 * | `3bit_32` | int32 | 10; the rows are padded with zeros to a multiple of ten | 3 |
 * | `2bit_u8` | uint8 | 4 | 2 |
 * | `1bit_u8` | uint8 | 8 | 1 |
 *
 * `scale` and `zero` are floats, one per group: [R, 1] for axis 1, [1, C] for axis 0. With `view_as_float` the bytes of
 * `W_q` are stored under a float dtype; they are the same bytes.
 *
 * Arithmetic: fround(fround(code − zero) · scale): the zero point is no integer, so the difference rounds as well. HQQ
 * does both operations in its compute dtype, mostly fp16.
 *
 * Source: `BitPack`, `Quantizer.quantize` and `Quantizer.dequantize` of mobiusml/hqq.
 */
import { uintFormat } from '@bitloom/ir';
import {
  checkCodes,
  checkPackedLinear,
  type PackedLinear,
  type RowRange,
  resolveRows,
  touchedGroups,
} from './packed-linear.js';
import { packingError, requireBits, requireLength, requirePositive } from './packing-error.js';
import {
  decodeStoredFloats,
  encodeStoredFloats,
  type StoredFloats,
  sliceStoredFloats,
} from './stored-floats.js';

interface Packing {
  readonly lanes: number;
  /** Bits of a lane. */
  readonly laneBits: number;
  readonly wide: boolean;
  readonly widths: readonly number[];
}

const PACKINGS = {
  '8bit_u8': { lanes: 1, laneBits: 8, wide: false, widths: [5, 6, 8] },
  '4bit_u8': { lanes: 2, laneBits: 4, wide: false, widths: [4] },
  '3bit_32': { lanes: 10, laneBits: 3, wide: true, widths: [3] },
  '2bit_u8': { lanes: 4, laneBits: 2, wide: false, widths: [2] },
  '1bit_u8': { lanes: 8, laneBits: 1, wide: false, widths: [1] },
} as const satisfies Record<string, Packing>;

export type HqqPacking = keyof typeof PACKINGS;

/** Widths that HQQ packs; its 1.58 bits, three levels in two bits, are not among them. */
const HQQ_BITS: readonly number[] = [1, 2, 3, 4, 5, 6, 8];

export interface HqqShape {
  readonly rows: number;
  readonly cols: number;
  /** `nbits`. */
  readonly bits: number;
  readonly groupSize: number;
  readonly axis: 0 | 1;
}

export interface HqqTensors {
  /** `W_q`: Int32Array for 3 bits. */
  readonly packed: Uint8Array | Int32Array;
  readonly scales: StoredFloats;
  readonly zeros: StoredFloats;
}

/** What follows from a shape. */
export interface HqqLayout {
  readonly packing: HqqPacking;
  readonly lanes: number;
  readonly laneBits: number;
  /** Whether `W_q` has int32 elements; uint8 otherwise. */
  readonly wide: boolean;
  /** Shape of `W_q`. */
  readonly packedShape: readonly [number, number];
  /** Shape of `scale` and `zero`. */
  readonly scaleShape: readonly [number, number];
}

/**
 * Packing and shapes.
 * @throws BitloomError `packing-bits`, `packing-shape`
 */
export function hqqLayout(shape: HqqShape): HqqLayout {
  const { rows, cols, bits, groupSize, axis } = shape;
  requireBits(bits, HQQ_BITS);
  for (const [name, value] of Object.entries({ rows, cols, groupSize })) requirePositive(name, value);
  if (axis !== 0 && axis !== 1) throw packingError('packing-shape', 'axis', '0 or 1', String(axis));
  if ((rows * cols) % groupSize !== 0) {
    const expected = `a divisor of the ${rows} · ${cols} elements`;
    throw packingError('packing-shape', 'groupSize', expected, String(groupSize));
  }
  const groups = (rows * cols) / groupSize;
  const [tall, wide] = axis === 1 ? [groups, groupSize] : [groupSize, groups];
  const packing = hqqPackingOf(bits);
  const { lanes, laneBits, wide: words } = PACKINGS[packing];
  // Only the 3-bit packing pads.
  if (!words && tall % lanes !== 0) {
    throw packingError(
      'packing-shape',
      axis === 1 ? 'groups' : 'groupSize',
      `a multiple of ${lanes}`,
      String(tall),
    );
  }
  return {
    packing,
    lanes,
    laneBits,
    wide: words,
    packedShape: [Math.ceil(tall / lanes), wide],
    scaleShape: axis === 1 ? [groups, 1] : [1, groups],
  };
}

/** The packing of a width. @throws BitloomError `packing-bits` */
function hqqPackingOf(bits: number): HqqPacking {
  requireBits(bits, HQQ_BITS);
  if (bits === 4) return '4bit_u8';
  if (bits === 3) return '3bit_32';
  if (bits === 2) return '2bit_u8';
  return bits === 1 ? '1bit_u8' : '8bit_u8';
}

/** A stretch of the weight that lies together in `W_q`. */
export interface HqqSpan {
  /** First element of `W_q`. */
  readonly packedStart: number;
  readonly count: number;
  /** Bits below the code. */
  readonly shift: number;
}

/** The stretches that hold elements `start` to `start + count` of the weight, in order; one per lane at most. */
export function hqqSpans(layout: HqqLayout, start: number, count: number): HqqSpan[] {
  const { lanes, laneBits, packedShape } = layout;
  const perLane = packedShape[0] * packedShape[1];
  const spans: HqqSpan[] = [];
  for (let at = start; at < start + count; ) {
    const lane = Math.floor(at / perLane);
    const end = Math.min(start + count, (lane + 1) * perLane);
    spans.push({ packedStart: at - lane * perLane, count: end - at, shift: (lanes - 1 - lane) * laneBits });
    at = end;
  }
  return spans;
}

/** Groups of a shape, as the neutral form says them. */
function hqqGroups({ rows, cols, groupSize, axis }: HqqShape): PackedLinear['groups'] {
  if (axis === 0) return { kind: 'strides', groups: (rows * cols) / groupSize };
  return { kind: 'runs', groupSize };
}

/**
 * Reads HQQ tensors, or the rows of a range.
 * @throws BitloomError `packing-bits`, `packing-shape`, `packing-length`, `packing-code-range`,
 *   `packing-scale-not-finite`
 */
export function readHqq(tensors: HqqTensors, shape: HqqShape, range?: RowRange): PackedLinear {
  const layout = hqqLayout(shape);
  const { packed } = tensors;
  requireLength('W_q', packed.length, layout.packedShape[0] * layout.packedShape[1]);
  if (packed instanceof Int32Array !== layout.wide) {
    throw packingError(
      'packing-shape',
      'W_q',
      layout.wide ? 'int32' : 'uint8',
      layout.wide ? 'uint8' : 'int32',
    );
  }
  const groups = layout.scaleShape[0] * layout.scaleShape[1];
  requireLength('scale', tensors.scales.data.length, groups);
  requireLength('zero', tensors.zeros.data.length, groups);
  const rows = resolveRows(shape.rows, range);
  return readHqqRows(shape, rows, {
    span: ({ packedStart, count }) => packed.subarray(packedStart, packedStart + count),
    scales: (first, count) => sliceStoredFloats(tensors.scales, first, count),
    zeros: (first, count) => sliceStoredFloats(tensors.zeros, first, count),
  });
}

/** Where {@link readHqqRows} gets its parts from. */
export interface HqqSource {
  span(span: HqqSpan): Uint8Array | Int32Array;
  scales(first: number, count: number): StoredFloats;
  zeros(first: number, count: number): StoredFloats;
}

/**
 * Reads the rows of a range and asks only for what they need, so that a matrix in a file never has to be in memory.
 * @throws BitloomError `packing-bits`, `packing-shape`, `packing-length`, `packing-code-range`,
 *   `packing-scale-not-finite`
 */
export function readHqqRows(shape: HqqShape, range: RowRange, source: HqqSource): PackedLinear {
  const layout = hqqLayout(shape);
  const { cols, bits } = shape;
  const { start, end } = resolveRows(shape.rows, range);
  const codes = new Uint8Array((end - start) * cols);
  const mask = 2 ** layout.laneBits - 1;
  let at = 0;
  for (const span of hqqSpans(layout, start * cols, codes.length)) {
    const elements = source.span(span);
    requireLength('W_q', elements.length, span.count);
    for (let i = 0; i < span.count; i += 1) codes[at + i] = (elements[i] >>> span.shift) & mask;
    at += span.count;
  }
  const element = uintFormat(bits);
  checkCodes(codes, element);
  const part = { rows: end - start, cols, firstRow: start, groups: hqqGroups(shape) };
  const touched = touchedGroups(part);
  const scales = source.scales(touched.first, touched.count);
  const zeros = source.zeros(touched.first, touched.count);
  requireLength('scale', scales.data.length, touched.count);
  requireLength('zero', zeros.data.length, touched.count);
  return {
    ...part,
    element,
    codes,
    scales: decodeStoredFloats(scales, 'scale'),
    scaleFormat: scales.format,
    zeros: decodeStoredFloats(zeros, 'zero'),
    zeroFormat: zeros.format,
  };
}

/**
 * HQQ tensors of a packed matrix: the inverse of {@link readHqq}.
 * @throws BitloomError `packing-bits`, `packing-shape`, `packing-length`, `packing-code-range`, `packing-unsupported`,
 *   `packing-scale-inexact`, `packing-scale-not-finite`
 */
export function writeHqq(packed: PackedLinear): HqqTensors & { readonly shape: HqqShape } {
  checkPackedLinear(packed);
  const { rows, cols, firstRow = 0, element, groups, zeros, zeroFormat = packed.scaleFormat } = packed;
  const known = groups.kind === 'runs' || groups.kind === 'strides';
  if (element.kind !== 'int' || element.signed || !known || zeros === undefined || firstRow !== 0) {
    throw packingError(
      'packing-unsupported',
      'hqq',
      'all rows of unsigned integers with zero points, in runs or strides',
      `${element.name} in ${groups.kind}`,
    );
  }
  const axis = groups.kind === 'runs' ? 1 : 0;
  const groupSize = groups.kind === 'runs' ? groups.groupSize : (rows * cols) / groups.groups;
  const shape: HqqShape = { rows, cols, bits: element.bits, groupSize, axis };
  const layout = hqqLayout(shape);
  const count = layout.packedShape[0] * layout.packedShape[1];
  const out = layout.wide ? new Int32Array(count) : new Uint8Array(count);
  let at = 0;
  for (const { packedStart, count: length, shift } of hqqSpans(layout, 0, rows * cols)) {
    for (let i = 0; i < length; i += 1) out[packedStart + i] |= packed.codes[at + i] << shift;
    at += length;
  }
  return {
    packed: out,
    scales: encodeStoredFloats(packed.scales, packed.scaleFormat, 'scale'),
    zeros: encodeStoredFloats(zeros, zeroFormat, 'zero'),
    shape,
  };
}
