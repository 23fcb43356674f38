/**
 * Types of the values that flow through a model graph: dense tensors and quantised tensors.
 * The quantised type is complete from the start: it says INT4 group 128, Q4_K, MXFP4, NVFP4, MLS and 8:16
 * sparsity without a new field.
 */
import type { Expression } from '../expression.js';
import type { ElementFormat } from './element-format.js';

/** Element types of dense tensors. */
export type DType = 'f32' | 'f16' | 'bf16' | 'i32' | 'i8' | 'u8' | 'bool';

/** Bytes of one element of a dense tensor. */
export const DTYPE_BYTES: Readonly<Record<DType, number>> = {
  f32: 4,
  f16: 2,
  bf16: 2,
  i32: 4,
  i8: 1,
  u8: 1,
  bool: 1,
};

/** A dense tensor, row-major. Dimensions may hold symbols. */
export interface DenseType {
  readonly kind: 'dense';
  readonly dtype: DType;
  readonly shape: readonly Expression[];
}

/** One level of scales over the codes (or over the scales of the level before it). */
export interface ScaleLevel {
  readonly format: ElementFormat;
  /** How many elements share a scale along each axis of the tensor; 0 means the whole axis. */
  readonly block: readonly number[];
  /** `multiply`: value = code x scale; `divide`: value = code / scale. */
  readonly direction: 'multiply' | 'divide';
  /** Affine part of this level, where it has one. */
  readonly zero?: { readonly format: ElementFormat; readonly kind: 'zero-point' | 'minimum' };
  /** Named rule by which the scale was chosen, e.g. `amax/7`, `floor`, `rceil`. */
  readonly rule: string;
}

/** Which elements are stored. `keep` is the number of kept values of each `m` (FlightLLM's N). */
export type Sparsity =
  | {
      readonly kind: 'n-of-m';
      readonly keep: readonly number[];
      readonly m: number;
      readonly block: readonly number[];
      readonly indexBits: number;
    }
  | { readonly kind: 'block-mask'; readonly block: readonly number[] };

/** Columns of a matrix that lie next to each other and have a width, and a sparsity, of their own. */
export interface Band {
  /** Columns of the band: whole groups of scales, in the last band up to the last column. */
  readonly cols: number;
  readonly element: ElementFormat;
  /** In blocks like those of all other bands. */
  readonly scales: readonly ScaleLevel[];
  readonly sparsity?: Sparsity;
  /** Layout of the band's components, as of a matrix of its own. */
  readonly layout: string;
}

/** Layout of a matrix that consists of {@link QuantizedType.bands}. */
export const BANDED_LAYOUT = 'banded';

/** Bands of a matrix at most: layouts of images name each of them. */
export const MAX_BANDS = 32;

/** A tensor stored as codes with scales. */
export interface QuantizedType {
  readonly kind: 'quantized';
  readonly shape: readonly Expression[];
  /** Of a matrix in bands: that of the widest. */
  readonly element: ElementFormat;
  /** Ordered from the codes outwards; of a matrix in bands, those of the widest. */
  readonly scales: readonly ScaleLevel[];
  /** Index of each slice along `axis` into a table (ShiftQuant groups, act-order). */
  readonly indexMap?: {
    readonly axis: number;
    readonly purpose: 'shift-group' | 'act-order';
    readonly groups: number;
  };
  readonly sparsity?: Sparsity;
  /** Layout id, e.g. `canonical`, `rows16.u4.g32`; `formats` owns what it means. */
  readonly layout: string;
  /**
   * Bands along the last axis of a matrix, from its first column on; the layout is {@link BANDED_LAYOUT}, and the bands
   * have the components of matrices of their own: `0.codes`, `0.scales`, `1.codes`, ... What is multiplied and added, in
   * which order, is as in the same matrix without bands.
   */
  readonly bands?: readonly Band[];
}

export type ValueType = DenseType | QuantizedType;

export function dense(dtype: DType, shape: readonly Expression[]): DenseType {
  return { kind: 'dense', dtype, shape };
}
