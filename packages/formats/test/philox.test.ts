import fc from 'fast-check';
import { expect, it } from 'vitest';
import { philox4x32, randomWords } from '../src/index.js';

type Four = [number, number, number, number];

it('gives the known answers that Random123 publishes for philox4x32-10', () => {
  const ones = 0xffffffff;
  const table: [Four, [number, number], Four][] = [
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [
      [ones, ones, ones, ones],
      [ones, ones],
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ];
  for (const [counter, key, words] of table) {
    const out = new Uint32Array(4);
    philox4x32(counter, key, out);
    expect([...out]).toEqual(words);
  }
});

it('makes the same words for any range', () => {
  const counter = fc.oneof(
    fc.nat(20),
    fc.maxSafeNat().map((n) => Math.floor(n / 2)),
  );
  fc.assert(
    fc.property(counter, counter, counter, fc.nat(40), fc.nat(40), (seed, stream, first, skip, count) => {
      const whole = randomWords(seed, stream, first, new Uint32Array(skip + count));
      const part = randomWords(seed, stream, first + skip, new Uint32Array(count));
      expect([...part]).toEqual([...whole.subarray(skip)]);
    }),
  );
});

it('takes seed, stream and index as 64-bit numbers', () => {
  const [word] = randomWords(2 ** 32 + 5, 2 ** 33 + 7, 2 ** 40 + 2, new Uint32Array(1));
  const out = new Uint32Array(4);
  philox4x32([2 ** 38 % 2 ** 32, 2 ** 6, 7, 2], [5, 1], out);
  expect(word).toBe(out[2]);
  expect(() => randomWords(2 ** 53, 0, 0, out)).toThrow(/seed/);
  expect(() => randomWords(0, 0.5, 0, out)).toThrow(/stream/);
  expect(() => randomWords(0, 0, 2 ** 53 - 2, out)).toThrow(/last index/);
});

it('sets every bit half of the time, in every stream', () => {
  // 2^16 words: the number of ones of a bit has deviation 2^7; six of them leave 2 in 10^9 to chance, 64 times.
  for (const stream of [0, 1]) {
    const words = randomWords(42, stream, 0, new Uint32Array(65536));
    for (let bit = 0; bit < 32; bit += 1) {
      let ones = 0;
      for (const word of words) ones += (word >>> bit) & 1;
      expect(Math.abs(ones - 32768)).toBeLessThan(6 * 128);
    }
  }
});
