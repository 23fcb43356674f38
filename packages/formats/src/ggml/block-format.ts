/**
 * What one GGML block format is: a record with its sizes, its two directions for a single block, and the structure
 * of the tensor it makes. The families (`legacy-blocks`, `k-quants-*`, ...) are tables of such records and
 * `ggml-blocks` is the door to them. Not for whole tensors: records trust their callers to give whole blocks of
 * finite values.
 */
import type { ElementFormat, Expression, QuantizedType, ScaleLevel } from '@bitloom/ir';
import { decodeFp16, encodeFp16 } from '../elements/half-precision.js';
import type { GgmlBlockName } from './block-sizes.js';
import {
  type GroupSearch,
  openGroupSearch,
  type SearchSource,
  sharedSearchSource,
} from './search/group-search.js';

/** One block format of GGML. */
export interface GgmlBlock {
  readonly name: GgmlBlockName;
  /** Elements of one block; rows of a tensor are whole blocks. */
  readonly elements: number;
  /** Bytes of one block. */
  readonly bytes: number;
  /** Byte offsets of the fp16 scales and minimums in a block; encoding refuses a block where one is not finite. */
  readonly halves: readonly number[];
  /** The same of float32 scales, where the format has them. */
  readonly floats?: readonly number[];
  /** Decodes the block at byte `at` of `blocks` to `elements` values from `outAt` of `out`. Never fails. */
  readonly decode: (blocks: Uint8Array, at: number, out: Float32Array, outAt: number) => void;
  /** Encodes `elements` finite values from `from` of `values` to the block at byte `outAt` of zeroed `out`. */
  readonly encode: (
    values: Float32Array,
    from: number,
    out: Uint8Array,
    outAt: number,
    scratch: EncodeScratch,
  ) => void;
  /** The structure of a tensor [rows, cols] in this format: its elements, and its scales from the codes outwards. */
  readonly type: (shape: readonly Expression[]) => QuantizedType;
}

/** Room that encoders share within one call, so that no block allocates. */
export interface EncodeScratch {
  /** Codes of the block. */
  readonly codes: Int8Array;
  /** Codes of a group under trial. */
  readonly trial: Int8Array;
  /** Weights of the errors in a group. */
  readonly weights: Float32Array;
  /** Scale of each group, and what is subtracted from it. */
  readonly scales: Float32Array;
  readonly minimums: Float32Array;
  /** Two sums of a fit. */
  readonly sums: Float32Array;
  /** The searches through WebAssembly, where the engine runs them; opened at the first call. */
  readonly search: () => GroupSearch | undefined;
}

/** Scratch for the largest block. */
export function createScratch(source: SearchSource = sharedSearchSource): EncodeScratch {
  let opened: { readonly search: GroupSearch | undefined } | undefined;
  return {
    codes: new Int8Array(256),
    trial: new Int8Array(32),
    weights: new Float32Array(32),
    scales: new Float32Array(16),
    minimums: new Float32Array(16),
    sums: new Float32Array(2),
    search: () => {
      opened ??= { search: openGroupSearch(source) };
      return opened.search;
    },
  };
}

/** The fp16 stored at byte `at`. */
export function readHalf(blocks: Uint8Array, at: number): number {
  return decodeFp16(blocks[at] | (blocks[at + 1] << 8));
}

/** Stores `value` as fp16 and gives back what was stored. A value that is too large becomes an infinity. */
export function writeHalf(out: Uint8Array, at: number, value: number): number {
  const bits = encodeFp16(value);
  out[at] = bits & 255;
  out[at + 1] = bits >> 8;
  return decodeFp16(bits);
}

/** One scale for every `columns` neighbours of a row; 0 means the whole row. */
export function scaleLevel(
  format: ElementFormat,
  columns: number,
  rule: string,
  minimum?: ElementFormat,
): ScaleLevel {
  const level: ScaleLevel = { format, block: [1, columns], direction: 'multiply', rule };
  return minimum === undefined ? level : { ...level, zero: { format: minimum, kind: 'minimum' } };
}

/** The type of a tensor in the format `name`; blocks run along the last axis, whatever the axes before it. */
export function blockType(
  name: GgmlBlockName,
  shape: readonly Expression[],
  element: ElementFormat,
  scales: readonly ScaleLevel[],
): QuantizedType {
  const leading = new Array<number>(Math.max(0, shape.length - 1)).fill(1);
  return {
    kind: 'quantized',
    shape,
    element,
    scales: scales.map((level) => ({ ...level, block: [...leading, level.block[1]] })),
    layout: `ggml.${name}`,
  };
}
