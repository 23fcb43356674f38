/** How attention is divided: by groups of heads, or by rows of the queries. */
import type { AttentionKernels } from '../interface/attention.js';
import { cutRange, type Divisions, MIN_ELEMENTS, MIN_PRODUCTS, SHARES_PER_THREAD } from './division.js';

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

const products = ([batch, M, N, K]: readonly number[]): number => batch * M * N * K;
const elements = ([batch, rows, cols]: readonly number[]): number => batch * rows * cols;

export const ATTENTION_DIVISIONS: Divisions<AttentionKernels> = {
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
