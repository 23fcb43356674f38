/**
 * Scale rules on small examples worked out by hand, each after the program that is known for it; numerics.md counts
 * them among the traps. Comments hold the working.
 */
import { FP32, type TensorScheme, uintFormat } from '@bitloom/ir';
import { describe, expect, test } from 'vitest';
import { decodeElement } from '../src/elements/decode-element.js';
import { elementFormat } from '../src/elements/element-formats.js';
import { unpackCodes } from '../src/layouts/codes.js';
import { dequantize, quantize } from '../src/quantize.js';
import {
  affineScheme,
  integerScheme,
  mxScheme,
  nvfp4Scheme,
  PER_ROW,
  PER_TENSOR,
  perGroup,
  scaleBy,
  tensorScheme,
} from '../src/schemes/named-schemes.js';

const f = Math.fround;
const E4M3 = elementFormat('fp8_e4m3fn');

/** Codes, raw components and values of one row. */
function rowOf(values: readonly number[], scheme: TensorScheme) {
  const quantized = quantize({ data: Float32Array.from(values), shape: [1, values.length] }, scheme);
  const { components } = quantized;
  const bits = scheme.element.bits;
  const raw = [...unpackCodes(components.codes, 1, values.length, bits)];
  const isSigned = scheme.element.kind === 'int' && scheme.element.signed;
  return {
    codes: raw.map((code) => (isSigned && code >= 2 ** (bits - 1) ? code - 2 ** bits : code)),
    components,
    values: [...dequantize(quantized)],
  };
}
const float32Of = (bytes: Uint8Array): number =>
  new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true);

describe('symmetric INT4, three rules for the same numbers', () => {
  const input = [7.5, -7.5, 3, -1, 0.4, 0];
  const fp32 = { scale: FP32 };

  test('AutoAWQ: amax / 7', () => {
    // 7.5/7 = 1.0714: 7.5 → 7, 3 → 2.8, −1 → −0.93, 0.4 → 0.37.
    const { codes, components, values } = rowOf(input, integerScheme(4, PER_ROW, fp32));
    expect(codes).toEqual([7, -7, 3, -1, 0, 0]);
    expect(float32Of(components.scales)).toBe(f(7.5 / 7));
    expect(values[2]).toBe(f(3 * f(7.5 / 7)));
  });

  test('compressed-tensors and torchao: amax / 7.5, −8 in use', () => {
    // Scale 1: 7.5 → 8 → 7; −7.5 → −8 (ties to even); 3, −1; 0.4 → 0.
    const { codes, components, values } = rowOf(
      input,
      integerScheme(4, PER_ROW, { ...fp32, rule: 'amax/half-range' }),
    );
    expect(codes).toEqual([7, -8, 3, -1, 0, 0]);
    expect(float32Of(components.scales)).toBe(1);
    expect(values).toEqual([7, -8, 3, -1, 0, 0]);
  });

  test('GPTQ: 2·amax / 15 around the zero 8', () => {
    // Scale 1, zero 8: 7.5 → 8 + 8 → 15; −7.5 → −8 + 8 = 0; 11, 7, 8, 8.
    const { codes, components, values } = rowOf(
      input,
      affineScheme(4, PER_ROW, { ...fp32, rule: '2amax/levels' }),
    );
    expect(codes).toEqual([15, 0, 11, 7, 8, 8]);
    expect(float32Of(components.scales)).toBe(1);
    expect([...components.zeros]).toEqual([8]);
    expect(values).toEqual([7, -8, 3, -1, 0, 0]);
  });
});

describe('affine', () => {
  test('GPTQ asymmetric: the range over 15 steps, the zero rounded', () => {
    // [−1, 2] over 15: scale 0.2, zero round(5.0) = 5; 2 → 10 + 5; −1 → −5 + 5; 0.3 → 1.5 → 2 + 5 (ties to even).
    const { codes, components } = rowOf([2, -1, 0.3, 0], affineScheme(4, PER_ROW, { scale: FP32 }));
    expect(codes).toEqual([15, 0, 7, 5]);
    expect(float32Of(components.scales)).toBe(f(0.2));
    expect([...components.zeros]).toEqual([5]);
  });

  test('zero belongs to the range, so that it is exact', () => {
    // All positive: [0, 6] over 15, zero 0. All negative: [−6, 0], zero 15.
    expect(rowOf([2, 6], affineScheme(4, PER_ROW, { scale: FP32 }))).toMatchObject({
      codes: [5, 15],
      values: [2, 6].map(f),
    });
    const negative = rowOf([-2, -6], affineScheme(4, PER_ROW, { scale: FP32 }));
    expect(negative.codes).toEqual([10, 0]);
    expect([...negative.components.zeros]).toEqual([15]);
  });

  test('a stored minimum, as Q4_1: range / 15 above the least', () => {
    // [1, 4]: step 0.2; 1.5 is 2.5 steps above 1 and goes to the even 2.
    const minimum = { format: FP32, kind: 'minimum' } as const;
    const scheme = tensorScheme('q4_1', {
      element: uintFormat(4),
      scales: [{ ...scaleBy(FP32, perGroup(8), 'min+range'), zero: minimum }],
    });
    const { codes, components } = rowOf([1, 4, 1.5], scheme);
    expect(codes).toEqual([0, 15, 2]);
    expect(float32Of(components.zeros)).toBe(1);
    expect(float32Of(components.scales)).toBe(f(3 / 15));
  });
});

describe('NVFP4', () => {
  // Two blocks of 16: amax 12 and 0.75.
  const input = [
    12,
    -6,
    4,
    ...new Array<number>(13).fill(0),
    0.75,
    -0.5,
    0.125,
    ...new Array<number>(13).fill(0),
  ];

  test('torchao: the tensor stores the multiplier amax / (448·6)', () => {
    const { codes, components, values } = rowOf(input, nvfp4Scheme('multiply'));
    const multiplier = f(12 / 2688);
    expect(float32Of(components.scales1)).toBe(multiplier);
    // Block scales in its units: 2 / m = 448 and 0.125 / m = 28: both are e4m3.
    expect([...components.scales].map((code) => decodeElement(code, E4M3))).toEqual([448, 28]);
    // Under the scale 2: 6, −3, 2; under 0.125: 6, −4, 1. Codes of e2m1: 7 is 6, 13 is −3, 4 is 2, 14 is −4, 2 is 1.
    expect(codes.slice(0, 3)).toEqual([7, 13, 4]);
    expect(codes.slice(16, 19)).toEqual([7, 14, 2]);
    expect(values[0]).toBe(f(6 * f(448 * multiplier)));
  });

  // Made with numpy and ml_dtypes, one float32 operation at a time, from the formulas of torchao: amax / 2688, block
  // amax / 6 over it as e4m3, then x / (tensor · block), or x · ((1 / tensor) / block). Five values lie next to a tie.
  test('dividing and multiplying by the reciprocal, on values where they differ', () => {
    const eighths = [
      ...[-9, 9, -5, -30, -6, 13, 14, 9, 6, -21, 9, -31, -12, -19, -28, -10],
      ...[-21, 36, 36, -14, -19, 22, 2, 15, 20, 32, 9, -14, -9, -33, -1, 28],
    ];
    const hex = (quotient: 'divide' | 'reciprocal'): string => {
      const values = eighths.map((value) => value / 8);
      const { codes, components } = rowOf(values, nvfp4Scheme('multiply', { quotient }));
      expect([...components.scales]).toEqual([0x7c, 0x7e]);
      expect(new Uint32Array(components.scales1.slice().buffer)[0]).toBe(0x3adb6db7);
      return codes.map((code) => code.toString(16)).join('');
    };
    expect(hex('divide')).toBe('c4afa5542e4fcefce77cd614573cbf86');
    expect(hex('reciprocal')).toBe('b3afa5532e3fcefcd77cd614573cbf86');
  });

  test('a reciprocal that overflows gives way to the division', () => {
    const scheme = { ...integerScheme(4, perGroup(8), { scale: FP32 }), quotient: 'reciprocal' } as const;
    const tiny = Array.from({ length: 8 }, (_, i) => (i - 4) * 1e-44);
    expect(rowOf(tiny, scheme).codes).toEqual(rowOf(tiny, { ...scheme, quotient: 'divide' }).codes);
  });

  test('compressed-tensors: it stores the divisor 448·6 / amax', () => {
    const { codes, components, values } = rowOf(input, nvfp4Scheme('divide'));
    const divisor = f(2688 / 12);
    expect(divisor).toBe(224);
    expect(float32Of(components.scales1)).toBe(divisor);
    expect([...components.scales].map((code) => decodeElement(code, E4M3))).toEqual([448, 28]);
    expect(codes).toEqual(rowOf(input, nvfp4Scheme('multiply')).codes);
    expect(values.slice(0, 3)).toEqual([12, -6, 4]);
  });

  test('the two directions are reciprocals, to a rounding', () => {
    for (let i = 0; i < 200; i += 1) {
      const amax = f(1.37 ** (i - 100));
      const multiplier = float32Of(rowOf([amax], nvfp4Scheme('multiply')).components.scales1);
      const divisor = float32Of(rowOf([amax], nvfp4Scheme('divide')).components.scales1);
      expect(Math.abs(multiplier * divisor - 1)).toBeLessThan(2 ** -23);
    }
  });

  test('blocks far below the tensor: torchao keeps 2^−6, compressed-tensors replaces 0 by 2^−3', () => {
    const tiny = (block: number) => [
      2688,
      ...new Array<number>(15).fill(0),
      block,
      ...new Array<number>(15).fill(0),
    ];
    const scales = (block: number, direction: 'multiply' | 'divide') =>
      [...rowOf(tiny(block), nvfp4Scheme(direction)).components.scales].map((code) =>
        decodeElement(code, E4M3),
      );
    // The multiplier and the divisor are 1. A block of 6·2^−8 wants 2^−8, a subnormal e4m3.
    expect(scales(6 * 2 ** -8, 'multiply')).toEqual([448, 2 ** -6]);
    expect(scales(6 * 2 ** -8, 'divide')).toEqual([448, 2 ** -8]);
    // 6·2^−10 is the last that rounds to 0; an ulp more rounds to 2^−9.
    expect(scales(6 * 2 ** -10, 'divide')).toEqual([448, 2 ** -3]);
    expect(scales(6 * 2 ** -10 * (1 + 2 ** -20), 'divide')).toEqual([448, 2 ** -9]);
    expect(scales(0, 'multiply')).toEqual([448, 2 ** -6]);
    expect(scales(0, 'divide')).toEqual([448, 2 ** -3]);
  });

  test('without a tensor scale: amax / 6 in e4m3, from 2^−6 to 448', () => {
    const scale = (amax: number) =>
      decodeElement(rowOf([amax], nvfp4Scheme('none')).components.scales[0], E4M3);
    expect(scale(6)).toBe(1);
    // 1.0625 lies between 1 and 1.125 and goes to the even code, 1.
    expect(scale(6 * 1.0625)).toBe(1);
    expect(scale(1e-9)).toBe(2 ** -6);
    expect(scale(1e9)).toBe(448);
    expect(rowOf([1e9], nvfp4Scheme('none')).values).toEqual([2688]);
  });
});

describe('powers of two', () => {
  const exponent = (amax: number, rule: string, element = 'fp8_e4m3fn') =>
    rowOf([amax, 0], mxScheme(element, rule)).components.scales[0] - 127;

  test('four rules around 448 and 512', () => {
    // e4m3: top exponent 8, largest 448. In 3 bits of mantissa, halves up, 496 is the first that rounds to 512.
    const rules = ['floor', 'rceil', 'ceil', 'even'];
    const table: [amax: number, ...exponents: number[]][] = [
      [256, 0, 0, 0, 0],
      [257, 0, 0, 1, 0],
      [448, 0, 0, 1, 0],
      [449, 0, 1, 1, 0],
      [495, 0, 1, 1, 0],
      [496, 0, 1, 1, 1],
      [511, 0, 1, 1, 1],
      [512, 1, 1, 1, 1],
    ];
    for (const [amax, ...expected] of table)
      expect(
        rules.map((rule) => exponent(amax, rule)),
        String(amax),
      ).toEqual(expected);
  });

  test('ends of E8M0', () => {
    for (const rule of ['floor', 'rceil', 'ceil', 'even']) {
      expect(exponent(0, rule)).toBe(-127);
      expect(exponent(2 ** -149, rule)).toBe(-127);
    }
    expect(exponent(3.4e38, 'floor')).toBe(119);
    expect(exponent(3.4e38, 'ceil')).toBe(120);
    // MXINT8 has a top exponent of 0.
    expect(exponent(3.4e38, 'floor', 'mxint8')).toBe(127);
    expect(exponent(3.4e38, 'ceil', 'mxint8')).toBe(127);
  });

  test('MXINT8 never says −128', () => {
    expect(rowOf([-2 + 2 ** -20, 1], mxScheme('mxint8')).codes).toEqual([-127, 64]);
  });
});

describe('means', () => {
  test('ternary: the mean magnitude of the tensor becomes 1', () => {
    // Mean of 1, 3, 0.5, 3.5 is 2: 0.5, 1.5, 0.25, −1.75 → 0 (tie), 1 (clamped), 0, −1. Codes 0, 1, 2 are −1, 0, 1.
    const scheme = tensorScheme('t', {
      element: elementFormat('ternary'),
      scales: [scaleBy(FP32, PER_TENSOR, 'mean')],
    });
    expect(rowOf([1, 3, 0.5, -3.5], scheme)).toMatchObject({ codes: [1, 2, 1, 0], values: [0, 2, 0, -2] });
  });

  test('binary: signs, zero counts as positive', () => {
    const scheme = tensorScheme('b', {
      element: elementFormat('binary'),
      scales: [scaleBy(FP32, PER_ROW, 'mean')],
    });
    expect(rowOf([1, -3, 0, -0], scheme).values).toEqual([1, -1, 1, 1]);
  });
});
