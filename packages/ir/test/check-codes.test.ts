/** The rule of INT8 codes: what an engine with packed products may sum before it splits its fields. */
import { describe, expect, it } from 'vitest';
import {
  BitloomError,
  type Device,
  FLOAT_NUMERICS,
  type Instruction,
  integerNumerics,
  type Numerics,
  numericsKey,
  verifyProgram,
} from '../src/index.js';
import { at, halt, instruction, tinyDevice, tinyProgram, tinyRegions } from './support/tiny-program.js';

const packed: Device['matrix']['dsp'] = { kind: 'DSP48E2', count: 16, productsPerDsp: 2 };

function device(numerics: Numerics, skipUpTo: number, dsp: Device['matrix']['dsp'] = packed): Device {
  const card = tinyDevice({ numerics: [numericsKey(numerics)] });
  const chain = { ...card.matrix.chain, overflowAdjust: { skipUpTo } };
  return { ...card, matrix: { ...card.matrix, dsp, chain } };
}

const product: Instruction = instruction('MM', 'matrix', {
  mode: 1,
  bits: 8,
  batch: 1,
  bShare: 1,
  m: 1,
  n: 8,
  k: 8,
  a: at('data', 0),
  aScale: at('data', 64),
  b: at('weights', 0),
  bScale: at('data', 128),
  out: at('data', 512),
  finish: 1,
});

function code(numerics: Numerics, card: Device, instructions: Instruction[] = [product, halt()]): string {
  const program = { ...tinyProgram(instructions, { regions: tinyRegions() }), numerics };
  try {
    verifyProgram(program, card);
  } catch (error) {
    if (error instanceof BitloomError) return error.code;
    throw error;
  }
  return 'verified';
}

describe('a card that leaves out the adjust unit for eight products', () => {
  const symmetric = integerNumerics('integer');

  it('takes programs whose activations are -127..127', () => {
    expect(code(symmetric, device(symmetric, 8))).toBe('verified');
  });

  it('refuses programs that do not promise them', () => {
    expect(code(FLOAT_NUMERICS, device(FLOAT_NUMERICS, 8))).toBe('program-codes');
    expect(code(FLOAT_NUMERICS, device(FLOAT_NUMERICS, 7))).toBe('verified');
  });

  it('takes programs that multiply nothing', () => {
    expect(code(FLOAT_NUMERICS, device(FLOAT_NUMERICS, 8), [halt()])).toBe('verified');
  });

  it('has no such rule where DSPs have no fields', () => {
    const dsp58: Device['matrix']['dsp'] = { kind: 'DSP58', count: 16, productsPerDsp: 3 };
    expect(code(FLOAT_NUMERICS, device(FLOAT_NUMERICS, 8, dsp58))).toBe('verified');
  });
});

it('no engine sums nine products', () => {
  const symmetric = integerNumerics('integer');
  expect(code(symmetric, device(symmetric, 9))).toBe('program-codes');
});
