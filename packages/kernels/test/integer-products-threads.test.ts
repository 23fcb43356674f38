/** Integer products on two threads give the bits of one, on every backend that has threads. */
import { loadNative } from '@bitloom/kernels-native';
import { expect, it } from 'vitest';
import { createKernels, type Kernels } from '../src/index.js';

const [M, N, K] = [150, 70, 130];

/** Results of one product of each kind, as bytes. */
function results(kernels: Kernels): Uint8Array[] {
  const { arena } = kernels;
  const [a, b, shift, scales, out] = [M * K, N * K, K, 4096, M * N * 4].map((bytes) => arena.alloc(bytes));
  for (let i = 0; i < M * K; i += 1) arena.i8[a + i] = ((i * 37) % 63) - 31;
  for (let i = 0; i < N * K; i += 1) arena.i8[b + i] = ((i * 53) % 63) - 31;
  for (let k = 0; k < K; k += 1) arena.u8[shift + k] = (k * 7) % 4;
  for (let i = 0; i < 2048; i += 1) arena.u16[scales / 2 + i] = 127 - (i % 9);
  const calls = [
    () => kernels.gemmInt8(M, N, K, a, K, 1, b, K, 1, out, 4 * N, 0),
    () => kernels.gemmInt8(M, N, K, a, 1, M, b, 1, N, out, 4 * N, 0),
    () => kernels.gemmShift(6, 6, 3, M, N, K, a, K, 1, b, 1, N, shift, out, 4 * N),
    () => kernels.gemmShiftScaled(6, 6, 3, M, N, K, a, 1, M, b, K, 1, shift, 0.1, out, 4 * N),
    () => kernels.gemmMls(9, 0, M, N, K, a, K, 1, scales, 0, 2, b, K, 1, scales, 4, 2, 0.5, out, 4 * N),
  ];
  return calls.map((call) => {
    call();
    return arena.u8.slice(out, out + M * N * 4);
  });
}

for (const backend of ['wasm', 'native'] as const) {
  it.skipIf(backend === 'native' && loadNative() === undefined)(
    `two threads are one, ${backend}`,
    async () => {
      const alone = createKernels({ backend });
      const both = createKernels({ backend, threads: 2 });
      try {
        const expected = results(alone);
        for (const start = Date.now(); both.threads < 2 && Date.now() - start < 10_000; ) {
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
        expect(both.threads).toBe(2);
        expect(results(both)).toEqual(expected);
      } finally {
        alone.close();
        both.close();
      }
    },
  );
}
