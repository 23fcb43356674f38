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

/** A tensor stored as codes with scales. */
export interface QuantizedType {
  readonly kind: 'quantized';
  readonly shape: readonly Expression[];
  readonly element: ElementFormat;
  /** Ordered from the codes outwards. */
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
}

export type ValueType = DenseType | QuantizedType;

export function dense(dtype: DType, shape: readonly Expression[]): DenseType {
  return { kind: 'dense', dtype, shape };
}
