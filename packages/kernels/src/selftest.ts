/**
 * The check every backend passes when it is made: one small seeded case per kernel, compared with the reference on
 * the same bytes. A kernel that differs (a miscompiling engine, a missing instruction) is replaced by the reference,
 * visibly. The conformance suite of the tests is the thorough version; this one takes a few milliseconds.
 */
import { packCanonical, packRows16, quantizeGroups } from '@bitloom/formats';
import type { Arena } from './arena.js';
import { FLAG_CONTINUE, FLAG_FINISH, KERNEL_NAMES, type KernelName, type KernelTable } from './kernels.js';

/** Where the operands of a case lie. `out` is zero before each run and compared after it. */
interface Places {
  readonly floats: number;
  readonly bytes: number;
  readonly ids: number;
  readonly weights: { readonly 4: number; readonly 8: number };
  /** fp16 numbers between 0.25 and 1. */
  readonly halves: number;
  readonly out: number;
}

const REGION = 4096;
const BOTH = FLAG_CONTINUE | FLAG_FINISH;
/** Ragged on purpose: neither a multiple of 16 rows nor of 4 columns; two groups of 32. */
const GEMM = { M: 5, N: 19, K: 44, group: 32 } as const;

/** One call per kernel. Strides are chosen so that every output stays within the first half of `out`. */
const CASES: Readonly<Record<KernelName, (k: KernelTable, p: Places) => void>> = {
  quantizeRows: (k, p) => k.quantizeRows(2, 2, 23, p.floats, 256, 92, p.out, 64, 32, 32, p.out + 1024, 8, 4),
  gemmGroups(k, p) {
    const { M, N, K, group } = GEMM;
    for (const bits of [4, 8] as const) {
      const out = p.out + (bits - 4) * 128;
      k.gemmGroups(bits, group, M, N, K, p.bytes, 48, p.floats, 4, p.weights[bits], out, 76, FLAG_FINISH);
      k.gemmGroups(bits, group, 1, N, K, p.bytes, 48, p.floats, 4, p.weights[bits], out, 76, BOTH);
    }
  },
  attentionScores: (k, p) =>
    k.attentionScores(
      2,
      3,
      7,
      21,
      p.bytes,
      99,
      33,
      p.floats,
      12,
      4,
      p.bytes + 512,
      300,
      23,
      p.floats + 64,
      0,
      2,
      p.out,
      128,
      32,
    ),
  softmaxQuantize(k, p) {
    k.copy(1, 1, 100, p.floats, 0, 0, p.out + 1024, 0, 0);
    k.softmaxQuantize(
      2,
      2,
      21,
      p.out + 1024,
      168,
      84,
      p.floats + 512,
      0,
      2,
      20,
      1,
      0.125,
      p.out,
      64,
      32,
      24,
      p.out + 512,
      8,
      4,
    );
  },
  attentionMix: (k, p) =>
    k.attentionMix(
      2,
      2,
      29,
      7,
      p.bytes,
      20,
      9,
      p.floats,
      8,
      4,
      p.bytes + 256,
      0,
      31,
      2,
      p.out,
      256,
      128,
      p.out + 1024,
      256,
      128,
      BOTH,
    ),
  // Small integers, so that every order of summation gives the same float.
  gemmF32: (k, p) => k.gemmF32(3, 6, 11, p.ids, 44, p.ids + 256, 44, p.out, 24),
  attentionScoresF32: (k, p) =>
    k.attentionScoresF32(2, 2, 3, 23, p.floats, 200, 96, p.floats + 512, 0, 92, 2, p.out, 32, 16),
  softmaxF32: (k, p) => k.softmaxF32(2, 2, 27, p.floats, 240, 108, 26, 1, 0.5, p.out, 256, 112),
  attentionMixF32: (k, p) =>
    k.attentionMixF32(2, 2, 27, 5, p.floats, 64, 20, p.floats + 512, 0, 108, 2, p.out, 256, 112),
  rmsNorm: (k, p) => k.rmsNorm(1, 3, 27, p.floats, 0, 108, p.floats + 512, p.out, 0, 112, 1e-5),
  layerNorm: (k, p) =>
    k.layerNorm(1, 3, 27, p.floats, 0, 108, p.floats + 512, p.floats + 640, p.out, 0, 112, 1e-5),
  rope(k, p) {
    k.rope(2, 2, 14, p.floats, 128, 64, p.floats + 512, 56, p.out, 128, 64, 0);
    k.rope(2, 2, 14, p.floats, 128, 64, p.floats + 512, 56, p.out + 512, 128, 64, 1);
  },
  add: (k, p) => k.add(1, 2, 23, p.floats, 0, 96, p.floats + 512, 0, 0, p.out, 0, 96),
  mul: (k, p) => k.mul(1, 2, 23, p.floats, 0, 96, p.floats + 512, 0, 0, p.out, 0, 96),
  siluMul: (k, p) => k.siluMul(1, 2, 23, p.floats, 0, 96, p.floats + 512, 0, 0, p.out, 0, 96),
  silu: (k, p) => k.silu(1, 2, 23, p.floats, 0, 96, p.out, 0, 96),
  gelu: (k, p) => k.gelu(1, 2, 23, p.floats, 0, 96, p.out, 0, 96),
  relu: (k, p) => k.relu(1, 2, 23, p.floats, 0, 96, p.out, 0, 96),
  copy: (k, p) => k.copy(1, 2, 23, p.floats, 0, 96, p.out, 0, 96),
  embedGroups(k, p) {
    k.embedGroups(8, 16, 3, 27, p.ids, p.bytes + 64, 27, p.halves + 16, 4, p.out, 112);
    k.embedGroups(5, 16, 3, 27, p.ids, p.bytes + 64, 17, p.halves + 16, 4, p.out + 512, 112);
  },
  embedF32: (k, p) => k.embedF32(3, 23, p.ids, p.floats + 64, 92, p.out, 96),
};

/** Deterministic numbers in [0, 1): a linear congruential generator, good enough to fill operands. */
function generator(): () => number {
  let state = 12345;
  return () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state / 0x80000000;
  };
}

function layOut(arena: Arena): Places {
  const random = generator();
  const floats = arena.alloc(REGION);
  const bytes = arena.alloc(REGION);
  const ids = arena.alloc(REGION);
  const halves = arena.alloc(64);
  const { N, K, group } = GEMM;
  const values = Float32Array.from({ length: N * K }, () => random() - 0.5);
  const pack = (bits: 4 | 8): number => {
    const quantized = packCanonical(quantizeGroups(values, { rows: N, cols: K, bits, groupSize: group }));
    const packed = packRows16(quantized);
    const at = arena.alloc(packed.length);
    arena.u8.set(packed, at);
    return at;
  };
  const weights = { 4: pack(4), 8: pack(8) };
  const out = arena.alloc(2 * REGION);
  for (let i = 0; i < REGION / 4; i += 1) arena.f32[floats / 4 + i] = (random() - 0.5) * 8;
  for (let i = 0; i < REGION; i += 1) arena.i8[bytes + i] = Math.floor(random() * 255) - 127;
  for (let i = 0; i < 32; i += 1) arena.u16[halves / 2 + i] = 0x3400 + Math.floor(random() * 0x800);
  // Ids for the look-ups and small whole float32 for gemmF32 share a region: the first three words are ids.
  for (let i = 0; i < REGION / 4; i += 1) arena.f32[ids / 4 + i] = Math.floor(random() * 17) - 8;
  arena.i32.set([2, 0, 1], ids / 4);
  return { floats, bytes, ids, weights, halves, out };
}

/**
 * Names of the kernels of `candidate` whose results differ from `reference` in any bit, or that throw. Both must
 * work on `arena`; what this allocates is released.
 */
export function failingKernels(arena: Arena, candidate: KernelTable, reference: KernelTable): KernelName[] {
  const mark = arena.mark();
  try {
    const places = layOut(arena);
    const run = (kernels: KernelTable, name: KernelName): Uint8Array => {
      arena.u8.fill(0, places.out, places.out + 2 * REGION);
      CASES[name](kernels, places);
      return arena.u8.slice(places.out, places.out + 2 * REGION);
    };
    return KERNEL_NAMES.filter((name) => {
      const expected = run(reference, name);
      try {
        const got = run(candidate, name);
        return got.some((byte, i) => byte !== expected[i]);
      } catch {
        return true;
      }
    });
  } finally {
    arena.release(mark);
  }
}
