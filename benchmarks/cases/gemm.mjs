/**
 * Matrix products against ONNX Runtime: INT8 to int32 (MatMulInteger, u8 x s8) and float32 (MatMul). Weights are constants
 * on both sides, so both may arrange them beforehand; activations and results lie in row-major arrays.
 */
import { fillRandom, randomWords, requireClose } from '../lib/data.mjs';
import { ONNX_TYPES } from '../lib/onnx.mjs';
import { callable } from '../lib/sample.mjs';

export const seconds = 60;

/** [M, N, K] */
const SHAPES = [
  [512, 512, 512],
  [2048, 1024, 1024],
];

/** B[k, n] of weights w[n, k]. */
function transposed(w, N, K) {
  const out = new w.constructor(w.length);
  for (let n = 0; n < N; n += 1) for (let k = 0; k < K; k += 1) out[k * N + n] = w[n * K + k];
  return out;
}

/** A session of one product, with the same arrays ours has. */
function session(ort, { op, types, dims: [M, N, K], x, w }, threads) {
  const weights = transposed(w, N, K);
  const bytes = Buffer.from(weights.buffer, weights.byteOffset, weights.byteLength);
  return ort.open(
    {
      nodes: [{ op, inputs: ['x', 'w'], output: 'y' }],
      inputs: [{ name: 'x', type: types.x, dims: [M, K] }],
      constants: [{ name: 'w', type: types.w, dims: [K, N], bytes }],
      outputs: [{ name: 'y', type: types.y, dims: [M, N] }],
    },
    { x },
    { threads },
  );
}

/** The product of floats in our kernels, its operands in their arena. */
function ourFloats(kernels, [M, N, K], x, w) {
  const { arena } = kernels;
  const [at, weights, out] = [x.length, w.length, M * N].map((length) => arena.alloc(4 * length));
  arena.f32.set(x, at / 4);
  arena.f32.set(w, weights / 4);
  return {
    run: () => {
      kernels.gemmF32(M, N, K, at, 4 * K, weights, 4 * K, out, 4 * N);
      return arena.f32[out / 4];
    },
    result: () => arena.f32.subarray(out / 4, out / 4 + M * N),
  };
}

const FLOAT = {
  name: 'float32',
  op: 'MatMul',
  limit: 'f32',
  types: { x: ONNX_TYPES.float32, w: ONNX_TYPES.float32, y: ONNX_TYPES.float32 },
  make: (random, M, N, K) => ({
    x: fillRandom(new Float32Array(M * K), random),
    w: fillRandom(new Float32Array(N * K), random),
  }),
  ours: ourFloats,
  /** A sum of K products of two numbers up to 1. */
  tolerance: (K) => 4 * K * 2 ** -24 * K,
};

const KINDS = [FLOAT];

function gemmCase(context, kind, dims, threads) {
  const [M, N, K] = dims;
  return {
    name: `gemm ${kind.name} ${M}x${N}x${K}, ${threads} T`,
    unit: kind === FLOAT ? 'GFLOPS' : 'GOPS',
    scale: 1e9,
    threads,
    async open() {
      const { x, w } = kind.make(randomWords(), M, N, K);
      const ort = await context.onnxRuntime();
      const peer = ort && session(ort, { ...kind, dims, x, w }, threads);
      peer?.run();
      const operations = 2 * M * N * K;
      const marks = [];
      const ours = {};
      for (const backend of context.backends) {
        const kernels = await context.kernels(backend, threads);
        marks.push([kernels.arena, kernels.arena.mark()]);
        const { run, result } = kind.ours(kernels, dims, x, w);
        run();
        if (peer) requireClose(`gemm ${kind.name}`, result(), peer.outputs.y, kind.tolerance(K));
        ours[backend] = callable(run, operations);
      }
      const limits = await context.limits();
      return {
        ours,
        limit: limits.product(kind.limit, threads),
        ...(peer && {
          peer: {
            ...callable(() => {
              peer.run();
              return peer.outputs.y[0];
            }, operations),
            name: `${ort.name} ${kind.op}`,
          },
        }),
        close() {
          peer?.close();
          for (const [arena, mark] of marks) arena.release(mark);
        },
      };
    },
  };
}

export async function cases(context) {
  return KINDS.flatMap((kind) =>
    SHAPES.flatMap((dims) => context.threads.map((threads) => gemmCase(context, kind, dims, threads))),
  );
}
