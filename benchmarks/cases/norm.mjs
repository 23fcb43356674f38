/**
 * L1 normalisation wholly in integers against our own float32 L2 normalisation (layer norm, which centres rows and has
 * weights and biases as well); aim 1.36. So that the baseline is known to be good, it stands here too, with its share of
 * the limit, and so does L1 in float32, both without an aim. The limit is a copy of as many bytes as are read and written.
 * Norms stay on the calling thread whatever the number of threads, so the rows are of one.
 */
import { createKernels } from '@bitloom/kernels';
import { compareKernels, ownPeer } from '../lib/compare.mjs';
import { fillRandom, place, randomWords } from '../lib/data.mjs';
import { callable } from '../lib/sample.mjs';

export const seconds = 30;

const AIM = 1.36;
/** [rows, columns]: tokens of transformers, and the pixels of an image by its channels. */
const SHAPES = [
  [1024, 768],
  [512, 4096],
  [3136, 256],
];
/** Codes of one mean absolute deviation. */
const GAIN = 32;
const EPSILON = 1e-5;
const CHECKED_ROWS = 4;

/** Sides of a comparison: `make(kernels, shape)` as `compareKernels` wants it. */
const SIDES = {
  int8(kernels, [rows, cols]) {
    const { arena } = kernels;
    const random = randomWords();
    // From 0.5 to 1.5 in units of 2^-14.
    const weight = place(
      arena,
      Int16Array.from({ length: cols }, () => 8192 + (random() & 16383)),
    );
    const bias = place(
      arena,
      Int8Array.from({ length: cols }, () => (random() & 15) - 8),
    );
    // Last, so that its first rows are the same for any number of them.
    const src = place(arena, fillRandom(new Int8Array(rows * cols), random));
    const dst = arena.alloc(rows * cols);
    return {
      run: () => kernels.l1NormInt8(rows, cols, src, cols, weight, bias, GAIN, dst, cols),
      result: () => arena.i8.subarray(dst, dst + rows * cols),
    };
  },
  l1: (kernels, shape) => floatSide(kernels, 'l1Norm', shape),
  l2: (kernels, shape) => floatSide(kernels, 'layerNorm', shape),
};

function floatSide(kernels, kernel, [rows, cols]) {
  const { arena } = kernels;
  const random = randomWords();
  const floats = (length) => place(arena, fillRandom(new Float32Array(length), random));
  const [weight, bias, src] = [cols, cols, rows * cols].map(floats);
  const dst = arena.alloc(4 * rows * cols);
  return {
    run: () => kernels[kernel](1, rows, cols, src, 0, 4 * cols, weight, bias, dst, 0, 4 * cols, EPSILON),
    result: () => arena.f32.subarray(dst / 4, dst / 4 + rows * cols),
  };
}

/** A copy of `length` bytes between arrays that are no shared memory: what the engine does fastest. */
function copyLimit(length, elements) {
  const [from, to] = [new Uint8Array(length).fill(1), new Uint8Array(length)];
  const run = () => {
    to.set(from);
    return to[0];
  };
  return { ...callable(run, elements), name: 'copy of as many bytes, 1 thread' };
}

/** `fast` of {@link SIDES} against `base`, undefined for none; `bytes` of an element of `fast`. */
function normCase(context, backend, shape, { title, fast, base, bytes, aim }) {
  const [rows, cols] = shape;
  return {
    name: `norm ${title} ${rows}x${cols}`,
    unit: 'Gelement/s',
    scale: 1e9,
    threads: 1,
    ...(aim === undefined ? {} : { aim }),
    async open() {
      const kernels = await context.kernels(backend, 1);
      const reference = SIDES[fast](createKernels({ backend: 'reference' }), [CHECKED_ROWS, cols]);
      reference.run();
      return compareKernels(
        { ...context, backends: [backend] },
        {
          threads: 1,
          work: rows * cols,
          make: (mine) => SIDES[fast](mine, shape),
          peer: base && ownPeer('our float32 L2', kernels, (mine) => SIDES[base](mine, shape)),
          definition: reference.result(),
          limit: copyLimit(bytes * rows * cols, rows * cols),
        },
      );
    },
  };
}

const ROWS = [
  { title: 'L1 INT8', fast: 'int8', base: 'l2', bytes: 1, aim: AIM },
  { title: 'L1 float32', fast: 'l1', base: 'l2', bytes: 4 },
  { title: 'baseline L2 float32', fast: 'l2', bytes: 4 },
];

export async function cases(context) {
  return SHAPES.flatMap((shape) =>
    context.backends.flatMap((backend) => ROWS.map((one) => normCase(context, backend, shape, one))),
  );
}
