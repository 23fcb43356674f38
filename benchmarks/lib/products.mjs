/** Matrix products of our kernels and of ONNX Runtime on the same operands, out = x [M, K] times the transpose of w [N, K]. */
import { fillRandom, place, randomWords } from './data.mjs';
import { ONNX_TYPES } from './onnx.mjs';

/** [M, N, K] */
export const SQUARE = [512, 512, 512];
export const LARGE = [2048, 1024, 1024];

/** B[k, n] of weights w[n, k]. */
function transposed(w, N, K) {
  const out = new w.constructor(w.length);
  for (let n = 0; n < N; n += 1) for (let k = 0; k < K; k += 1) out[k * N + n] = w[n * K + k];
  return out;
}

/** A side of a comparison, with ONNX Runtime; weights are a constant, which it arranges beforehand. */
function onnxProduct(ort, { op, types, x, w }, [M, N, K], threads) {
  const weights = transposed(w, N, K);
  const session = ort.open(
    {
      nodes: [{ op, inputs: ['x', 'w'], output: 'y' }],
      inputs: [{ name: 'x', type: types.x, dims: [M, K] }],
      constants: [{ name: 'w', type: types.w, dims: [K, N], bytes: Buffer.from(weights.buffer) }],
      outputs: [{ name: 'y', type: types.y, dims: [M, N] }],
    },
    { x },
    { threads },
  );
  return {
    name: `${ort.name} ${op}`,
    run: session.run,
    restMs: session.restMs,
    result: () => session.outputs.y,
    close: session.close,
  };
}

/** Random operands from −1 to 1. */
export function floatOperands([M, N, K]) {
  const random = randomWords();
  return { x: fillRandom(new Float32Array(M * K), random), w: fillRandom(new Float32Array(N * K), random) };
}

/** The float32 product of our kernels. */
export function ourFloatProduct(kernels, { x, w }, [M, N, K]) {
  const { arena } = kernels;
  const [a, b, out] = [place(arena, x), place(arena, w), arena.alloc(4 * M * N)];
  return {
    run: () => kernels.gemmF32(M, N, K, a, 4 * K, b, 4 * K, out, 4 * N),
    result: () => arena.f32.subarray(out / 4, out / 4 + M * N),
  };
}

/** The float32 product of ONNX Runtime. */
export function onnxFloatProduct(ort, { x, w }, dims, threads) {
  const { float32 } = ONNX_TYPES;
  return onnxProduct(
    ort,
    { op: 'MatMul', types: { x: float32, w: float32, y: float32 }, x, w },
    dims,
    threads,
  );
}

/** What two orders of a sum of K products of numbers up to 1 may differ by. */
export function floatTolerance(K) {
  return 4 * K * 2 ** -24 * K;
}

/** Random activations from 0 to 127, which are the same as signed and unsigned bytes, and weights of all int8. */
export function integerOperands([M, N, K]) {
  const random = randomWords();
  const x = fillRandom(new Uint8Array(M * K), random).map((value) => value & 127);
  return { x, w: fillRandom(new Int8Array(N * K), random) };
}

/** The product of our kernels, int8 to int32. */
export function ourIntegerProduct(kernels, { x, w }, [M, N, K]) {
  const { arena } = kernels;
  const [a, b, out] = [place(arena, x), place(arena, w), arena.alloc(4 * M * N)];
  return {
    run: () => kernels.gemmInt8(M, N, K, a, K, 1, b, K, 1, out, 4 * N, 0),
    result: () => arena.i32.subarray(out / 4, out / 4 + M * N),
  };
}

/** The product of ONNX Runtime, uint8 by int8 to int32. */
export function onnxIntegerProduct(ort, { x, w }, dims, threads) {
  const { uint8, int8, int32 } = ONNX_TYPES;
  return onnxProduct(
    ort,
    { op: 'MatMulInteger', types: { x: uint8, w: int8, y: int32 }, x, w },
    dims,
    threads,
  );
}
