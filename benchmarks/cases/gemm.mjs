/**
 * Matrix products against ONNX Runtime: INT8 to int32 (MatMulInteger, uint8 by int8) and float32 (MatMul). Its weights are
 * constants, which it arranges beforehand; our kernels take both operands as they lie.
 */
import { compareKernels } from '../lib/compare.mjs';
import { requireClose } from '../lib/data.mjs';
import {
  floatOperands,
  floatTolerance,
  integerOperands,
  LARGE,
  onnxFloatProduct,
  onnxIntegerProduct,
  ourFloatProduct,
  ourIntegerProduct,
  SQUARE,
} from '../lib/products.mjs';

export const seconds = 60;

const KINDS = [
  {
    name: 'INT8',
    unit: 'GOPS',
    limit: 'int8',
    operands: integerOperands,
    ours: ourIntegerProduct,
    theirs: onnxIntegerProduct,
    tolerance: () => 0,
  },
  {
    name: 'float32',
    unit: 'GFLOPS',
    limit: 'float32',
    operands: floatOperands,
    ours: ourFloatProduct,
    theirs: onnxFloatProduct,
    tolerance: floatTolerance,
  },
];

function gemmCase(context, kind, dims, threads) {
  const [M, N, K] = dims;
  return {
    name: `gemm ${kind.name} ${dims.join('x')}, ${threads} T`,
    unit: kind.unit,
    scale: 1e9,
    threads,
    async open() {
      const operands = kind.operands(dims);
      const ort = await context.onnxRuntime();
      const limits = await context.limits();
      return compareKernels(context, {
        threads,
        work: 2 * M * N * K,
        make: (kernels) => kind.ours(kernels, operands, dims),
        peer: ort && kind.theirs(ort, operands, dims, threads),
        check: (got, expected) => requireClose(`gemm ${kind.name}`, got, expected, kind.tolerance(K)),
        limit: limits.product(kind.limit, threads),
      });
    },
  };
}

export async function cases(context) {
  return KINDS.flatMap((kind) =>
    [SQUARE, LARGE].flatMap((dims) =>
      context.threads.map((threads) => gemmCase(context, kind, dims, threads)),
    ),
  );
}
