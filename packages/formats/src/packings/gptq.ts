/**
 * The GPTQ packing (AutoGPTQ, GPTQModel, and what reads theirs): codes packed along the inputs, zero points along the
 * outputs, both dense streams, so that 32 codes of 3 bits lie in three words.
 *
 * | tensor | dtype | shape |
 * |---|---|---|
 * | `qweight` | int32 | [K · bits / 32, N] |
 * | `qzeros` | int32 | [groups, N · bits / 32] |
 * | `scales` | fp16 (also bf16, fp32) | [groups, N] |
 * | `g_idx` | int32 | [K]: group of each column; k / groupSize unless columns were reordered (`desc_act`) |
 *
 * Version 1 stores zero − 1 modulo 2^bits, version 2 (`gptq_v2`) the zero point itself. Readers of version 1 differ on
 * the stored value 2^bits − 1: later AutoGPTQ masks after adding one, as is done here, so that it stands for 0;
 * earlier ones computed with 2^bits.
 *
 * Arithmetic: (code − zero) · scale, exact in float32 for fp16 and bf16 scales; AutoGPTQ's and GPTQModel's torch path
 * multiplies in the dtype of the scales, so its weights are these rounded to it.
 *
 * Source: `QuantLinear.pack` and `forward` in AutoGPTQ `auto_gptq/nn_modules/qlinear/`.
 */
import { uintFormat } from '@bitloom/ir';
import {
  checkGroupIndex,
  checkPackedLinear,
  type PackedLinear,
  type RowRange,
  resolveRows,
  type ScaleGroups,
} from './packed-linear.js';
import { packingError, requireBits, requireLength, requirePositive } from './packing-error.js';
import { decodeStoredFloats, encodeStoredFloats, type StoredFloats } from './stored-floats.js';
import {
  readColumnStreams,
  readWords,
  type WordStream,
  writeColumnStreams,
  writeWords,
} from './word-stream.js';

/** Widths that GPTQ packs. */
export const GPTQ_BITS: readonly number[] = [2, 3, 4, 8];

export interface GptqTensors {
  readonly qweight: Int32Array;
  readonly qzeros: Int32Array;
  readonly scales: StoredFloats;
  /** `g_idx`; files of tools that never reorder columns may lack it. */
  readonly groupIndex?: Int32Array;
}

export interface GptqShape {
  /** N, a multiple of 32 / gcd(32, bits). */
  readonly rows: number;
  /** K, likewise. */
  readonly cols: number;
  readonly bits: number;
  /** Columns of a group; the last one may be short. */
  readonly groupSize: number;
  readonly version: 1 | 2;
}

/** Lengths of the tensors of a matrix. @throws BitloomError `packing-bits`, `packing-shape` */
export function gptqLengths(shape: GptqShape): {
  qweight: number;
  qzeros: number;
  scales: number;
  groups: number;
} {
  const { rows, cols, bits, groupSize } = shape;
  requireBits(bits, GPTQ_BITS);
  for (const [name, value] of Object.entries({ rows, cols, groupSize })) requirePositive(name, value);
  for (const [name, value] of Object.entries({ rows, cols })) {
    if ((value * bits) % 32 === 0) continue;
    throw packingError(
      'packing-shape',
      name,
      `whole words: a multiple of ${bits === 3 ? 32 : 32 / bits}`,
      `${value}`,
    );
  }
  const groups = Math.ceil(cols / groupSize);
  return {
    qweight: ((cols * bits) / 32) * rows,
    qzeros: ((rows * bits) / 32) * groups,
    scales: groups * rows,
    groups,
  };
}

/**
 * Reads GPTQ tensors, or the rows of a range.
 * @throws BitloomError `packing-bits`, `packing-shape`, `packing-length`, `packing-group-index`,
 *   `packing-scale-not-finite`
 */
export function readGptq(tensors: GptqTensors, shape: GptqShape, range?: RowRange): PackedLinear {
  const lengths = gptqLengths(shape);
  const { rows, cols, bits, groupSize, version } = shape;
  requireLength('qweight', tensors.qweight.length, lengths.qweight);
  requireLength('qzeros', tensors.qzeros.length, lengths.qzeros);
  requireLength('scales', tensors.scales.data.length, lengths.scales);
  const { start, end } = resolveRows(rows, range);
  const taken = end - start;
  const codes = new Uint8Array(taken * cols);
  readColumnStreams(tensors.qweight, rows, bits, start, end, cols, codes);
  const stored = decodeStoredFloats(tensors.scales, 'scales');
  const scales = new Float32Array(taken * lengths.groups);
  const zeros = new Float32Array(taken * lengths.groups);
  for (let group = 0; group < lengths.groups; group += 1) {
    readWords(tensors.qzeros, zeroStream(shape, group), start, taken, zeros, group, lengths.groups);
    for (let row = 0; row < taken; row += 1)
      scales[row * lengths.groups + group] = stored[group * rows + start + row];
  }
  if (version === 1) for (let i = 0; i < zeros.length; i += 1) zeros[i] = (zeros[i] + 1) % 2 ** bits;
  return {
    rows: taken,
    cols,
    firstRow: start,
    element: uintFormat(bits),
    codes,
    groups: gptqGroups(tensors.groupIndex, cols, groupSize),
    scales,
    scaleFormat: tensors.scales.format,
    zeros,
  };
}

/**
 * The groups that a `g_idx` says: neighbours where it counts up in steps of the group size, otherwise any.
 * @throws BitloomError `packing-group-index`
 */
export function gptqGroups(groupIndex: Int32Array | undefined, cols: number, groupSize: number): ScaleGroups {
  const groups = Math.ceil(cols / groupSize);
  if (groupIndex === undefined) return { kind: 'columns', groupSize };
  checkGroupIndex(groupIndex, cols, groups);
  const inOrder = groupIndex.every((group, col) => group === Math.floor(col / groupSize));
  return inOrder ? { kind: 'columns', groupSize } : { kind: 'indexed', groupIndex, groups };
}

/**
 * GPTQ tensors of a packed matrix, `g_idx` always among them: the inverse of {@link readGptq}.
 * @throws BitloomError `packing-bits`, `packing-shape`, `packing-length`, `packing-group-index`, `packing-code-range`,
 *   `packing-zero-range`, `packing-scale-inexact`, `packing-scale-not-finite`
 */
export function writeGptq(
  packed: PackedLinear,
  version: 1 | 2,
): GptqTensors & { readonly groupIndex: Int32Array } {
  checkPackedLinear(packed);
  const { rows, cols, element, groups, zeros } = packed;
  if (element.kind !== 'int' || element.signed || (groups.kind !== 'columns' && groups.kind !== 'indexed')) {
    throw packingError(
      'packing-unsupported',
      'gptq',
      'unsigned integers in groups of columns',
      `${element.name} in ${groups.kind}`,
    );
  }
  const groupCount = groups.kind === 'indexed' ? groups.groups : Math.ceil(cols / groups.groupSize);
  const groupSize = groups.kind === 'indexed' ? Math.ceil(cols / groupCount) : groups.groupSize;
  const shape: GptqShape = { rows, cols, bits: element.bits, groupSize, version };
  const lengths = gptqLengths(shape);
  if (lengths.groups !== groupCount) {
    throw packingError(
      'packing-group-index',
      'groups',
      `a number of groups that some group size gives for ${cols} columns`,
      String(groupCount),
    );
  }
  const qweight = new Int32Array(lengths.qweight);
  writeColumnStreams(Uint8Array.from(packed.codes), cols, qweight, rows, element.bits);
  const qzeros = new Int32Array(lengths.qzeros);
  const scales = new Float32Array(lengths.scales);
  const stored = storedZeros(zeros, packed.scales.length, element.bits, version);
  for (let group = 0; group < groupCount; group += 1) {
    writeWords(stored, group, groupCount, rows, qzeros, zeroStream(shape, group));
    for (let row = 0; row < rows; row += 1)
      scales[group * rows + row] = packed.scales[row * groupCount + group];
  }
  return {
    qweight,
    qzeros,
    scales: encodeStoredFloats(scales, packed.scaleFormat, 'scales'),
    groupIndex:
      groups.kind === 'indexed'
        ? groups.groupIndex.slice()
        : Int32Array.from({ length: cols }, (_, col) => Math.floor(col / groups.groupSize)),
  };
}

/** Zero points as they are stored; no zero points are zeros. @throws BitloomError `packing-zero-range` */
function storedZeros(
  zeros: Float32Array | undefined,
  count: number,
  bits: number,
  version: 1 | 2,
): Uint8Array {
  const out = new Uint8Array(count);
  const most = 2 ** bits - 1;
  for (let i = 0; i < count; i += 1) {
    const zero = zeros?.[i] ?? 0;
    if (!(Number.isInteger(zero) && zero >= 0 && zero <= most)) {
      throw packingError(
        'packing-zero-range',
        `zero point ${i}`,
        `an integer from 0 to ${most}`,
        String(zero),
      );
    }
    out[i] = version === 1 ? (zero + most) & most : zero;
  }
  return out;
}

/** Zero points of one group: a row of [groups, N · bits / 32]. */
function zeroStream({ rows, bits }: GptqShape, group: number): WordStream {
  return { start: group * ((rows * bits) / 32), stride: 1, bits, layout: 'dense' };
}
