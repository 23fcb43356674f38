/** Integer products, element by element: they define the results. */
import type { Arena } from '../arena.js';
import { FLAG_CONTINUE } from '../interface/group-products.js';
import type { IntegerProductKernels } from '../interface/integer-products.js';
import { checkMlsElement, checkMlsGroups, checkShift, checkStrides } from './integer-products-checks.js';

const f = Math.fround;

/** Value of a group scale code <8, mantissaBits>, at most 1: bias 127, gradual underflow. */
function mlsScaleValue(code: number, mantissaBits: number): number {
  if (mantissaBits === 0) return 2 ** (code - 127);
  const exponent = code >> 1;
  return exponent === 0 ? (code & 1) * 2 ** -127 : (2 + (code & 1)) * 2 ** (exponent - 128);
}

/** The integer of an MLS element code in units of its smallest value. */
function mlsInteger(code: number, exponentBits: number, mantissaBits: number): number {
  const exponent = (code >> mantissaBits) & (2 ** exponentBits - 1);
  const mantissa = code & (2 ** mantissaBits - 1);
  const magnitude = exponent === 0 ? mantissa : (2 ** mantissaBits + mantissa) * 2 ** (exponent - 1);
  return (code >> (exponentBits + mantissaBits)) & 1 ? -magnitude : magnitude;
}

export function integerProductKernels(arena: Arena): IntegerProductKernels {
  /** Calls `visit` with every output and the int32 sum of channels first..end−1 of it, each weighted. */
  function sums(
    [M, N]: readonly [M: number, N: number],
    [a, aM, aK]: readonly [pointer: number, outer: number, inner: number],
    [b, bN, bK]: readonly [pointer: number, outer: number, inner: number],
    [first, end]: readonly [first: number, end: number],
    weight: (k: number) => number,
    visit: (m: number, n: number, sum: number) => void,
  ): void {
    const { i8 } = arena;
    for (let m = 0; m < M; m += 1) {
      for (let n = 0; n < N; n += 1) {
        let sum = 0;
        for (let k = first; k < end; k += 1) {
          sum = (sum + i8[a + m * aM + k * aK] * i8[b + n * bN + k * bK] * weight(k)) | 0;
        }
        visit(m, n, sum);
      }
    }
  }
  const one = (): number => 1;

  return {
    gemmInt8(M, N, K, a, aM, aK, b, bN, bK, out, outR, flags) {
      checkStrides('gemmInt8', aM, aK, bN, bK);
      const { i32 } = arena;
      sums([M, N], [a, aM, aK], [b, bN, bK], [0, K], one, (m, n, sum) => {
        const at = (out + m * outR) / 4 + n;
        i32[at] = flags & FLAG_CONTINUE ? i32[at] + sum : sum;
      });
    },

    gemmInt8Scaled(M, N, K, a, aM, aK, b, bN, bK, rowScale, colScale, out, outR) {
      checkStrides('gemmInt8Scaled', aM, aK, bN, bK);
      const { f32 } = arena;
      sums([M, N], [a, aM, aK], [b, bN, bK], [0, K], one, (m, n, sum) => {
        let value = f(sum);
        if (rowScale !== 0) value = f(value * f32[rowScale / 4 + m]);
        if (colScale !== 0) value = f(value * f32[colScale / 4 + n]);
        f32[(out + m * outR) / 4 + n] = value;
      });
    },

    gemmShift(bitsA, bitsB, mostShift, M, N, K, a, aM, aK, b, bN, bK, shift, out, outR) {
      checkShift('gemmShift', bitsA, bitsB, mostShift, K);
      checkStrides('gemmShift', aM, aK, bN, bK);
      const { i32, u8 } = arena;
      const weight = (k: number): number => 2 ** u8[shift + k];
      sums([M, N], [a, aM, aK], [b, bN, bK], [0, K], weight, (m, n, sum) => {
        i32[(out + m * outR) / 4 + n] = sum;
      });
    },

    gemmShiftScaled(bitsA, bitsB, mostShift, M, N, K, a, aM, aK, b, bN, bK, shift, scale, out, outR) {
      checkShift('gemmShiftScaled', bitsA, bitsB, mostShift, K);
      checkStrides('gemmShiftScaled', aM, aK, bN, bK);
      const { f32, u8 } = arena;
      const factor = f(scale);
      const weight = (k: number): number => 2 ** u8[shift + k];
      sums([M, N], [a, aM, aK], [b, bN, bK], [0, K], weight, (m, n, sum) => {
        f32[(out + m * outR) / 4 + n] = f(f(sum) * factor);
      });
    },

    mlsIntegers(exponentBits, mantissaBits, rows, cols, src, srcR, dst, dstR) {
      checkMlsElement(exponentBits, mantissaBits);
      const { u8, i8 } = arena;
      for (let r = 0; r < rows; r += 1) {
        for (let c = 0; c < cols; c += 1) {
          i8[dst + r * dstR + c] = mlsInteger(u8[src + r * srcR + c], exponentBits, mantissaBits);
        }
      }
    },

    gemmMls(
      group,
      scaleMantissa,
      M,
      N,
      K,
      a,
      aM,
      aK,
      aScale,
      aScaleM,
      aScaleG,
      b,
      bN,
      bK,
      bScale,
      bScaleN,
      bScaleG,
      scale,
      out,
      outR,
    ) {
      checkMlsGroups(group, scaleMantissa);
      checkStrides('gemmMls', aM, aK, bN, bK);
      const { f32, u16 } = arena;
      const factor = f(scale);
      const scaleAt = (at: number): number => mlsScaleValue(u16[at / 2], scaleMantissa);
      const acc = new Float32Array(M * N);
      for (let g = 0, start = 0; start < K; g += 1, start += group) {
        const end = Math.min(K, start + group);
        sums([M, N], [a, aM, aK], [b, bN, bK], [start, end], one, (m, n, sum) => {
          const groupScale = f(
            scaleAt(aScale + m * aScaleM + g * aScaleG) * scaleAt(bScale + n * bScaleN + g * bScaleG),
          );
          acc[m * N + n] += f(f(sum) * groupScale);
        });
      }
      for (let m = 0; m < M; m += 1) {
        for (let n = 0; n < N; n += 1) f32[(out + m * outR) / 4 + n] = f(acc[m * N + n] * factor);
      }
    },
  };
}
