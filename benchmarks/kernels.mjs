/**
 * Speed of the kernels on this machine, next to what its memory can deliver in the same run.
 *
 *   npm run build && node benchmarks/kernels.mjs [--threads 2] [--seconds 0.3]
 *
 * Every line is the best of many short samples, interleaved with the others over several rounds, because other
 * work on the machine only ever makes a sample slower. Results are read back and summed, so nothing is optimised
 * away. GB/s counts bytes of weights (scales included), keys, values or operands read and written; GOPS counts two
 * operations per product.
 */

import { rows16BlockBytes } from '@bitloom/formats';
import { createKernels, FLAG_FINISH } from '@bitloom/kernels';
import { compileModule, i32, i32x4, instantiateModule, load, ModuleBuilder, op } from '@bitloom/wasm';

const option = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
};
const threads = option('threads', 1);
const seconds = option('seconds', 0.15);
const rounds = option('rounds', 3);

const kernels = createKernels({ threads });
const { arena } = kernels;
while (kernels.threads < threads) await new Promise((resolve) => setTimeout(resolve, 5));

/** A loop that only reads: four vector loads per turn, combined so that none is dropped. */
function readLimit() {
  const module = new ModuleBuilder();
  module.importMemory('env', 'memory', { initial: 1, maximum: 65536, shared: true });
  module.procedure('read', { at: 'i32', end: 'i32', out: 'i32' }, (f, { at, end, out }) => {
    const sums = [0, 1, 2, 3].map((i) => f.local('v128', `sum${i}`, i32x4(0)));
    f.while(op('i32.lt_u', at, end), () => {
      for (let i = 0; i < 8; i += 1) {
        const sum = sums[i % 4];
        f.set(sum, op('v128.xor', sum, load('v128.load', at, i * 16)));
      }
      f.set(at, op('i32.add', at, i32(128)));
    });
    const [a, b, c, d] = sums;
    f.store('v128.store', out, op('v128.xor', op('v128.xor', a, b), op('v128.xor', c, d)));
  });
  return instantiateModule(compileModule(module.toBytes()), { env: { memory: arena.memory } }).read;
}

const read = readLimit();
const cases = [];
let seed = 1;
const random = () => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 32;
};

function floats(count, scale = 2) {
  const at = arena.alloc(count * 4);
  for (let i = 0; i < count; i += 1) arena.f32[at / 4 + i] = (random() - 0.5) * scale;
  return at;
}

/** Random bytes; read as fp16, every pair is a finite number below 2 and not negative. */
function bytes(count) {
  const at = arena.alloc(count);
  const words = arena.i32;
  for (let i = 0; i < count / 4; i += 1) words[at / 4 + i] = (random() * 2 ** 32) & 0x3fff3fff;
  return at;
}

/** `run` is one call; gigabytes and giga-operations are per call. */
function bench(name, { run, bytes: moved = 0, operations = 0 }) {
  cases.push({ name, run, moved, operations, best: Number.POSITIVE_INFINITY });
}

// Memory limits.
const big = bytes(192 * 2 ** 20);
for (const [label, size] of [
  ['in L2, 256 KiB', 256 * 1024],
  ['in DRAM, 192 MiB', 192 * 2 ** 20],
]) {
  bench(`read limit, ${label}, 1 thread`, { run: () => read(big, big + size, 64), bytes: size });
}

// Weight products. The weights are random bytes, which cost the same as real ones.
function gemm(bits, group, M, N, K, weights, label) {
  const x = bytes(M * K);
  const out = floats(M * N);
  const scale = floats(M);
  const size = Math.ceil(N / 16) * rows16BlockBytes(bits, K, group);
  bench(`gemm ${bits === 4 ? 'u4' : 's8'} g${group} ${M}x${N}x${K}${label}`, {
    run: () => kernels.gemmGroups(bits, group, M, N, K, x, K, scale, 4, weights, out, N * 4, FLAG_FINISH),
    bytes: size,
    operations: 2 * M * N * K,
  });
}
for (const [bits, group] of [
  [4, 32],
  [4, 128],
  [8, 32],
]) {
  gemm(bits, group, 1, 512, bits === 4 ? 768 : 384, big, ', in L2');
  gemm(bits, group, 1, 16384, bits === 4 ? 16384 : 8192, big, ', in DRAM');
}
for (const M of [2, 4, 16, 128]) {
  gemm(4, 32, M, 1024, 1024, big, '');
  gemm(8, 32, M, 1024, 1024, big, '');
}
gemm(4, 32, 1, 64, 64, big, ', one small layer');
for (const M of [1, 64]) {
  const N = 1024;
  const K = 1024;
  const w = floats(N * K);
  const x = floats(M * K);
  const out = floats(M * N);
  bench(`gemmF32 ${M}x${N}x${K}`, {
    run: () => kernels.gemmF32(M, N, K, x, K * 4, w, K * 4, out, N * 4),
    bytes: N * K * 4,
    operations: 2 * M * N * K,
  });
}

// Attention: heads of queries over fewer heads of keys.
function attention(heads, bDiv, M, tokens, headDim) {
  const groups = heads / bDiv;
  const q = bytes(heads * M * headDim);
  const keys = bytes(groups * tokens * headDim);
  const scores = floats(heads * M * tokens);
  const probabilities = bytes(heads * M * tokens);
  const out = floats(heads * M * headDim);
  const acc = floats(heads * M * headDim);
  const scale = floats(heads * M + groups * tokens);
  const shape = `${heads}/${groups} heads, ${M}x${tokens}x${headDim}`;
  const size = { bytes: groups * tokens * headDim, operations: 2 * heads * M * tokens * headDim };
  bench(`attentionScores ${shape}`, {
    run: () =>
      kernels.attentionScores(
        heads,
        M,
        tokens,
        headDim,
        q,
        M * headDim,
        headDim,
        scale,
        M * 4,
        4,
        keys,
        tokens * headDim,
        headDim,
        scale,
        tokens * 4,
        bDiv,
        scores,
        M * tokens * 4,
        tokens * 4,
      ),
    ...size,
  });
  bench(`attentionMix ${shape}`, {
    run: () =>
      kernels.attentionMix(
        heads,
        M,
        headDim,
        tokens,
        probabilities,
        M * tokens,
        tokens,
        scale,
        M * 4,
        4,
        keys,
        tokens * headDim,
        headDim,
        bDiv,
        acc,
        M * headDim * 4,
        headDim * 4,
        out,
        M * headDim * 4,
        headDim * 4,
        FLAG_FINISH,
      ),
    ...size,
  });
  const source = floats(heads * M * tokens);
  bench(`softmaxQuantize ${heads * M} rows of ${tokens}`, {
    run: () => {
      kernels.copy(1, 1, heads * M * tokens, source, 0, 0, scores, 0, 0);
      kernels.softmaxQuantize(
        heads,
        M,
        tokens,
        scores,
        M * tokens * 4,
        tokens * 4,
        scale,
        tokens * 4,
        bDiv,
        tokens,
        0,
        0.125,
        probabilities,
        M * tokens,
        tokens,
        0,
        acc,
        M * 4,
        4,
      );
    },
    bytes: heads * M * tokens * 5,
  });
}
attention(32, 4, 1, 1024, 64);
attention(8, 2, 1, 256, 8);
attention(8, 2, 64, 512, 64);

// Vectors.
{
  const cols = 4096;
  const a = floats(cols);
  const b = floats(cols);
  const c = floats(cols);
  bench('add 4096', { run: () => kernels.add(1, 1, cols, a, 0, 0, b, 0, 0, c, 0, 0), bytes: cols * 12 });
  bench('siluMul 4096', {
    run: () => kernels.siluMul(1, 1, cols, a, 0, 0, b, 0, 0, c, 0, 0),
    bytes: cols * 12,
  });
  bench('gelu 4096', { run: () => kernels.gelu(1, 1, cols, a, 0, 0, c, 0, 0), bytes: cols * 8 });
  bench('rmsNorm 4096', {
    run: () => kernels.rmsNorm(1, 1, cols, a, 0, 0, b, c, 0, 0, 1e-5),
    bytes: cols * 12,
  });
  bench('quantizeRows 4096', {
    run: () => kernels.quantizeRows(1, 1, cols, a, 0, 0, c, 0, 0, cols, b, 0, 0),
    bytes: cols * 5,
  });
  bench('rope 32 x 128, half', {
    run: () => kernels.rope(32, 1, 128, a, 512, 0, b, 0, c, 512, 0, 1),
    bytes: cols * 8,
  });
  bench('call overhead: add of 4', { run: () => kernels.add(1, 1, 4, a, 0, 0, b, 0, 0, c, 0, 0) });
}

/** Seconds per call, from one sample of at least 2 ms. */
function sample({ run }) {
  let calls = 1;
  for (;;) {
    const start = performance.now();
    for (let i = 0; i < calls; i += 1) run();
    const elapsed = performance.now() - start;
    if (elapsed >= 2) return elapsed / 1000 / calls;
    calls *= elapsed < 0.2 ? 10 : 2;
  }
}

for (let round = 0; round < rounds; round += 1) {
  for (const entry of cases) {
    const until = performance.now() + (seconds * 1000) / rounds;
    do {
      entry.best = Math.min(entry.best, sample(entry));
    } while (performance.now() < until);
  }
}
const figure = (value) => (value === 0 ? '' : value >= 100 ? value.toFixed(0) : value.toFixed(1));
console.log(`threads ${kernels.threads}, fallbacks: ${kernels.fallbacks.join(', ') || 'none'}`);
console.log(`${'kernel'.padEnd(52)}${'µs/call'.padStart(10)}${'GB/s'.padStart(8)}${'GOPS'.padStart(8)}`);
for (const { name, best, moved, operations } of cases) {
  const columns = [
    (best * 1e6).toFixed(best < 1e-4 ? 2 : 0),
    figure(moved / best / 1e9),
    figure(operations / best / 1e9),
  ];
  console.log(
    `${name.padEnd(52)}${columns[0].padStart(10)}${columns[1].padStart(8)}${columns[2].padStart(8)}`,
  );
}
kernels.close();
