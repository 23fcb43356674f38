/**
 * The kernel interface: what every backend computes, operand by operand. The reference backend defines the
 * result; every other backend gives the same bits, except float32 products and float32 convolutions with their
 * gradients, which may differ within a stated tolerance (but never with M, N, the images beside, tiling or the number of
 * threads).
 *
 * Conventions
 * - Pointers and strides are bytes in the {@link Arena}. Float and int32 operands, and their strides, are
 *   multiples of 4; fp16 of 2; int8 may lie anywhere. Weights (`w`) are multiples of 16.
 * - Vector kernels run over `batch x rows x cols`; an operand is (pointer, batch stride, row stride), columns are
 *   contiguous, and a stride of 0 repeats the same row or batch (sources only).
 * - Every float operation is one float32 operation, in the order written here; no fused multiply-add but in float32
 *   products and convolutions.
 * - `sum16` is the float reduction: element i goes to partial sum i mod 16 in increasing i, each starting at +0;
 *   then s[j] += s[j+8] (j < 8), s[j] += s[j+4] (j < 4), s[j] += s[j+2] (j < 2), result s[0] + s[1].
 * - Maxima are taken by `>` from a stated start, so a NaN never becomes a maximum.
 * - Any NaN equals any other: its sign and payload are not part of the result.
 * - Destinations may be the source itself (same pointer and strides) in element-wise kernels, norms, softmax to
 *   float and rope; any other overlap is not allowed. Sizes of 0 are legal and do nothing.
 *
 * Arguments are positional numbers because a call costs more than the work for small vectors otherwise. Products,
 * convolutions, poolings, `mlsIntegers`, `embedGroups`, `rowMaxima`, `quantizeRowsBy` and `l1NormInt8` refuse missing
 * arguments and counts that are none (`kernel-argument`). Nothing else is range-checked: the callers are compilers and interpreters that have verified their
 * plans. A pointer past the arena traps in WebAssembly (a RuntimeError) and reads NaN or 0 in the reference; the native backend refuses it.
 */
import type { Arena } from './arena.js';
import { ATTENTION_KERNELS, type AttentionKernels } from './interface/attention.js';
import { CONVOLUTION_KERNELS, type ConvolutionKernels } from './interface/convolutions.js';
import { FLOAT_PRODUCT_KERNELS, type FloatProductKernels } from './interface/float-products.js';
import { GROUP_PRODUCT_KERNELS, type GroupProductKernels } from './interface/group-products.js';
import { INT4_ROW_KERNELS, type Int4RowKernels } from './interface/int4-rows.js';
import { INTEGER_PRODUCT_KERNELS, type IntegerProductKernels } from './interface/integer-products.js';
import { L1_NORM_KERNELS, type L1NormKernels } from './interface/l1-norms.js';
import { ROW_PART_KERNELS, type RowPartKernels } from './interface/row-parts.js';
import { SAMPLING_KERNELS, type SamplingKernels } from './interface/sampling.js';
import { SPARSE_PRODUCT_KERNELS, type SparseProductKernels } from './interface/sparse-products.js';
import { VECTOR_KERNELS, type VectorKernels } from './interface/vectors.js';
import { WINDOW_KERNELS, type WindowKernels } from './interface/windows.js';

/** Every kernel, without the state around them. */
export interface KernelTable
  extends VectorKernels,
    GroupProductKernels,
    FloatProductKernels,
    IntegerProductKernels,
    AttentionKernels,
    WindowKernels,
    ConvolutionKernels,
    L1NormKernels,
    SamplingKernels,
    SparseProductKernels,
    RowPartKernels,
    Int4RowKernels {}

/** What computes: the definition, WebAssembly SIMD, or C++ with WebAssembly for what it lacks. */
export type Backend = 'reference' | 'wasm' | 'native';

/** The arithmetic of bitloom over one {@link Arena}. */
export interface Kernels extends KernelTable {
  readonly backend: Backend;
  readonly arena: Arena;
  /**
   * Threads that share the large products at present, this one included: workers join some milliseconds after
   * creation, and there is one thread after {@link close}.
   */
  readonly threads: number;
  /**
   * Kernels that failed their self-test, or that the engine refused, and run on a slower backend; empty when all is well. A kernel is
   * tested when its family is loaded, which is when one of it is first asked for, or by {@link Kernels.load}.
   */
  readonly fallbacks: readonly string[];
  /**
   * Says which bytes of the arena a later call will read from end to end. Threads that have nothing to do after the next
   * large product, and until the one after it, may fetch them into a cache; results do not depend on it.
   */
  willRead(pointer: number, bytes: number): void;
  /** Loads every family now, so that no later call pays for it, and `fallbacks` is complete. */
  load(): void;
  /** Ends the worker threads, if any; the kernels go on working on this thread. Calling it again does nothing. */
  close(): void;
}

/** Names of all kernels. */
export const KERNEL_NAMES = [
  ...VECTOR_KERNELS,
  ...GROUP_PRODUCT_KERNELS,
  ...FLOAT_PRODUCT_KERNELS,
  ...INTEGER_PRODUCT_KERNELS,
  ...ATTENTION_KERNELS,
  ...WINDOW_KERNELS,
  ...CONVOLUTION_KERNELS,
  ...L1_NORM_KERNELS,
  ...SAMPLING_KERNELS,
  ...SPARSE_PRODUCT_KERNELS,
  ...ROW_PART_KERNELS,
  ...INT4_ROW_KERNELS,
] as const;

/** Name of one compute method of {@link Kernels}. */
export type KernelName = (typeof KERNEL_NAMES)[number];

/** Any kernel: numbers in, results in the arena. */
export type NumericKernel = (...args: number[]) => void;
