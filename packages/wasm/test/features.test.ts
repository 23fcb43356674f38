/** What is found in this engine, and that nothing fails where there is less. */
import { afterEach, expect, it, vi } from 'vitest';
import { probeFeatures } from '../src/index.js';

afterEach(() => {
  vi.unstubAllGlobals();
});

it('finds SIMD, relaxed SIMD and threads in Node', () => {
  expect(probeFeatures()).toEqual({ simd: true, relaxedSimd: true, threads: true });
});

it('finds nothing without WebAssembly', () => {
  vi.stubGlobal('WebAssembly', undefined);
  expect(probeFeatures()).toEqual({ simd: false, relaxedSimd: false, threads: false });
});

it('finds no relaxed SIMD where the engine refuses it or gives other results', () => {
  const api: Record<string, unknown> = Reflect.get(globalThis, 'WebAssembly');
  vi.stubGlobal('WebAssembly', {
    ...engine(api),
    validate: (bytes: Uint8Array) => !includesRelaxed(bytes),
  });
  expect(probeFeatures()).toMatchObject({ simd: true, relaxedSimd: false });
  vi.stubGlobal('WebAssembly', {
    ...engine(api),
    Instance: class {
      readonly exports = { memory: { buffer: new ArrayBuffer(65536) }, dot: () => 0 };
    },
  });
  expect(probeFeatures()).toMatchObject({ simd: true, relaxedSimd: false });
});

it('finds no threads in a page that is not isolated', () => {
  vi.stubGlobal('crossOriginIsolated', false);
  expect(probeFeatures().threads).toBe(false);
});

it('works without a process object', () => {
  vi.stubGlobal('process', undefined);
  expect(probeFeatures().simd).toBe(true);
});

/** The properties of the engine's object are not enumerable. */
function engine(api: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.getOwnPropertyNames(api).map((name) => [name, api[name]]));
}

/** 0xfd and the LEB128 number 0x112. */
function includesRelaxed(bytes: Uint8Array): boolean {
  return bytes.some((byte, i) => byte === 0xfd && bytes[i + 1] === 0x92 && bytes[i + 2] === 0x02);
}
