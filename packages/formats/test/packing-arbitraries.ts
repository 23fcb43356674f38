/** Random packed matrices for the tests of the packings. */
import { type ElementFormat, intFormat, uintFormat } from '@bitloom/ir';
import fc from 'fast-check';
import { expect } from 'vitest';
import { decodeFp16Array } from '../src/elements/half-precision.js';
import type { PackedLinear, ScaleGroups } from '../src/packings/packed-linear.js';
import { touchedGroups } from '../src/packings/packed-linear.js';

/** A small generator with a seed from fast-check, for arrays too long to shrink element by element. */
export function random(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

export interface MatrixOptions {
  readonly rows: number;
  readonly cols: number;
  readonly bits: number;
  readonly signed: boolean;
  readonly groups: ScaleGroups;
  readonly zeros: 'none' | 'codes' | 'floats';
  readonly seed: number;
}

/** A matrix of integers with fp16 scales. */
export function integerMatrix(options: MatrixOptions): PackedLinear {
  const { rows, cols, bits, signed, groups, zeros, seed } = options;
  const next = random(seed);
  const element: ElementFormat = signed ? intFormat(bits) : uintFormat(bits);
  const least = signed ? -(2 ** (bits - 1)) : 0;
  const code = (): number => least + Math.floor(next() * 2 ** bits);
  const { count } = touchedGroups({ rows, cols, groups });
  const fp16 = (): Float32Array =>
    decodeFp16Array(Uint16Array.from({ length: count }, () => Math.floor(next() * 0x7c00)));
  const codes = Array.from({ length: rows * cols }, code);
  return {
    rows,
    cols,
    element,
    codes: signed ? Int8Array.from(codes) : Uint8Array.from(codes),
    groups,
    scales: fp16(),
    scaleFormat: 'fp16',
    ...(zeros === 'none'
      ? {}
      : { zeros: zeros === 'floats' ? fp16() : Float32Array.from({ length: count }, code) }),
    ...(zeros === 'floats' ? { zeroFormat: 'fp16' as const } : {}),
  };
}

export const seeds = fc.integer({ min: 1, max: 2 ** 31 });

/** Every value of a packed matrix by its definition, one element at a time. */
export function valuesByDefinition(packed: PackedLinear, value: (code: number) => number): Float32Array {
  const { rows, cols, firstRow = 0, groups, scales, zeros, tensorDivisor } = packed;
  const { first } = touchedGroups(packed);
  const out = new Float32Array(rows * cols);
  for (let row = 0; row < rows; row += 1) {
    for (let col = 0; col < cols; col += 1) {
      const flat = (firstRow + row) * cols + col;
      const group = {
        columns: () =>
          groups.kind === 'columns'
            ? row * Math.ceil(cols / groups.groupSize) + Math.floor(col / groups.groupSize)
            : 0,
        indexed: () => (groups.kind === 'indexed' ? row * groups.groups + groups.groupIndex[col] : 0),
        blocks: () =>
          groups.kind === 'blocks'
            ? Math.floor((firstRow + row) / groups.blockRows) * Math.ceil(cols / groups.blockCols) +
              Math.floor(col / groups.blockCols) -
              first
            : 0,
        runs: () => (groups.kind === 'runs' ? Math.floor(flat / groups.groupSize) - first : 0),
        strides: () => (groups.kind === 'strides' ? flat % groups.groups : 0),
      }[groups.kind]();
      const scale = tensorDivisor === undefined ? scales[group] : Math.fround(scales[group] / tensorDivisor);
      const code = value(packed.codes[row * cols + col]);
      out[row * cols + col] = Math.fround(Math.fround(code - (zeros?.[group] ?? 0)) * scale);
    }
  }
  return out;
}

/** Expects equal records; typed arrays are compared as bytes, which is a hundred times faster than element by element. */
export function expectSame(actual: unknown, expected: unknown, path = 'value'): void {
  if (ArrayBuffer.isView(expected) && ArrayBuffer.isView(actual)) {
    expect(actual.constructor.name, path).toBe(expected.constructor.name);
    const equal = Buffer.compare(bytesOf(actual), bytesOf(expected)) === 0;
    if (!equal) expect(actual, path).toEqual(expected);
    return;
  }
  if (typeof expected === 'object' && expected !== null && typeof actual === 'object' && actual !== null) {
    const [got, want] = [new Map(Object.entries(actual)), new Map(Object.entries(expected))];
    expect([...got.keys()].sort(), path).toEqual([...want.keys()].sort());
    for (const [key, value] of want) expectSame(got.get(key), value, `${path}.${key}`);
    return;
  }
  expect(actual, path).toBe(expected);
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
