/** Generators of products. */
import { FLAG_CONTINUE } from '@bitloom/kernels';
import { MOST_SHIFT } from './pools.mjs';
import { flags, isLarge, strides } from './shapes.mjs';

/** Sizes and two operands of a product of bytes. */
function byteProduct(random, a, b) {
  const [M, N, K] = isLarge(random)
    ? [random.integer(40, 64), random.integer(100, 200), random.integer(100, 150)]
    : [random.size(12), random.size(40), random.size(130)];
  return {
    ...{ M, N, K },
    operands: [a(M * K), ...strides(random, M, K, 1), b(N * K), ...strides(random, N, K, 1)],
  };
}

/** A ShiftQuant product without its output. */
function shiftProduct(pools, random) {
  const [bitsA, bitsB] = [random.pick([4, 6]), random.pick([4, 6])];
  const narrow = (bits) => (count) => pools.narrow(random, bits, count);
  const { M, N, K, operands } = byteProduct(random, narrow(bitsA), narrow(bitsB));
  return { M, N, args: [bitsA, bitsB, MOST_SHIFT, M, N, K, ...operands, pools.shifts(random, K)] };
}

export const PRODUCT_CASES = {
  gemmGroups(pools, random) {
    const matrices = isLarge(random) ? pools.largeMatrices : pools.matrices;
    const { bits, rows, cols, groupSize, at } = random.pick(matrices);
    const [M, N] = [random.size(9), random.integer(0, rows)];
    const x = pools.codes(random, M * (cols + 32));
    const scale = random.bits() % 2 === 0 ? 0 : 4;
    return {
      args: [
        ...[
          bits,
          groupSize,
          M,
          N,
          cols,
          x,
          cols + random.integer(0, 3),
          pools.positives(random, M + 1),
          scale,
        ],
        ...[at, pools.out, N * 4, flags(random)],
      ],
      bytes: M * N * 4,
    };
  },

  gemmSparse(pools, random) {
    const { bits, rows, cols, groupSize, at } = isLarge(random)
      ? pools.largeSparse
      : random.pick(pools.sparseMatrices);
    const [M, N] = [random.size(5), rows > 1000 ? rows : random.integer(0, rows)];
    const x = pools.codes(random, M * (cols + 32));
    return {
      args: [
        ...[bits, groupSize, M, N, cols, x, cols + random.integer(0, 3), pools.positives(random, M + 1), 4],
        ...[at, pools.out, N * 4, flags(random)],
      ],
      bytes: M * N * 4,
    };
  },

  gemmF32(pools, random) {
    const [M, N, K] = isLarge(random)
      ? [random.integer(40, 64), random.integer(100, 200), random.integer(100, 150)]
      : [random.size(12), random.size(50), random.size(100)];
    const row = K * 4;
    return {
      args: [M, N, K, pools.floats(random, M * K), row, pools.floats(random, N * K), row, pools.out, N * 4],
      bytes: M * N * 4,
      close: 4 * K * 2 ** -24 * K * 9,
    };
  },

  matmulF32(pools, random) {
    const [M, N, K] = isLarge(random)
      ? [random.integer(40, 64), random.integer(100, 200), random.integer(100, 150)]
      : [random.size(12), random.size(50), random.size(100)];
    return {
      args: [
        ...[M, N, K, pools.floats(random, M * K), ...strides(random, M, K, 4), pools.floats(random, N * K)],
        ...[...strides(random, N, K, 4), pools.out, N * 4, random.pick([0, FLAG_CONTINUE])],
      ],
      bytes: M * N * 4,
      close: 4 * (K + 1) * 2 ** -24 * (K + 1) * 9,
    };
  },

  gemmInt8(pools, random) {
    const { M, N, K, operands } = byteProduct(
      random,
      (count) => pools.codes(random, count),
      (count) => (random.bits() % 2 === 0 ? pools.codes(random, count) : pools.narrow(random, 6, count)),
    );
    return {
      args: [M, N, K, ...operands, pools.out, N * 4, random.pick([0, FLAG_CONTINUE])],
      bytes: M * N * 4,
    };
  },

  gemmInt8Scaled(pools, random) {
    const codes = (count) => pools.codes(random, count);
    const { M, N, K, operands } = byteProduct(random, codes, codes);
    const maybe = (pointer) => (random.bits() % 3 === 0 ? 0 : pointer);
    return {
      args: [
        ...[M, N, K, ...operands, maybe(pools.positives(random, M)), maybe(pools.positives(random, N))],
        ...[pools.out, N * 4],
      ],
      bytes: M * N * 4,
    };
  },

  gemmShift(pools, random) {
    const { M, N, args } = shiftProduct(pools, random);
    return { args: [...args, pools.out, N * 4], bytes: M * N * 4 };
  },

  gemmShiftScaled(pools, random) {
    const { M, N, args } = shiftProduct(pools, random);
    return { args: [...args, 0.0123, pools.out, N * 4], bytes: M * N * 4 };
  },

  mlsIntegers(pools, random) {
    const [exponentBits, mantissaBits] = random.pick([
      [2, 1],
      [2, 4],
      [0, 3],
    ]);
    const [rows, cols] = [random.integer(0, 4), random.size(200)];
    return {
      args: [exponentBits, mantissaBits, rows, cols, pools.codes(random, rows * cols), cols, pools.out, cols],
      bytes: rows * cols,
    };
  },

  gemmMls(pools, random) {
    const codes = (count) => pools.codes(random, count);
    const { M, N, K, operands } = byteProduct(random, codes, codes);
    const group = random.pick([4, 16, 50, 64]);
    const groups = Math.ceil(K / group);
    const [a, aM, aK, b, bN, bK] = operands;
    return {
      args: [
        ...[group, 0, M, N, K, a, aM, aK, pools.scaleCodes(random, M * groups), groups * 2, 2],
        ...[b, bN, bK, pools.scaleCodes(random, N * groups), groups * 2, 2, 0.5, pools.out, N * 4],
      ],
      bytes: M * N * 4,
    };
  },
};
