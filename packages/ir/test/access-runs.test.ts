/** Strided byte patterns against sets of bytes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type BytePattern,
  coversPattern,
  normalizeRuns,
  patternsOverlap,
} from '../src/program/access-runs.js';
import { bytesOf } from './support/interleavings.js';

const level = fc.record({ count: fc.integer({ min: 1, max: 4 }), stride: fc.nat(12) });
const shape = fc.record({ start: fc.nat(40), length: fc.integer({ min: 1, max: 6 }), a: level, b: level });
type Shape = typeof shape extends fc.Arbitrary<infer T> ? T : never;

function bytesOfShape({ start, length, a, b }: Shape): Set<number> {
  const out = new Set<number>();
  for (let i = 0; i < a.count; i++) {
    for (let j = 0; j < b.count; j++) {
      for (let k = 0; k < length; k++) out.add(start + i * a.stride + j * b.stride + k);
    }
  }
  return out;
}

function patternOf({ start, length, a, b }: Shape): BytePattern {
  const end = start + (a.count - 1) * a.stride + (b.count - 1) * b.stride + length;
  return { start, end, runs: normalizeRuns(length, a.count, a.stride, b.count, b.stride) };
}

describe('normalizeRuns', () => {
  it('keeps the bytes', () => {
    fc.assert(
      fc.property(shape, (s) => {
        const bytes = [...bytesOfShape(s)].sort((x, y) => x - y);
        expect(bytesOf(patternOf(s)).sort((x, y) => x - y)).toEqual(bytes);
      }),
      { numRuns: 500 },
    );
  });

  it('recognises dense patterns and joins levels', () => {
    expect(normalizeRuns(64, 8, 64, 4, 512)).toBeUndefined();
    expect(normalizeRuns(64, 8, 0, 1, 0)).toBeUndefined();
    expect(normalizeRuns(16, 8, 64, 4, 512)).toEqual({
      length: 16,
      innerCount: 32,
      innerStride: 64,
      outerCount: 1,
      outerStride: 0,
    });
    expect(normalizeRuns(16, 3, 1024, 2, 32)).toMatchObject({
      innerCount: 2,
      innerStride: 32,
      outerCount: 3,
    });
  });
});

describe('patternsOverlap', () => {
  it('says whether two patterns share a byte', () => {
    fc.assert(
      fc.property(shape, shape, (x, y) => {
        const bytes = bytesOfShape(y);
        const isShared = [...bytesOfShape(x)].some((byte) => bytes.has(byte));
        expect(patternsOverlap(patternOf(x), patternOf(y))).toBe(isShared);
        expect(patternsOverlap(patternOf(y), patternOf(x))).toBe(isShared);
      }),
      { numRuns: 2000 },
    );
  });

  it('tells interleaved columns of one matrix apart', () => {
    const column = (start: number): BytePattern => ({
      start,
      end: start + 99 * 64 + 16,
      runs: normalizeRuns(16, 100, 64, 1, 0),
    });
    expect(patternsOverlap(column(0), column(16))).toBe(false);
    expect(patternsOverlap(column(0), column(15))).toBe(true);
    expect(patternsOverlap(column(0), column(64 * 99 + 48))).toBe(false);
  });
});

describe('coversPattern', () => {
  it('never claims a byte that is not there', () => {
    fc.assert(
      fc.property(shape, shape, (x, y) => {
        fc.pre(coversPattern(patternOf(x), patternOf(y)));
        const bytes = bytesOfShape(x);
        expect([...bytesOfShape(y)].every((byte) => bytes.has(byte))).toBe(true);
      }),
    );
  });
});
