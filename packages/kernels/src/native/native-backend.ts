/**
 * The native backend over one arena: the functions of the addon by name, and its threads as a {@link ShareRunner}. The
 * addon works on the bytes of the arena with the arguments of the interface, which travel as float64 in a block of the
 * arena; what it has no version of runs in WebAssembly.
 */

import { BitloomError, type ErrorDetails } from '@bitloom/ir';
import {
  checkNative,
  loadNative,
  NATIVE_ARGUMENTS,
  NATIVE_BLOCK_WORDS,
  NATIVE_BYTES_WORD,
  NATIVE_NEXT_WORD,
  type NativeAbsence,
  type NativeAddon,
  type NativeHandle,
  type NativeIsa,
  type NativeStatus,
  nativeStatus,
} from '@bitloom/kernels-native';
import type { WasmFunction } from '@bitloom/wasm';
import type { Arena } from '../arena.js';
import type { FamilyTable, KernelFamily } from '../family.js';
import type { KernelName } from '../kernels.js';
import type { Job, ShareRunner } from '../parallel/parallel-kernels.js';

/** How a {@link NativeBackend} is made. */
export interface NativeBackendOptions {
  readonly threads: number;
  /** The fastest that the machine runs by default. */
  readonly isa?: NativeIsa;
}

/** The addon over one arena. */
export class NativeBackend implements ShareRunner {
  readonly #addon: NativeAddon;
  readonly #arena: Arena;
  readonly #args: Float64Array<ArrayBufferLike>;
  /** For calls on this thread, which go on after {@link close}. It goes when nothing refers to its functions. */
  readonly #own: NativeHandle;
  readonly #pool: NativeHandle | undefined;
  #closed = false;
  /** What {@link willRead} said. */
  #nextPointer = 0;
  #nextBytes = 0;

  /**
   * @throws BitloomError `kernel-native-absent` where there is no addon, it has no such instruction set, or the memory
   *   of the arena is not shared and so moves when it grows.
   */
  constructor(arena: Arena, { threads, isa }: NativeBackendOptions) {
    const addon = loadNative();
    if (addon === undefined) throw absentAddon(nativeStatus());
    if (!arena.isShared) throw absent({ got: 'the memory of the arena is not shared', hint: SHARE });
    if (isa !== undefined && !addon.isas.includes(isa)) throw absentIsa(isa, addon.isas);
    this.#addon = addon;
    this.#arena = arena;
    const block = arena.alloc(NATIVE_BLOCK_WORDS * 8);
    const { buffer } = arena.memory;
    this.#args = new Float64Array(buffer, block, NATIVE_BLOCK_WORDS);
    const options = { memory: new Uint8Array(buffer), args: this.#args, isa, reserved: arena.maxBytes };
    this.#own = addon.open({ ...options, threads: 1 });
    this.#pool = threads > 1 ? addon.open({ ...options, threads }) : undefined;
  }

  /** The instruction set in use. */
  get isa(): NativeIsa {
    return this.#own.isa;
  }

  /** Threads beside the calling one. */
  get ready(): number {
    return this.#closed || this.#pool === undefined ? 0 : this.#pool.threads - 1;
  }

  /** The kernels of a family that the addon has, with the checks of arguments that choose a code path. */
  table(family: KernelFamily): FamilyTable {
    const names = family.names.filter((name) => this.#addon.names.includes(name));
    const functions = Object.fromEntries(names.map((name) => [name, this.#kernel(name)]));
    // `bind` adds a pointer to scratch memory, which the addon has of its own and does not read.
    const bound = family.bind(functions, 0);
    return Object.fromEntries(names.map((name) => [name, bound[name]]));
  }

  #kernel(name: KernelName): WasmFunction {
    const index = this.#addon.names.indexOf(name);
    const args = this.#args;
    const arena = this.#arena;
    const handle = this.#own;
    return (...values) => {
      for (let i = 0; i < values.length; i += 1) args[i] = values[i];
      args[NATIVE_BYTES_WORD] = arena.capacity;
      const status = handle.call(index);
      if (status !== 0) checkNative(status, name);
      return status;
    };
  }

  /** The bytes that the job after the next one reads; of one job only. See `Kernels.willRead`. */
  willRead(pointer: number, bytes: number): void {
    this.#nextPointer = pointer;
    this.#nextBytes = bytes;
  }

  /**
   * Runs every share of a job on all threads.
   *
   * @throws BitloomError see `checkNative`: the answer of a share that failed, after the others have finished.
   */
  run({ kernel, shares }: Job): void {
    const args = this.#args;
    for (let share = 0; share < shares.length; share += 1) {
      const values = shares[share];
      const at = share * NATIVE_ARGUMENTS;
      for (let i = 0; i < values.length; i += 1) args[at + i] = values[i];
    }
    args[NATIVE_BYTES_WORD] = this.#arena.capacity;
    args[NATIVE_NEXT_WORD] = this.#nextPointer;
    args[NATIVE_NEXT_WORD + 1] = this.#nextBytes;
    this.#nextBytes = 0;
    const handle = this.#closed ? this.#own : (this.#pool ?? this.#own);
    checkNative(handle.run(this.#addon.names.indexOf(kernel), shares.length), kernel);
  }

  /** Ends the threads; kernels go on working on the calling one. */
  close(): void {
    this.#closed = true;
    this.#pool?.close();
  }
}

/** What mends each kind of absence. */
const MENDS: Readonly<Record<NativeAbsence, string>> = {
  off: 'unset BITLOOM_NATIVE, or leave out the backend and WebAssembly is used',
  'not-built':
    'install a C++ compiler and run `npm rebuild @bitloom/kernels-native`, or leave out the backend and WebAssembly is used',
  'not-loaded':
    'run `npm rebuild @bitloom/kernels-native` on this machine; where BITLOOM_NATIVE names an addon, correct or unset it; or leave out the backend and WebAssembly is used',
};
const SHARE = 'make the arena without `shared: false`';

function absent(details: Pick<ErrorDetails, 'expected' | 'got' | 'hint'>): BitloomError {
  const message = 'the native kernels cannot be used';
  return new BitloomError({ ...details, code: 'kernel-native-absent', message });
}

function absentAddon(status: NativeStatus): BitloomError {
  // Between the two looks the file has come: there is nothing to say but that.
  if (status.available) return absent({ got: 'the addon did not load', hint: 'try again' });
  return absent({ got: status.reason, hint: MENDS[status.absence] });
}

function absentIsa(isa: NativeIsa, isas: readonly NativeIsa[]): BitloomError {
  return absent({
    expected: isas.join(', '),
    got: String(isa),
    hint: 'leave out isa for the fastest that this machine runs',
  });
}
