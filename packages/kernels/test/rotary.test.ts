import { BitloomError } from '@bitloom/ir';
import { describe, expect, it } from 'vitest';
import { createKernels, ROPE_HALF, ROPE_INTERLEAVED, ropeFrequencies, ropeTable } from '../src/index.js';

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof BitloomError) return error.code;
    throw error;
  }
  return 'nothing';
}

describe('ropeFrequencies', () => {
  it('is theta^(-2i/d)', () => {
    const frequencies = ropeFrequencies(128, 500000);
    expect(frequencies.length).toBe(64);
    for (let i = 0; i < 64; i += 1) expect(frequencies[i]).toBe(Math.fround(500000 ** (-i / 64)));
  });

  it('scales linearly, by given factors, and as Llama 3 does', () => {
    const plain = ropeFrequencies(16, 10000);
    const linear = ropeFrequencies(16, 10000, { kind: 'linear', factor: 4 });
    const factors = ropeFrequencies(16, 10000, { kind: 'factors', factors: [1, 1, 1, 1, 2, 4, 8, 8] });
    expect(linear).toEqual(plain.map((x) => x / 4));
    expect(factors).toEqual(plain.map((x, i) => x / [1, 1, 1, 1, 2, 4, 8, 8][i]));

    const llama = {
      kind: 'llama3',
      factor: 8,
      lowFreqFactor: 1,
      highFreqFactor: 4,
      originalMaxPositions: 8192,
    } as const;
    const base = ropeFrequencies(128, 500000);
    const scaled = ropeFrequencies(128, 500000, llama);
    let kept = 0;
    let divided = 0;
    let blended = 0;
    for (let i = 0; i < 64; i += 1) {
      // The published rule, in wavelengths.
      const wavelength = (2 * Math.PI) / base[i];
      let expected = base[i];
      if (wavelength > 8192) expected = base[i] / 8;
      else if (wavelength > 2048) {
        const smooth = (8192 / wavelength - 1) / 3;
        expected = ((1 - smooth) * base[i]) / 8 + smooth * base[i];
        blended += 1;
      }
      if (wavelength > 8192) divided += 1;
      if (wavelength < 2048) kept += 1;
      expect(Math.abs(scaled[i] / expected - 1)).toBeLessThan(1e-6);
    }
    expect([kept, blended, divided].every((count) => count > 3)).toBe(true);
  });

  it('refuses what it cannot compute', () => {
    expect(codeOf(() => ropeFrequencies(7, 10000))).toBe('rope-head-dim');
    expect(codeOf(() => ropeFrequencies(8, -1))).toBe('rope-scaling');
    expect(codeOf(() => ropeFrequencies(8, 10000, { kind: 'linear', factor: 0 }))).toBe('rope-scaling');
    expect(codeOf(() => ropeFrequencies(8, 10000, { kind: 'factors', factors: [1] }))).toBe('rope-scaling');
    expect(codeOf(() => ropeTable(Float32Array.of(1), [-1]))).toBe('rope-position');
    expect(codeOf(() => ropeTable(Float32Array.of(1), [2 ** 21]))).toBe('rope-position');
  });
});

describe('ropeTable and rope', () => {
  it('holds cos and sin of position times frequency', () => {
    const frequencies = ropeFrequencies(8, 10000);
    const positions = [0, 1, 77, 4095];
    const table = ropeTable(frequencies, positions);
    positions.forEach((position, p) => {
      frequencies.forEach((frequency, i) => {
        const angle = Math.fround(position * frequency);
        expect(table[(p * 4 + i) * 2]).toBeCloseTo(Math.cos(angle), 7);
        expect(table[(p * 4 + i) * 2 + 1]).toBeCloseTo(Math.sin(angle), 7);
      });
    });
  });

  it('turns each pair by its angle in both layouts', () => {
    for (const backend of ['reference', 'wasm'] as const) {
      const kernels = createKernels({ backend });
      const { arena } = kernels;
      const headDim = 12;
      const table = arena.alloc(headDim * 4);
      const x = arena.alloc(headDim * 4);
      const y = arena.alloc(headDim * 4);
      arena.f32.set(ropeTable(ropeFrequencies(headDim, 100), [3]), table / 4);
      for (const layout of [ROPE_INTERLEAVED, ROPE_HALF]) {
        for (let i = 0; i < headDim; i += 1) arena.f32[x / 4 + i] = i + 1;
        kernels.rope(1, 1, headDim, x, 0, 0, table, 0, y, 0, 0, layout);
        for (let i = 0; i < headDim / 2; i += 1) {
          const [a, b] = layout === ROPE_HALF ? [i, i + headDim / 2] : [2 * i, 2 * i + 1];
          const angle = 3 * 100 ** ((-2 * i) / headDim);
          expect(arena.f32[y / 4 + a]).toBeCloseTo((a + 1) * Math.cos(angle) - (b + 1) * Math.sin(angle), 4);
          expect(arena.f32[y / 4 + b]).toBeCloseTo((a + 1) * Math.sin(angle) + (b + 1) * Math.cos(angle), 4);
        }
      }
      kernels.close();
    }
  });
});
