/**
 * How the large kernels are divided over threads. Every share is the same kernel on a part of the outputs: blocks of
 * rows of the weights, groups of heads, or rows of the queries. No sum is ever divided, so the bits do not depend on
 * the number of threads.
 */
import { rows16BlockBytes } from '@bitloom/formats';
import type { KernelTable } from './kernels.js';
import { checkGroups } from './reference/gemm.js';
import { effectiveGroup, type KernelExports } from './wasm/backend.js';
import { MAX_SHARES, type WorkerPool } from './worker-pool.js';

/** Products (multiply and add) below which waking other threads costs more than it saves: about 20 µs of work. */
const MIN_PRODUCTS = 400_000;
/** The same for the elements of a softmax, each of which costs some dozens of products. */
const MIN_ELEMENTS = 16_384;

/** Shares per thread: more than one, so that a thread that is held up leaves its work to the others. */
const SHARES_PER_THREAD = 4;
/** Shares per thread of a product of many tokens, where each share lays out all activations for itself. */
const PANEL_SHARES_PER_THREAD = 2;

/** A half-open range of outputs. */
type Range = readonly [start: number, end: number];

/** Cuts 0..total into at most `parts` ranges of whole units, as equal as units allow. */
export function cutRange(total: number, unit: number, parts: number): Range[] {
  const units = Math.ceil(total / unit);
  const count = Math.max(1, Math.min(parts, units));
  return Array.from({ length: count }, (_, i) => [
    Math.floor((units * i) / count) * unit,
    Math.min(total, Math.floor((units * (i + 1)) / count) * unit),
  ]);
}

/** A part of batches and rows: whole groups of heads that share an operand, or rows of every head. */
interface AttentionPart {
  readonly b: number;
  readonly batch: number;
  readonly m: number;
  readonly rows: number;
}

/** Cuts by groups of heads where there are enough for every thread, else by rows. */
function cutAttention(batch: number, rows: number, bDiv: number, threads: number): AttentionPart[] {
  const parts = threads * SHARES_PER_THREAD;
  if (Math.ceil(batch / bDiv) >= threads) {
    return cutRange(batch, bDiv, parts).map(([b, end]) => ({ b, batch: end - b, m: 0, rows }));
  }
  return cutRange(rows, 1, parts).map(([m, end]) => ({ b: 0, batch, m, rows: end - m }));
}

/** How one kernel is divided: its arguments in the order of `Kernels`, its work, and the arguments of each share. */
interface Division {
  readonly least: number;
  readonly work: (args: readonly number[]) => number;
  readonly shares: (args: readonly number[], threads: number) => number[][];
}

type Divided =
  | 'gemmF32'
  | 'attentionScores'
  | 'softmaxQuantize'
  | 'attentionMix'
  | 'attentionScoresF32'
  | 'softmaxF32'
  | 'attentionMixF32';

const products = ([batch, M, N, K]: readonly number[]): number => batch * M * N * K;
const elements = ([batch, rows, cols]: readonly number[]): number => batch * rows * cols;

const DIVISIONS: Readonly<Record<Divided, Division>> = {
  gemmF32: {
    least: MIN_PRODUCTS,
    work: ([M, N, K]) => M * N * K,
    shares: ([M, N, K, x, xR, w, wR, out, outR], threads) =>
      cutRange(N, 4, threads * SHARES_PER_THREAD).map(([n, end]) => [
        M,
        end - n,
        K,
        x,
        xR,
        w + n * wR,
        wR,
        out + n * 4,
        outR,
      ]),
  },

  attentionScores: {
    least: MIN_PRODUCTS,
    work: products,
    shares(args, threads) {
      const [batch, M, N, K, q, qB, qR, qScale, qScaleB, qScaleR, ...others] = args;
      const [k, kB, kR, kScale, kScaleB, bDiv, out, outB, outR] = others;
      return cutAttention(batch, M, bDiv, threads).map(({ b, batch: count, m, rows }) => {
        const query = [q + b * qB + m * qR, qB, qR, qScale + b * qScaleB + m * qScaleR, qScaleB, qScaleR];
        const keys = [k + (b / bDiv) * kB, kB, kR, kScale + (b / bDiv) * kScaleB, kScaleB, bDiv];
        return [count, rows, N, K, ...query, ...keys, out + b * outB + m * outR, outB, outR];
      });
    },
  },

  softmaxQuantize: {
    least: MIN_ELEMENTS,
    work: elements,
    shares(args, threads) {
      const [batch, rows, cols, src, srcB, srcR, vScale, vScaleB, bDiv, ...others] = args;
      const [valid0, validStep, smScale, dst, dstB, dstR, padTo, scale, scaleB, scaleR] = others;
      return cutAttention(batch, rows, bDiv, threads).map(({ b, batch: count, m, rows: part }) => {
        const source = [src + b * srcB + m * srcR, srcB, srcR, vScale + (b / bDiv) * vScaleB, vScaleB, bDiv];
        const valid = [valid0 + m * validStep, validStep, smScale];
        const target = [dst + b * dstB + m * dstR, dstB, dstR, padTo];
        return [
          count,
          part,
          cols,
          ...source,
          ...valid,
          ...target,
          scale + b * scaleB + m * scaleR,
          scaleB,
          scaleR,
        ];
      });
    },
  },

  attentionMix: {
    least: MIN_PRODUCTS,
    work: products,
    shares(args, threads) {
      const [batch, M, N, K, p, pB, pR, pScale, pScaleB, pScaleR, ...others] = args;
      const [v, vB, vR, bDiv, acc, accB, accR, out, outB, outR, flags] = others;
      return cutAttention(batch, M, bDiv, threads).map(({ b, batch: count, m, rows }) => {
        const weights = [p + b * pB + m * pR, pB, pR, pScale + b * pScaleB + m * pScaleR, pScaleB, pScaleR];
        const values = [v + (b / bDiv) * vB, vB, vR, bDiv];
        const sums = [acc + b * accB + m * accR, accB, accR];
        return [
          count,
          rows,
          N,
          K,
          ...weights,
          ...values,
          ...sums,
          out + b * outB + m * outR,
          outB,
          outR,
          flags,
        ];
      });
    },
  },

  attentionScoresF32: {
    least: MIN_PRODUCTS,
    work: products,
    shares: ([batch, M, N, K, q, qB, qR, k, kB, kR, bDiv, out, outB, outR], threads) =>
      cutAttention(batch, M, bDiv, threads).map(({ b, batch: count, m, rows }) => {
        const keys = [k + (b / bDiv) * kB, kB, kR, bDiv];
        return [
          count,
          rows,
          N,
          K,
          q + b * qB + m * qR,
          qB,
          qR,
          ...keys,
          out + b * outB + m * outR,
          outB,
          outR,
        ];
      }),
  },

  softmaxF32: {
    least: MIN_ELEMENTS,
    work: elements,
    shares: ([batch, rows, cols, src, srcB, srcR, valid0, validStep, smScale, dst, dstB, dstR], threads) =>
      cutAttention(batch, rows, 1, threads).map(({ b, batch: count, m, rows: part }) => {
        const valid = [valid0 + m * validStep, validStep, smScale];
        return [
          count,
          part,
          cols,
          src + b * srcB + m * srcR,
          srcB,
          srcR,
          ...valid,
          dst + b * dstB + m * dstR,
          dstB,
          dstR,
        ];
      }),
  },

  attentionMixF32: {
    least: MIN_PRODUCTS,
    work: products,
    shares: ([batch, M, N, K, p, pB, pR, v, vB, vR, bDiv, out, outB, outR], threads) =>
      cutAttention(batch, M, bDiv, threads).map(({ b, batch: count, m, rows }) => {
        const values = [v + (b / bDiv) * vB, vB, vR, bDiv];
        return [
          count,
          rows,
          N,
          K,
          p + b * pB + m * pR,
          pB,
          pR,
          ...values,
          out + b * outB + m * outR,
          outB,
          outR,
        ];
      }),
  },
};

/**
 * The kernels of `serial` with the large ones divided over the workers of `pool` and this thread. Small work stays
 * on this thread.
 *
 * @param scratch scratch memory of this thread
 * @param limit threads at most, this one included
 */
export function parallelKernels(
  serial: KernelTable,
  exports: KernelExports,
  pool: WorkerPool,
  scratch: number,
  limit: number,
): KernelTable {
  const most = Math.min(limit, MAX_SHARES / SHARES_PER_THREAD);
  const threadsFor = (work: number, least: number): number =>
    work < least ? 1 : Math.min(most, 1 + pool.ready);

  const divided = (kernel: Divided): ((...args: number[]) => void) => {
    const { least, work, shares } = DIVISIONS[kernel];
    return (...args) => {
      const threads = threadsFor(work(args), least);
      if (threads === 1) exports[kernel](...args);
      else pool.run({ kernel, shares: shares(args, threads) });
    };
  };

  return {
    ...serial,
    gemmF32: divided('gemmF32'),
    attentionScores: divided('attentionScores'),
    softmaxQuantize: divided('softmaxQuantize'),
    attentionMix: divided('attentionMix'),
    attentionScoresF32: divided('attentionScoresF32'),
    softmaxF32: divided('softmaxF32'),
    attentionMixF32: divided('attentionMixF32'),

    gemmGroups(bits, group, M, N, K, x, xR, xScale, xScaleR, w, out, outR, flags) {
      const threads = threadsFor(M * N * K, MIN_PRODUCTS);
      if (threads === 1) {
        serial.gemmGroups(bits, group, M, N, K, x, xR, xScale, xScaleR, w, out, outR, flags);
        return;
      }
      checkGroups(bits, group, K);
      const size = effectiveGroup(group, K);
      const blockBytes = rows16BlockBytes(bits, K, size);
      const parts = threads * (M > 2 ? PANEL_SHARES_PER_THREAD : SHARES_PER_THREAD);
      const shares = cutRange(N, 16, parts).map(([n, end]) => {
        const weights = w + (n / 16) * blockBytes;
        return [
          bits,
          size,
          M,
          end - n,
          K,
          x,
          xR,
          xScale,
          xScaleR,
          weights,
          out + n * 4,
          outR,
          flags,
          scratch,
        ];
      });
      pool.run({ kernel: 'gemmGroups', shares, scratchArgument: 13 });
    },
  };
}
