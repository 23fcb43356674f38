/**
 * The ShiftQuant product, INT4 and INT6 codes in 4 groups by powers of two, against our own float32 product of the same
 * shape; aim 1.85. Codes lie one per byte and unpacked, as training makes them, floats row-major. So that the baseline is
 * known to be good, it stands here too, against ONNX Runtime and without an aim.
 */
import { createKernels } from '@bitloom/kernels';
import { compareKernels, ownPeer } from '../lib/compare.mjs';
import { fillRandom, place, randomWords, requireClose } from '../lib/data.mjs';
import {
  floatOperands,
  floatTolerance,
  LARGE,
  onnxFloatProduct,
  ourFloatProduct,
  SQUARE,
} from '../lib/products.mjs';

export const seconds = 80;

const AIM = 1.85;
/** [M, N, K]: the two of `gemm`, and layers of ResNet-50 (56 x 56 and 14 x 14 pixels) and of a transformer. */
const SHAPES = [SQUARE, LARGE, [3136, 64, 576], [196, 256, 2304], [1024, 3072, 768]];
const BITS = [4, 6];
/** Groups of one operand; the other has one. */
const MOST_SHIFT = 3;
/** Rows that are checked against the definition. */
const CHECKED_ROWS = 4;

function shiftOperands(bits, [M, N, K]) {
  const random = randomWords();
  const most = 2 ** (bits - 1) - 1;
  const codes = (length) => Int8Array.from({ length }, () => (random() % (2 * most + 1)) - most);
  return {
    a: codes(M * K),
    b: codes(N * K),
    shift: fillRandom(new Uint8Array(K), random).map((value) => value & MOST_SHIFT),
  };
}

function shiftProduct(kernels, { a, b, shift }, bits, [M, N, K]) {
  const { arena } = kernels;
  const at = [place(arena, a), place(arena, b), place(arena, shift)];
  const out = arena.alloc(4 * M * N);
  return {
    run: () =>
      kernels.gemmShiftScaled(
        bits,
        bits,
        MOST_SHIFT,
        M,
        N,
        K,
        at[0],
        K,
        1,
        at[1],
        K,
        1,
        at[2],
        2 ** -10,
        out,
        4 * N,
      ),
    result: () => arena.f32.subarray(out / 4, out / 4 + M * N),
  };
}

/** The first rows of the result as the reference gives them. */
function firstRows(operands, bits, [, N, K]) {
  const kernels = createKernels({ backend: 'reference' });
  const side = shiftProduct(kernels, operands, bits, [CHECKED_ROWS, N, K]);
  side.run();
  return side.result();
}

function shiftCase(context, { bits, dims, threads, backend }) {
  const [M, N, K] = dims;
  return {
    name: `shiftquant INT${bits} ${dims.join('x')}, ${threads} T`,
    unit: 'GOPS',
    scale: 1e9,
    threads,
    aim: AIM,
    async open() {
      const operands = shiftOperands(bits, dims);
      const floats = floatOperands(dims);
      const kernels = await context.kernels(backend, threads);
      const limits = await context.limits();
      const expected = firstRows({ ...operands, a: operands.a.slice(0, CHECKED_ROWS * K) }, bits, dims);
      return compareKernels(
        { ...context, backends: [backend] },
        {
          threads,
          work: 2 * M * N * K,
          make: (mine) => shiftProduct(mine, operands, bits, dims),
          peer: ownPeer('our float32 product', kernels, (mine) => ourFloatProduct(mine, floats, dims)),
          definition: expected,
          limit: limits.product('int4', threads),
        },
      );
    },
  };
}

function floatCase(context, { dims, threads }) {
  const [M, N, K] = dims;
  return {
    name: `shiftquant baseline float32 ${dims.join('x')}, ${threads} T`,
    unit: 'GFLOPS',
    scale: 1e9,
    threads,
    async open() {
      const operands = floatOperands(dims);
      const ort = await context.onnxRuntime();
      const limits = await context.limits();
      return compareKernels(context, {
        threads,
        work: 2 * M * N * K,
        make: (kernels) => ourFloatProduct(kernels, operands, dims),
        peer: ort && onnxFloatProduct(ort, operands, dims, threads),
        check: (got, expected) => requireClose('gemm float32', got, expected, floatTolerance(K)),
        limit: limits.product('float32', threads),
      });
    },
  };
}

export async function cases(context) {
  return SHAPES.flatMap((dims) =>
    context.threads.flatMap((threads) => [
      ...context.backends.flatMap((backend) =>
        BITS.map((bits) => shiftCase(context, { bits, dims, threads, backend })),
      ),
      floatCase(context, { dims, threads }),
    ]),
  );
}
