/**
 * The memory every kernel works on: one WebAssembly memory, shared where the engine allows it, handed out by bumping a pointer. Pointers are
 * plain byte addresses, so that the reference backend, the WebAssembly backend and the workers all see the same
 * bytes. It is a stack, not a heap: what lies above a mark goes when the mark is released. It does not know what
 * is stored in it and never clears memory that is handed out again.
 */
import { BitloomError } from '@bitloom/ir';
import { createMemory, type WasmMemory } from '@bitloom/wasm';
import { shown } from './shown.js';
import { canShareMemory } from './threads/spawn-worker.js';

const PAGE_BYTES = 65536;
const MAX_PAGES = 65536;
/** Bytes that stay readable past every allocation, so that a vector load may run over the end of a row. */
const SLACK_BYTES = 64;
/** Growth steps are at least this large, so that many small allocations do not make many views. */
const GROWTH_BYTES = 16 * 2 ** 20;

/** Size of a memory that is not shared, unless asked otherwise: it is reserved at once. */
const UNSHARED_BYTES = 2 ** 30;

/** How an {@link Arena} is made. */
export interface ArenaOptions {
  /** Bytes committed at once; default 16 MiB. Growth is automatic. */
  readonly initialBytes?: number;
  /** Upper limit in bytes, at most 4 GiB (the default; 1 GiB where memory cannot be shared). */
  readonly maxBytes?: number;
  /** Whether other threads can work on it; default: where the engine allows it. */
  readonly shared?: boolean;
}

/**
 * A growing shared memory with bump allocation.
 *
 * The typed views cover the whole memory and are indexed by element, so float `i` at byte pointer `p` is
 * `arena.f32[p / 4 + i]`. Read the getter again after every `alloc`: growth makes new views, and old ones do not
 * see the new bytes (they stay valid for the bytes they cover).
 */
export class Arena {
  readonly memory: WasmMemory;
  readonly maxBytes: number;
  /** Whether other threads can work on the memory. */
  readonly isShared: boolean;
  #top = 64;
  #f32: Float32Array<ArrayBufferLike>;
  #i32: Int32Array<ArrayBufferLike>;
  #i8: Int8Array<ArrayBufferLike>;
  #u8: Uint8Array<ArrayBufferLike>;
  #u16: Uint16Array<ArrayBufferLike>;

  /** @throws BitloomError `arena-bad-size` when a size is negative or no number */
  constructor(options: ArenaOptions = {}) {
    checkSize('initialBytes', options.initialBytes);
    checkSize('maxBytes', options.maxBytes);
    this.isShared = options.shared ?? canShareMemory();
    const limit = this.isShared ? MAX_PAGES * PAGE_BYTES : UNSHARED_BYTES;
    const maximum = Math.min(MAX_PAGES, Math.ceil((options.maxBytes ?? limit) / PAGE_BYTES));
    // Growth of a memory that is not shared takes its bytes away from the views that others hold: it never grows.
    const wanted = this.isShared ? (options.initialBytes ?? GROWTH_BYTES) : maximum * PAGE_BYTES;
    const initial = Math.min(maximum, Math.ceil(wanted / PAGE_BYTES));
    this.maxBytes = maximum * PAGE_BYTES;
    this.memory = createMemory({ initial, maximum, shared: this.isShared });
    const buffer = this.memory.buffer;
    this.#f32 = new Float32Array(buffer);
    this.#i32 = new Int32Array(buffer);
    this.#i8 = new Int8Array(buffer);
    this.#u8 = new Uint8Array(buffer);
    this.#u16 = new Uint16Array(buffer);
  }

  /** The whole memory as float32. */
  get f32(): Float32Array<ArrayBufferLike> {
    return this.#f32;
  }

  /** The whole memory as int32. */
  get i32(): Int32Array<ArrayBufferLike> {
    return this.#i32;
  }

  /** The whole memory as int8. */
  get i8(): Int8Array<ArrayBufferLike> {
    return this.#i8;
  }

  /** The whole memory as bytes. */
  get u8(): Uint8Array<ArrayBufferLike> {
    return this.#u8;
  }

  /** The whole memory as uint16, for fp16 bit patterns. */
  get u16(): Uint16Array<ArrayBufferLike> {
    return this.#u16;
  }

  /** Bytes handed out so far; the first 64 are never used, so that 0 can mean "no operand". */
  get used(): number {
    return this.#top;
  }

  /** Bytes committed at present. */
  get capacity(): number {
    return this.#u8.length;
  }

  /**
   * Hands out `bytes` bytes at a multiple of `align` (a power of two, at least 16). Memory that was never handed
   * out before reads as zero; memory under a released mark holds what it held. At least 64 bytes after the block may
   * be read.
   *
   * @throws BitloomError `arena-full` when the memory may not grow far enough.
   */
  alloc(bytes: number, align = 64): number {
    if (!Number.isSafeInteger(bytes) || bytes < 0) {
      throw new BitloomError({
        code: 'arena-bad-size',
        message: 'an allocation needs a whole number of bytes',
        expected: 'a non-negative integer',
        got: String(bytes),
      });
    }
    if (align < 16 || (align & (align - 1)) !== 0) {
      throw new BitloomError({
        code: 'arena-bad-alignment',
        message: 'an allocation must be aligned to a power of two that a vector load accepts',
        expected: 'a power of two, at least 16',
        got: String(align),
      });
    }
    const pointer = Math.ceil(this.#top / align) * align;
    const end = pointer + bytes;
    if (end + SLACK_BYTES > this.#u8.length) this.#grow(end + SLACK_BYTES);
    this.#top = end;
    return pointer;
  }

  /** The current top, to be given to {@link release} later. */
  mark(): number {
    return this.#top;
  }

  /**
   * Gives back everything allocated since `mark`.
   *
   * @throws BitloomError `arena-bad-mark` when the mark lies above the top, so was already released.
   */
  release(mark: number): void {
    if (!Number.isSafeInteger(mark) || mark < 64 || mark > this.#top) {
      throw new BitloomError({
        code: 'arena-bad-mark',
        message: 'the mark to release does not lie below the top of the arena',
        expected: `an integer from 64 to ${this.#top}`,
        got: String(mark),
        hint: 'release marks in the opposite order of taking them, each once',
      });
    }
    this.#top = mark;
  }

  #grow(needed: number): void {
    if (needed > this.maxBytes) throw this.#full(needed);
    const current = this.#u8.length;
    const wanted = Math.min(this.maxBytes, Math.max(needed, current + Math.max(GROWTH_BYTES, current / 2)));
    try {
      this.memory.grow(Math.ceil((wanted - current) / PAGE_BYTES));
    } catch (cause) {
      throw this.#full(needed, cause);
    }
    const buffer = this.memory.buffer;
    this.#f32 = new Float32Array(buffer);
    this.#i32 = new Int32Array(buffer);
    this.#i8 = new Int8Array(buffer);
    this.#u8 = new Uint8Array(buffer);
    this.#u16 = new Uint16Array(buffer);
  }

  #full(needed: number, cause?: unknown): BitloomError {
    return new BitloomError({
      code: 'arena-full',
      message: 'the arena cannot grow to hold this allocation',
      expected: `at most ${this.maxBytes} bytes`,
      got: `${needed} bytes`,
      hint:
        this.maxBytes < (this.isShared ? MAX_PAGES * PAGE_BYTES : UNSHARED_BYTES)
          ? 'give the arena a larger maxBytes'
          : 'use fewer bits per weight, or shard the model by layer over several arenas',
      cause,
    });
  }
}

/** @throws BitloomError `arena-bad-size`; callers without types may give anything */
function checkSize(where: string, bytes: number | undefined): void {
  if (bytes === undefined || (typeof bytes === 'number' && bytes >= 0)) return;
  throw new BitloomError({
    code: 'arena-bad-size',
    message: 'the size of an arena is wrong',
    where,
    expected: 'a number of bytes, 0 or more',
    got: shown(bytes),
  });
}
