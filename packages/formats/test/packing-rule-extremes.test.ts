import { BitloomError } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dequantizePacked, type PackedLinear } from '../src/packings/packed-linear.js';
import { type RoundToNearestRule, roundToNearest } from '../src/packings/round-to-nearest.js';

/** Every rule, with every format of scales it takes. */
const RULES: readonly RoundToNearestRule[] = (['fp16', 'bf16', 'fp32'] as const).flatMap((scaleFormat) => {
  const scaling = { strategy: 'group', groupSize: 32 } as const;
  const grouped = { groupSize: 32, scaleFormat } as const;
  return [
    { rule: 'gptq-symmetric', bits: 4, ...grouped },
    { rule: 'gptq-symmetric-original', bits: 2, ...grouped },
    { rule: 'gptq-asymmetric', bits: 4, ...grouped },
    { rule: 'gptq-asymmetric', bits: 8, ...grouped },
    { rule: 'awq-symmetric', ...grouped },
    { rule: 'awq-asymmetric', ...grouped },
    { rule: 'compressed-symmetric', bits: 4, scaling, scaleFormat },
    { rule: 'compressed-asymmetric', bits: 8, scaling, scaleFormat },
    { rule: 'fp8', scaling, scaleFormat },
    { rule: 'hqq', bits: 4, axis: 1, ...grouped },
    { rule: 'hqq', bits: 1, axis: 0, ...grouped },
    { rule: 'hqq', bits: 8, axis: 1, ...grouped },
  ] satisfies RoundToNearestRule[];
});
const ALL: readonly RoundToNearestRule[] = [...RULES, { rule: 'nvfp4' }, { rule: 'mxfp4' }];

const LARGEST = 3.4028234663852886e38;
const SPECIAL = [
  0,
  -0,
  2 ** -149,
  -(2 ** -149),
  2 ** -126,
  1e-9,
  1e-5,
  1e-4,
  1,
  -10,
  65504,
  1e6,
  LARGEST,
  -LARGEST,
];
const anyFloat = fc.oneof(fc.float({ noNaN: true, noDefaultInfinity: true }), fc.constantFrom(...SPECIAL));
const matrix = fc.oneof(
  // Constant, nearly constant, and any.
  anyFloat.map((value) => new Array<number>(64).fill(value)),
  fc
    .tuple(anyFloat, fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 64, maxLength: 64 }))
    .map(([value, steps]) =>
      steps.map((step) => Math.max(-LARGEST, Math.min(LARGEST, value * (1 + step * 2 ** -22)))),
    ),
  fc.array(anyFloat, { minLength: 64, maxLength: 64 }),
  // All subnormal.
  fc
    .array(fc.integer({ min: -40, max: 40 }), { minLength: 64, maxLength: 64 })
    .map((steps) => steps.map((step) => step * 2 ** -149)),
);

function roundOrCode(values: Float32Array, rule: RoundToNearestRule): PackedLinear | string {
  try {
    return roundToNearest(values, { rows: 2, cols: 32 }, rule);
  } catch (error) {
    if (!(error instanceof BitloomError)) throw error;
    return error.code;
  }
}

describe('tiny, huge and constant groups', () => {
  it.each(ALL.map((rule) => [JSON.stringify(rule), rule] as const))(
    '%s: finite scales and zero points, no NaN, or the error that says so',
    (_name, rule) => {
      fc.assert(
        fc.property(matrix, (drawn) => {
          const values = Float32Array.from(drawn);
          const packed = roundOrCode(values, rule);
          if (typeof packed === 'string') {
            expect(packed).toBe('packing-scale-not-finite');
            // Only what is past the range of fp16 is ever refused: HQQ multiplies by up to 2e4.
            expect(Math.max(...values.map(Math.abs))).toBeGreaterThan(3);
            return;
          }
          expect([...packed.scales].every(Number.isFinite)).toBe(true);
          expect([...(packed.zeros ?? [])].every(Number.isFinite)).toBe(true);
          expect(Number.isFinite(packed.tensorDivisor ?? 1)).toBe(true);
          expect([...dequantizePacked(packed)].some(Number.isNaN)).toBe(false);
        }),
        { numRuns: 60 },
      );
    },
  );
});
