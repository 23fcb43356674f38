/**
 * What the engine offers beyond plain WebAssembly: SIMD, relaxed SIMD, shared memories with atomics. Each is found by
 * compiling a tiny module, and relaxed SIMD also by running it, because a result that differs from the one its
 * specification fixes would go unnoticed otherwise. It decides nothing: callers choose what they emit.
 */
import { i16x8, i32, lane, load, op } from './expression.js';
import { compileModule, instantiateModule, validateModule } from './host.js';
import { ModuleBuilder } from './module-builder.js';

/** What the engine can run. */
export interface WasmFeatures {
  /** 128-bit SIMD. */
  readonly simd: boolean;
  /** The relaxed dot product of int8 with 7-bit integers, with the results its specification fixes. */
  readonly relaxedSimd: boolean;
  /** A memory can be shared between threads: in a page that needs cross-origin isolation. */
  readonly threads: boolean;
}

/** Options of {@link probeFeatures}. */
export interface ProbeOptions {
  /**
   * Node 20 has relaxed SIMD behind a flag of its engine, which holds for the whole process. Default true: it is set
   * before relaxed SIMD is looked for. Elsewhere nothing is set.
   */
  readonly enableRelaxedSimd?: boolean;
}

/** Probes the engine; a fraction of a millisecond. Call it before the first module that uses what it finds. */
export function probeFeatures(options: ProbeOptions = {}): WasmFeatures {
  const simd = accepts(() => simdModule());
  if (simd && (options.enableRelaxedSimd ?? true) && !accepts(relaxedModule)) enableRelaxedSimd();
  return { simd, relaxedSimd: simd && accepts(relaxedModule) && relaxedDotIsExact(), threads: hasThreads() };
}

function accepts(module: () => Uint8Array): boolean {
  try {
    return validateModule(module());
  } catch {
    // No WebAssembly at all.
    return false;
  }
}

function simdModule(): Uint8Array {
  const module = new ModuleBuilder();
  module.function('probe', {}, 'i32', () => lane('i16x8.extract_lane_s', 0, i16x8(1)));
  return module.toBytes({ names: false });
}

/** dot(count): relaxed dot products of `count` pairs of vectors: at 0 and 1024 the operands, at 2048 the results. */
function relaxedModule(): Uint8Array {
  const module = new ModuleBuilder();
  module.memory('memory', { initial: 1 });
  module.procedure('dot', { count: 'i32' }, (f, { count }) => {
    const at = f.local('i32', 'at', i32(0));
    f.while(count, () => {
      const product = op(
        'i16x8.relaxed_dot_i8x16_i7x16_s',
        load('v128.load', at),
        load('v128.load', at, 1024),
      );
      f.store('v128.store', at, product, 2048);
      f.set(at, op('i32.add', at, i32(16)));
      f.set(count, op('i32.sub', count, i32(1)));
    });
  });
  return module.toBytes({ names: false });
}

/** Runs the dot product on the extremes of both operands, in all pairs, and compares with the definition. */
function relaxedDotIsExact(): boolean {
  try {
    const { memory, dot } = instantiateModule(compileModule(relaxedModule()));
    if (typeof dot !== 'function' || !hasBuffer(memory)) return false;
    const signed = [-128, -127, -1, 0, 1, 2, 126, 127];
    const small = [0, 1, 15, 16, 63, 64, 126, 127];
    const a = new Int8Array(memory.buffer, 0, 1024);
    const b = new Int8Array(memory.buffer, 1024, 1024);
    for (let i = 0; i < 1024; i += 1) {
      // Neighbours run through all pairs of rows of the tables.
      a[i] = signed[(i % 2 === 0 ? i >> 1 : i >> 4) & 7];
      b[i] = small[(i % 2 === 0 ? i >> 7 : i >> 1) & 7];
    }
    dot(64);
    const got = new Int16Array(memory.buffer, 2048, 512);
    return got.every((value, i) => value === a[2 * i] * b[2 * i] + a[2 * i + 1] * b[2 * i + 1]);
  } catch {
    return false;
  }
}

function hasBuffer(value: unknown): value is { readonly buffer: ArrayBuffer } {
  return (
    typeof value === 'object' && value !== null && 'buffer' in value && value.buffer instanceof ArrayBuffer
  );
}

/** Whether memories can be shared here: the engine has them, and the page, if there is one, is isolated. */
function hasThreads(): boolean {
  if (typeof SharedArrayBuffer === 'undefined' || typeof Atomics === 'undefined') return false;
  if (Reflect.get(globalThis, 'crossOriginIsolated') === false) return false;
  return accepts(() => {
    const module = new ModuleBuilder();
    module.importMemory('env', 'memory', { initial: 1, maximum: 1, shared: true });
    return module.toBytes({ names: false });
  });
}

/** Sets the flag of Node 20's engine. Nothing happens in browsers, in later versions, or where it cannot be set. */
function enableRelaxedSimd(): void {
  const host: unknown = Reflect.get(globalThis, 'process');
  if (typeof host !== 'object' || host === null) return;
  const getBuiltinModule: unknown = Reflect.get(host, 'getBuiltinModule');
  if (typeof getBuiltinModule !== 'function') return;
  const v8: unknown = Reflect.apply(getBuiltinModule, host, ['node:v8']);
  if (typeof v8 !== 'object' || v8 === null) return;
  const setFlags: unknown = Reflect.get(v8, 'setFlagsFromString');
  if (typeof setFlags === 'function') Reflect.apply(setFlags, v8, ['--experimental-wasm-relaxed-simd']);
}
