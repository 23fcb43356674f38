/** What the addon offers: the types of native/addon.cc and the sizes of the argument block that both sides share. */

/** float64 arguments of one share. */
export const NATIVE_ARGUMENTS = 32;
/** Most shares of one job. */
export const NATIVE_MAX_SHARES = 64;
/** The float64 of the block that holds the bytes of the memory at present; the addon checks every operand by it. */
export const NATIVE_BYTES_WORD = NATIVE_ARGUMENTS * NATIVE_MAX_SHARES;
/** The two float64 that say where the job after this one begins to read and how much: idle threads fetch it. 0: nothing. */
export const NATIVE_NEXT_WORD = NATIVE_BYTES_WORD + 1;
/** float64 words of the argument block. */
export const NATIVE_BLOCK_WORDS = NATIVE_BYTES_WORD + 8;

/** An instruction set that kernels are compiled for. `plain` runs everywhere and is no faster than WebAssembly. */
export type NativeIsa = 'avx512vnni' | 'avx2' | 'plain';

/** The instruction mix of a product: unsigned 4-bit or 8-bit by int8, int16 by int16, or float32. */
export type PeakKind = 'int4' | 'int8' | 'int16' | 'float32';

/** How {@link NativeAddon.open} is called. */
export interface NativeOptions {
  /** The memory from its first byte, at least as far as the argument block. It may grow later but never move. */
  readonly memory: Uint8Array<ArrayBufferLike>;
  /** The argument block, {@link NATIVE_BLOCK_WORDS} long, in the same memory. Share i begins at i·32. */
  readonly args: Float64Array<ArrayBufferLike>;
  /** Threads that run shares, the calling one included: 1 to 64. */
  readonly threads: number;
  /** One of {@link NativeAddon.isas}; the first by default. */
  readonly isa?: NativeIsa;
  /** How far the memory may grow, in bytes; its length by default. On Linux so much is asked to lie in large pages. */
  readonly reserved?: number;
}

/** Kernels over one memory. Every method answers a status, see {@link checkNative}; none throws. */
export interface NativeHandle {
  /** The instruction set in use. */
  readonly isa: NativeIsa;
  /** Threads that were started, the calling one included. */
  readonly threads: number;
  /** Runs kernel `names[index]` on this thread with the arguments of share 0. */
  call(index: number): number;
  /** Runs shares 0..shares−1 of a kernel on all threads and returns when all are finished. */
  run(index: number, shares: number): number;
  /** Ends the threads and lets go of the memory; later calls answer a status. Calling it again does nothing. */
  close(): void;
}

/**
 * Measures of this machine, for benchmarks. Each takes about the given time, 0 to 60000 milliseconds, and keeps the best
 * sample. Each throws a TypeError for other times, and for what it does not know.
 */
export interface NativeLimits {
  /** Operations per second (a multiplication and an addition are two) of one thread with everything in registers. */
  peak(kind: PeakKind, milliseconds: number): number;
  /** Bytes per second that `threads` threads together read from a buffer of `bytes` bytes of their own. */
  read(bytes: number, threads: number, milliseconds: number): number;
}

/** The loaded addon. */
export interface NativeAddon {
  /** Kernels that it has; the place of a name is its index. */
  readonly names: readonly string[];
  /** Instruction sets that this CPU runs, the fastest first. */
  readonly isas: readonly NativeIsa[];
  readonly limits: NativeLimits;
  /** @throws TypeError when the options are not of the types above, or `args` does not lie in `memory`. */
  open(options: NativeOptions): NativeHandle;
}

/** Whether a loaded module looks like the addon of this version. */
export function isNativeAddon(module: unknown): module is NativeAddon {
  if (typeof module !== 'object' || module === null) return false;
  return (
    'names' in module &&
    Array.isArray(module.names) &&
    'isas' in module &&
    Array.isArray(module.isas) &&
    'limits' in module &&
    'open' in module &&
    typeof module.open === 'function'
  );
}
