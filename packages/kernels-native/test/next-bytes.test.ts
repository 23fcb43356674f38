/** What a job says of the bytes that the one after it reads: idle threads fetch them, and results know nothing of it. */
import { describe, expect, test } from 'vitest';
import {
  checkNative,
  loadNative,
  NATIVE_ARGUMENTS,
  NATIVE_BLOCK_WORDS,
  NATIVE_BYTES_WORD,
  NATIVE_NEXT_WORD,
} from '../src/index.js';

const BYTES = 1 << 20;
const DATA = 1 << 16;
const CELLS = 1024;
const SHARES = 8;

const addon = loadNative();

describe.skipIf(addon === undefined)('the bytes to come', () => {
  const nowhere: [number, number][] = [
    [Number.NaN, 64],
    [64, Number.NaN],
    [-5, 64],
    [0, -1],
    [Number.POSITIVE_INFINITY, 64],
    [0, Number.POSITIVE_INFINITY],
    [1e300, 1e300],
    [BYTES - 10, 100],
    [BYTES, 1],
    [0.5, 0.5],
  ];
  const somewhere: [number, number][] = [
    [0, BYTES],
    [BYTES - 100, 100],
    [DATA + 1, 5000],
  ];

  test.each([...nowhere, ...somewhere])('from %s, %s of them', (at, bytes) => {
    if (addon === undefined) return;
    const memory = new Uint8Array(new SharedArrayBuffer(BYTES));
    const args = new Float64Array(memory.buffer, 64, NATIVE_BLOCK_WORDS);
    const floats = new Float32Array(memory.buffer);
    args[NATIVE_BYTES_WORD] = BYTES;
    const handle = addon.open({ memory, args, threads: 3 });
    const add = addon.names.indexOf('add');
    for (let i = 0; i < CELLS; i += 1) floats[DATA / 4 + i] = i;
    for (let round = 0; round < 40; round += 1) {
      args[NATIVE_NEXT_WORD] = at;
      args[NATIVE_NEXT_WORD + 1] = bytes;
      for (let share = 0; share < SHARES; share += 1) {
        const count = CELLS / SHARES;
        const from = DATA + share * count * 4;
        const to = from + CELLS * 4;
        args.set([1, 1, count, from, 0, 0, from, 0, 0, to, 0, 0], share * NATIVE_ARGUMENTS);
      }
      checkNative(handle.run(add, SHARES), 'add');
      for (let i = 0; i < CELLS; i += 1) {
        if (floats[DATA / 4 + CELLS + i] !== 2 * i) throw new Error(`round ${round}: element ${i}`);
      }
      floats.fill(0, DATA / 4 + CELLS, DATA / 4 + 2 * CELLS);
    }
    // While threads may still fetch.
    handle.close();
    expect(handle.run(add, 1)).not.toBe(0);
  });
});
