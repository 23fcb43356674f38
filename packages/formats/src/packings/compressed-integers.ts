/**
 * Integers as compressed-tensors stores them, packed or plain.
 *
 * `pack-quantized`: codes + 2^(bits − 1) as unsigned integers, each row a stream of words.
 *
 * | tensor | dtype | shape |
 * |---|---|---|
 * | `weight_packed` | int32 | [N, words of K codes] |
 * | `weight_scale` | bf16, fp16, fp32 | by strategy |
 * | `weight_zero_point` | int32 | [words of N codes, groups], packed along the rows; asymmetric group and channel |
 * | `weight_shape` | int64 or int32 | [2] = N, K |
 * | `weight_g_idx` | int32 | [K], with the ordering `group` of columns |
 *
 * Words are `dense` since the summer of 2026; before, widths that do not divide 32 were `padded` (10 codes of 3 bits
 * to a word). For 2, 4 and 8 bits both are the same. A file does not say which it has, but the number of words does,
 * save for some narrow matrices, which are refused unless the caller knows.
 *
 * `int-quantized` and `naive-quantized`: `weight` int8 [N, K], `weight_zero_point` int8 of the shape of the scales.
 *
 * Arithmetic: (code − zero) · scale; compressed-tensors computes it in the dtype of the scales.
 *
 * Source: `pack_to_int32`, `PackedQuantizationCompressor`, `NaiveQuantizationCompressor`, `_dequantize` of
 * compressed-tensors.
 */
import { intFormat } from '@bitloom/ir';
import { type CompressedStrategy, strategyScales } from './compressed-strategy.js';
import {
  checkCodes,
  checkGroupIndex,
  checkPackedLinear,
  type PackedLinear,
  type ScaleGroups,
} from './packed-linear.js';
import { packingError, requireBits, requireLength } from './packing-error.js';
import { decodeStoredFloats, encodeStoredFloats, type StoredFloats } from './stored-floats.js';
import { readWords, type WordLayout, type WordStream, wordCount, writeWords } from './word-stream.js';

const INTEGER_BITS: readonly number[] = [2, 3, 4, 5, 6, 7, 8];

export interface CompressedIntegerShape {
  readonly rows: number;
  readonly cols: number;
  readonly bits: number;
  readonly scaling: CompressedStrategy;
  /** Layout of the words; by default what their number says. */
  readonly layout?: WordLayout;
}

export interface PackQuantizedTensors {
  readonly packed: Int32Array;
  readonly scales: StoredFloats;
  /** Packed for `group` and `channel`, one int8 per scale otherwise. */
  readonly zeroPoints?: Int32Array | Int8Array;
  /** `weight_g_idx`; an entry of −1 anywhere means columns in order. */
  readonly groupIndex?: Int32Array;
}

export interface PlainIntegerTensors {
  readonly codes: Int8Array;
  readonly scales: StoredFloats;
  readonly zeroPoints?: Int8Array;
  readonly groupIndex?: Int32Array;
}

/** Whether zero points of a strategy are packed in `pack-quantized`. */
function packsZeros({ strategy }: CompressedStrategy): boolean {
  return strategy === 'group' || strategy === 'channel';
}

/**
 * Layout of a matrix, from the number of words of a row and, where they are packed, of the zero points of a group.
 * Streams that are the same in both layouts say nothing.
 * @throws BitloomError `packing-length` where neither layout fits, `packing-ambiguous` where both do and differ
 */
export function packedLayout(
  { rows, cols, bits }: Pick<CompressedIntegerShape, 'rows' | 'cols' | 'bits'>,
  rowWords: number,
  zeroWords?: number,
): WordLayout {
  const streams: [string, number, number][] = [['weight_packed', cols, rowWords]];
  if (zeroWords !== undefined) streams.push(['weight_zero_point', rows, zeroWords]);
  const found = new Set<WordLayout>();
  let ambiguous = false;
  for (const [where, count, words] of streams) {
    const [dense, padded] = (['dense', 'padded'] as const).map((layout) => wordCount(count, bits, layout));
    if (words !== dense && words !== padded) {
      throw packingError(
        'packing-length',
        where,
        `${dense} words (dense) or ${padded} (padded)`,
        String(words),
      );
    }
    if (dense !== padded) found.add(words === dense ? 'dense' : 'padded');
    else if (padded > 1 && 32 % bits !== 0) ambiguous = true;
  }
  if (found.size === 1) return [...found][0];
  if (found.size === 0 && !ambiguous) return 'dense';
  throw packingError(
    'packing-ambiguous',
    'weight_packed',
    'a number of words that only one layout has',
    `${bits} bits, [${rows}, ${cols}]`,
  );
}

/**
 * Reads `pack-quantized` tensors.
 * @throws BitloomError `packing-bits`, `packing-shape`, `packing-length`, `packing-ambiguous`, `packing-group-index`,
 *   `packing-scale-not-finite`
 */
export function readPackQuantized(
  tensors: PackQuantizedTensors,
  shape: CompressedIntegerShape,
): PackedLinear {
  const { rows, cols, bits } = shape;
  requireBits(bits, INTEGER_BITS);
  const { scaleRows, scaleCols, ...common } = readCommon(tensors, shape);
  const zeroWords = packsZeros(shape.scaling) ? tensors.zeroPoints : undefined;
  const layout =
    shape.layout ??
    packedLayout(
      shape,
      tensors.packed.length / rows,
      zeroWords === undefined ? undefined : zeroWords.length / scaleCols,
    );
  const words = wordCount(cols, bits, layout);
  requireLength('weight_packed', tensors.packed.length, rows * words);
  const codes = new Int8Array(rows * cols);
  for (let row = 0; row < rows; row += 1) {
    readWords(tensors.packed, rowStream(row, words, bits, layout), 0, cols, codes, row * cols, 1);
  }
  const offset = 2 ** (bits - 1);
  for (let i = 0; i < codes.length; i += 1) codes[i] -= offset;
  const { zeroPoints } = tensors;
  if (zeroPoints === undefined) return { rows, cols, codes, ...common };
  if (!packsZeros(shape.scaling))
    return { rows, cols, codes, ...common, zeros: plainZeros(zeroPoints, common) };
  requireLength('weight_zero_point', zeroPoints.length, wordCount(rows, bits, layout) * scaleCols);
  const zeros = new Float32Array(scaleRows * scaleCols);
  const source = Int32Array.from(zeroPoints);
  for (let group = 0; group < scaleCols; group += 1) {
    readWords(source, zeroStream(group, scaleCols, bits, layout), 0, rows, zeros, group, scaleCols);
  }
  for (let i = 0; i < zeros.length; i += 1) zeros[i] -= offset;
  return { rows, cols, codes, ...common, zeros };
}

/**
 * Reads plain int8 tensors (`int-quantized`, `naive-quantized`).
 * @throws BitloomError as {@link readPackQuantized}, and `packing-code-range`
 */
export function readPlainIntegers(tensors: PlainIntegerTensors, shape: CompressedIntegerShape): PackedLinear {
  const { rows, cols, bits } = shape;
  requireBits(bits, INTEGER_BITS);
  const { scaleRows: _rows, scaleCols: _cols, ...common } = readCommon(tensors, shape);
  requireLength('weight', tensors.codes.length, rows * cols);
  const codes = tensors.codes.slice();
  checkCodes(codes, common.element);
  const { zeroPoints } = tensors;
  if (zeroPoints === undefined) return { rows, cols, codes, ...common };
  return { rows, cols, codes, ...common, zeros: plainZeros(zeroPoints, common) };
}

/** What both forms share: element, groups and scales. */
function readCommon(
  tensors: { readonly scales: StoredFloats; readonly groupIndex?: Int32Array },
  shape: CompressedIntegerShape,
): Pick<PackedLinear, 'element' | 'groups' | 'scales' | 'scaleFormat'> & {
  scaleRows: number;
  scaleCols: number;
} {
  const { rows, cols, scaling } = shape;
  const { groups, shape: scaleShape } = strategyScales(scaling, rows, cols);
  const [scaleRows, scaleCols] = scaleShape;
  requireLength('weight_scale', tensors.scales.data.length, scaleRows * scaleCols);
  return {
    element: intFormat(shape.bits),
    groups: compressedGroups(tensors.groupIndex, scaling, groups, cols),
    scales: decodeStoredFloats(tensors.scales, 'weight_scale'),
    scaleFormat: tensors.scales.format,
    scaleRows,
    scaleCols,
  };
}

/**
 * Groups with an index of columns. compressed-tensors sorts the columns by it and cuts them in groups of the group
 * size, which is the index itself only where every group has that many columns; anything else is refused.
 * @throws BitloomError `packing-group-index`
 */
export function compressedGroups(
  groupIndex: Int32Array | undefined,
  scaling: CompressedStrategy,
  groups: ScaleGroups,
  cols: number,
): ScaleGroups {
  if (groupIndex === undefined || groupIndex.includes(-1)) return groups;
  if (scaling.strategy !== 'group') {
    throw packingError('packing-group-index', 'weight_g_idx', 'the strategy group', scaling.strategy);
  }
  const count = Math.ceil(cols / scaling.groupSize);
  checkGroupIndex(groupIndex, cols, count);
  const sizes = new Uint32Array(count);
  for (const group of groupIndex) sizes[group] += 1;
  const size = Math.min(cols, scaling.groupSize);
  const bad = sizes.findIndex((found) => found !== size);
  if (bad >= 0) {
    throw packingError('packing-group-index', `group ${bad}`, `${size} columns`, `${sizes[bad]}`);
  }
  const inOrder = groupIndex.every((group, col) => group === Math.floor(col / scaling.groupSize));
  return inOrder ? groups : { kind: 'indexed', groupIndex, groups: count };
}

function plainZeros(
  zeroPoints: Int8Array | Int32Array,
  { scales, element }: Pick<PackedLinear, 'scales' | 'element'>,
): Float32Array {
  requireLength('weight_zero_point', zeroPoints.length, scales.length);
  const most = 2 ** (element.bits - 1) - 1;
  const zeros = Float32Array.from(zeroPoints);
  const bad = zeros.findIndex((zero) => zero < -most - 1 || zero > most);
  if (bad < 0) return zeros;
  throw packingError(
    'packing-zero-range',
    `zero point ${bad}`,
    `${-most - 1} to ${most}`,
    String(zeros[bad]),
  );
}

/** What a matrix must be to be written as compressed integers. */
function checkWritable(packed: PackedLinear): {
  scaleCols: number;
  zeros: Int8Array | undefined;
  most: number;
} {
  checkPackedLinear(packed);
  const { element, groups, cols, zeros } = packed;
  const known = groups.kind === 'columns' || groups.kind === 'indexed' || groups.kind === 'blocks';
  if (element.kind !== 'int' || !element.signed || !known) {
    throw packingError(
      'packing-unsupported',
      'compressed-tensors',
      'signed integers in groups of columns or blocks',
      `${element.name} in ${groups.kind}`,
    );
  }
  requireBits(element.bits, INTEGER_BITS);
  const most = 2 ** (element.bits - 1) - 1;
  const bad =
    zeros?.findIndex((zero) => !(Number.isInteger(zero) && zero >= -most - 1 && zero <= most)) ?? -1;
  if (zeros !== undefined && bad >= 0) {
    throw packingError(
      'packing-zero-range',
      `zero point ${bad}`,
      `${-most - 1} to ${most}`,
      String(zeros[bad]),
    );
  }
  const scaleCols =
    groups.kind === 'indexed'
      ? groups.groups
      : Math.ceil(cols / (groups.kind === 'blocks' ? groups.blockCols : groups.groupSize));
  return { scaleCols, zeros: zeros === undefined ? undefined : Int8Array.from(zeros), most };
}

/**
 * `pack-quantized` tensors of a packed matrix: the inverse of {@link readPackQuantized}.
 * @param layout dense, as compressed-tensors writes today, or padded, as it did
 * @throws BitloomError `packing-bits`, `packing-shape`, `packing-length`, `packing-group-index`, `packing-code-range`,
 *   `packing-zero-range`, `packing-unsupported`, `packing-scale-inexact`, `packing-scale-not-finite`
 */
export function writePackQuantized(packed: PackedLinear, layout: WordLayout = 'dense'): PackQuantizedTensors {
  const { scaleCols, zeros, most } = checkWritable(packed);
  const { rows, cols, element, groups } = packed;
  const { bits } = element;
  const offset = most + 1;
  const words = wordCount(cols, bits, layout);
  const out = new Int32Array(rows * words);
  const line = new Uint8Array(cols);
  for (let row = 0; row < rows; row += 1) {
    for (let col = 0; col < cols; col += 1) line[col] = packed.codes[row * cols + col] + offset;
    writeWords(line, 0, 1, cols, out, rowStream(row, words, bits, layout));
  }
  return {
    packed: out,
    ...writeCommon(packed),
    ...(zeros === undefined
      ? {}
      : { zeroPoints: groups.kind === 'blocks' ? zeros : packZeros(zeros, rows, scaleCols, bits, layout) }),
  };
}

function packZeros(
  zeros: Int8Array,
  rows: number,
  scaleCols: number,
  bits: number,
  layout: WordLayout,
): Int32Array {
  const unsigned = Uint8Array.from(zeros, (zero) => zero + 2 ** (bits - 1));
  const out = new Int32Array(wordCount(rows, bits, layout) * scaleCols);
  for (let group = 0; group < scaleCols; group += 1) {
    writeWords(unsigned, group, scaleCols, rows, out, zeroStream(group, scaleCols, bits, layout));
  }
  return out;
}

/**
 * Plain int8 tensors of a packed matrix: the inverse of {@link readPlainIntegers}.
 * @throws BitloomError as {@link writePackQuantized}
 */
export function writePlainIntegers(packed: PackedLinear): PlainIntegerTensors {
  const { zeros } = checkWritable(packed);
  return {
    codes: Int8Array.from(packed.codes),
    ...writeCommon(packed),
    ...(zeros === undefined ? {} : { zeroPoints: zeros }),
  };
}

function writeCommon(packed: PackedLinear): { scales: StoredFloats; groupIndex?: Int32Array } {
  const { groups, scales, scaleFormat } = packed;
  return {
    scales: encodeStoredFloats(scales, scaleFormat, 'weight_scale'),
    ...(groups.kind === 'indexed' ? { groupIndex: groups.groupIndex.slice() } : {}),
  };
}

function rowStream(row: number, words: number, bits: number, layout: WordLayout): WordStream {
  return { start: row * words, stride: 1, bits, layout };
}

/** Zero points of one group run down a column of [words of N codes, groups]. */
function zeroStream(group: number, groups: number, bits: number, layout: WordLayout): WordStream {
  return { start: group, stride: groups, bits, layout };
}
