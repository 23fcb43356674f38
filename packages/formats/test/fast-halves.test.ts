/** 16-bit floats in SIMD against their definition: every code, and float32 around every code. */
import { describe, expect, it } from 'vitest';
import {
  bf16FromFloat32Bits,
  decodeBf16,
  decodeBf16Array,
  decodeFp16,
  decodeFp16Array,
  encodeBf16Array,
  encodeFp16Array,
  fp16FromFloat32Bits,
} from '../src/elements/half-precision.js';
import { decodeHalves, encodeHalves } from '../src/fast/halves.js';
import { halvesSource, sharedHalvesSource } from '../src/fast/simd-module.js';
import { expectBits } from './fast-values.js';

const words = (array: Float32Array): Uint32Array =>
  new Uint32Array(array.buffer, array.byteOffset, array.length);
const CODES = Uint16Array.from({ length: 65536 }, (_, code) => code);

/** Pieces of fewer elements than the fast way takes. */
const FEW = 128;

const FORMATS = [
  {
    name: 'fp16',
    encode: (values: Float32Array) => encodeFp16Array(values),
    codeOf: (bits: number) => fp16FromFloat32Bits(bits),
    decode: (codes: Uint16Array) => decodeFp16Array(codes),
    numberOf: decodeFp16,
  },
  {
    name: 'bf16',
    encode: (values: Float32Array) => encodeBf16Array(values),
    codeOf: (bits: number) => bf16FromFloat32Bits(bits),
    decode: (codes: Uint16Array) => decodeBf16Array(codes),
    numberOf: decodeBf16,
  },
];

/** The same call in pieces so small that the plain loop takes them. */
function inPieces<A extends Float32Array | Uint16Array, B extends Float32Array | Uint16Array>(
  all: A,
  out: B,
  convert: (piece: A) => B,
): B {
  for (let at = 0; at < all.length; at += FEW) out.set(convert(all.subarray(at, at + FEW) as A), at);
  return out;
}

describe.each(FORMATS)('$name', ({ encode, codeOf, decode, numberOf }) => {
  const encodePlainly = (values: Float32Array): Uint16Array =>
    Uint16Array.from(words(values), (bits) => codeOf(bits));

  it('decodes every code to its value, and NaNs as the plain loop does', () => {
    expect(sharedHalvesSource()).toBeDefined();
    const values = decode(CODES);
    expect(values.every((value, code) => Object.is(value, numberOf(code)))).toBe(true);
    expectBits(values, inPieces(CODES, new Float32Array(65536), decode));
  });

  it('encodes what lies on, beside and between codes as one value', () => {
    const exact = words(decode(CODES));
    const near = new Uint32Array(exact.length * 8);
    // Offsets in float32 steps: neighbours, and the middle of two fp16 or bf16 with its own neighbours.
    const offsets = [0, 1, -1, 0x1000, 0xfff, 0x8000, 0x7fff, 0x8001];
    offsets.forEach((offset, k) => {
      for (let i = 0; i < exact.length; i += 1) near[k * exact.length + i] = exact[i] + offset;
    });
    const values = new Float32Array(near.buffer);
    expectBits(encode(values), encodePlainly(values));
  });

  it('encodes float32 of every exponent as one value', () => {
    const values = new Float32Array(100_003);
    const bits = words(values);
    let state = 12345;
    for (let i = 0; i < bits.length; i += 1) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      bits[i] = state ^ (state << 13);
    }
    expectBits(encode(values), encodePlainly(values));
    expectBits(encode(values), inPieces(values, new Uint16Array(values.length), encode));
  });

  it('takes views', () => {
    const values = Float32Array.from({ length: 1003 }, (_, i) => Math.sin(i) * 100).subarray(3);
    expectBits(encode(values), encodePlainly(values));
    const codes = CODES.subarray(0x3001, 0x3801);
    expect(decode(codes)).toEqual(Float32Array.from(codes, numberOf));
  });
});

describe('the fast way', () => {
  const values = new Float32Array(600).fill(1);
  const codes = new Uint16Array(600);

  it('says no without SIMD, and for other lengths', () => {
    const none = halvesSource(() => {
      throw new Error('no SIMD here');
    });
    expect(encodeHalves(values, codes, 'encodeFp16', none)).toBe(false);
    expect(decodeHalves(codes, values, 'decodeFp16', none)).toBe(false);
    expect(encodeHalves(values, codes.subarray(1), 'encodeFp16')).toBe(false);
    expect(decodeHalves(codes, values.subarray(1), 'decodeFp16')).toBe(false);
    expect(encodeHalves(values.subarray(0, 9), codes.subarray(0, 9), 'encodeFp16')).toBe(false);
  });

  it('is chosen by nearest-even alone', () => {
    const third = new Float32Array(600).fill(1 / 3);
    expect(encodeFp16Array(third)[500]).toBe(0x3555);
    expect(encodeFp16Array(third, undefined, 'toward-positive')[500]).toBe(0x3556);
  });
});
