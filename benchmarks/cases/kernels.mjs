/**
 * Kernels one by one, beside what the machine can do at most: products with group-scaled weights for one row and many,
 * attention, vectors. No peers. GB/s counts bytes of weights (scales included), keys and values, or operands read and
 * written; GOPS counts two operations per product. Vectors and small weights lie in the caches, so that what they are
 * beside the memory says nothing, and no limit stands there.
 */
import { rows16BlockBytes } from '@bitloom/formats';
import { FLAG_FINISH } from '@bitloom/kernels';
import { compareKernels } from '../lib/compare.mjs';
import { randomWords } from '../lib/data.mjs';

export const seconds = 60;

/** Random bytes; read as fp16, every pair is a finite number below 2 and not negative. */
function bytes(arena, count) {
  const random = randomWords();
  const at = arena.alloc(count);
  const words = arena.i32;
  for (let i = 0; i < count / 4; i += 1) words[at / 4 + i] = random() & 0x3fff3fff;
  return at;
}

function floats(arena, count) {
  const random = randomWords();
  const at = arena.alloc(count * 4);
  const values = arena.f32;
  for (let i = 0; i < count; i += 1) values[at / 4 + i] = random() / 2 ** 31 - 1;
  return at;
}

/** The first element of a result as an array, for whoever consumes it. */
const first = (arena, at) => () => arena.f32.subarray(at / 4, at / 4 + 1);

/** [bits, group, M, N, K, where the weights lie] */
const PRODUCTS = [
  ...[
    [4, 32],
    [4, 128],
    [8, 32],
  ].flatMap(([bits, group]) => [
    [bits, group, 1, 512, bits === 4 ? 768 : 384, 'cache'],
    [bits, group, 1, 16384, bits === 4 ? 16384 : 8192, 'memory'],
  ]),
  ...[2, 4, 16, 128].flatMap((M) => [4, 8].map((bits) => [bits, 32, M, 1024, 1024, 'products'])),
];

/** Products with weights in groups; random bytes cost the same as real ones. */
function groupProduct([bits, group, M, N, K, place]) {
  const size = Math.ceil(N / 16) * rows16BlockBytes(bits, K, group);
  const inGigabytes = place !== 'products';
  return {
    name: `gemmGroups INT${bits} g${group} ${M}x${N}x${K}${inGigabytes ? `, weights in ${place}` : ''}`,
    unit: inGigabytes ? 'GB/s' : 'GOPS',
    work: inGigabytes ? size : 2 * M * N * K,
    limit: { cache: undefined, memory: 'read', products: 'int8' }[place],
    hasThreads: true,
    make(kernels) {
      const { arena } = kernels;
      const [w, x] = [bytes(arena, size), bytes(arena, M * K)];
      const [out, scale] = [floats(arena, M * N), floats(arena, M)];
      return {
        run: () => kernels.gemmGroups(bits, group, M, N, K, x, K, scale, 4, w, out, N * 4, FLAG_FINISH),
        result: first(arena, out),
      };
    },
  };
}

/** Scores, softmax and mixes of `heads` heads of queries over fewer heads of keys. */
function attention(heads, bDiv, M, tokens, headDim) {
  const groups = heads / bDiv;
  const shape = `${heads}/${groups} heads ${M}x${tokens}x${headDim}`;
  const work = M === 1 ? groups * tokens * headDim : 2 * heads * M * tokens * headDim;
  const common = { unit: M === 1 ? 'GB/s' : 'GOPS', work, limit: M === 1 ? undefined : 'int8' };
  return [
    {
      ...common,
      name: `attentionScores ${shape}`,
      make(kernels) {
        const { arena } = kernels;
        const [q, keys] = [bytes(arena, heads * M * headDim), bytes(arena, groups * tokens * headDim)];
        const [out, scale] = [floats(arena, heads * M * tokens), floats(arena, heads * M + groups * tokens)];
        const query = [q, M * headDim, headDim, scale, M * 4, 4];
        const key = [keys, tokens * headDim, headDim, scale, tokens * 4, bDiv];
        const args = [heads, M, tokens, headDim, ...query, ...key, out, M * tokens * 4, tokens * 4];
        return { run: () => kernels.attentionScores(...args), result: first(arena, out) };
      },
    },
    {
      ...common,
      name: `attentionMix ${shape}`,
      make(kernels) {
        const { arena } = kernels;
        const [p, values] = [bytes(arena, heads * M * tokens), bytes(arena, groups * tokens * headDim)];
        const [acc, out, scale] = [heads * M * headDim, heads * M * headDim, heads * M].map((n) =>
          floats(arena, n),
        );
        const weights = [p, M * tokens, tokens, scale, M * 4, 4];
        const sums = [acc, M * headDim * 4, headDim * 4, out, M * headDim * 4, headDim * 4];
        const args = [
          heads,
          M,
          headDim,
          tokens,
          ...weights,
          values,
          tokens * headDim,
          headDim,
          bDiv,
          ...sums,
        ];
        return { run: () => kernels.attentionMix(...args, FLAG_FINISH), result: first(arena, out) };
      },
    },
    {
      unit: 'GB/s',
      work: heads * M * tokens * 5,
      name: `copy and softmaxQuantize ${heads * M} rows of ${tokens}`,
      make(kernels) {
        const { arena } = kernels;
        const count = heads * M * tokens;
        const [source, scores, scale] = [count, count, heads * M + groups * tokens].map((n) =>
          floats(arena, n),
        );
        const [p, vScale] = [bytes(arena, count), floats(arena, groups * tokens)];
        const rows = [heads, M, tokens, scores, M * tokens * 4, tokens * 4, vScale, tokens * 4, bDiv];
        const out = [p, M * tokens, tokens, 0, scale, M * 4, 4];
        return {
          run() {
            kernels.copy(1, 1, count, source, 0, 0, scores, 0, 0);
            kernels.softmaxQuantize(...rows, tokens, 0, 0.125, ...out);
          },
          result: first(arena, scale),
        };
      },
    },
  ];
}

const COLS = 4096;
/** [kernel, bytes per element, its arguments for three rows of floats] */
const VECTORS = [
  ['add', 12, (a, b, c) => [1, 1, COLS, a, 0, 0, b, 0, 0, c, 0, 0]],
  ['siluMul', 12, (a, b, c) => [1, 1, COLS, a, 0, 0, b, 0, 0, c, 0, 0]],
  ['gelu', 8, (a, _, c) => [1, 1, COLS, a, 0, 0, c, 0, 0]],
  ['rmsNorm', 12, (a, b, c) => [1, 1, COLS, a, 0, 0, b, c, 0, 0, 1e-5]],
  ['quantizeRows', 5, (a, b, c) => [1, 1, COLS, a, 0, 0, c, 0, 0, COLS, b, 0, 0]],
  ['rope', 8, (a, b, c) => [32, 1, 128, a, 512, 0, b, 0, c, 512, 0, 1]],
];

function vector([kernel, bytesEach, args]) {
  return {
    name: `${kernel} of ${COLS}`,
    unit: 'GB/s',
    work: bytesEach * COLS,
    make(kernels) {
      const { arena } = kernels;
      const [a, b, c] = [floats(arena, COLS), floats(arena, COLS), floats(arena, COLS)];
      const given = args(a, b, c);
      return { run: () => kernels[kernel](...given), result: first(arena, c) };
    },
  };
}

function kernelCase(context, { name, unit, work, limit, make }, threads) {
  return {
    name: `kernels ${name}, ${threads} T`,
    unit,
    scale: 1e9,
    threads,
    async open() {
      const limits = limit === undefined ? undefined : await context.limits();
      const found = limit === 'read' ? limits.read(threads) : limits?.product(limit, threads);
      return compareKernels(context, { threads, work, make, limit: found });
    },
  };
}

export async function cases(context) {
  const products = PRODUCTS.map(groupProduct);
  const others = [
    ...attention(32, 4, 1, 1024, 64),
    ...attention(8, 2, 1, 256, 8),
    ...attention(8, 2, 64, 512, 64),
    ...VECTORS.map(vector),
  ];
  return [...products, ...others].flatMap((one) =>
    (one.hasThreads ? context.threads : [1]).map((threads) => kernelCase(context, one, threads)),
  );
}
