/** Attention on every backend, bit for bit: shared heads, ragged sizes, causal rows, in int8 and in float32. */
import fc from 'fast-check';
import { describe, it } from 'vitest';
import { conforms, makeBench } from './harness.js';

const bench = makeBench();
const COLUMNS = [1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 20, 31, 33, 64, 172, 260];
const columns = fc.oneof(fc.constantFrom(...COLUMNS), fc.integer({ min: 0, max: 70 }));
const small = fc.integer({ min: 0, max: 3 });

describe('attention', () => {
  interface AttentionShape {
    heads: number;
    bDiv: number;
    M: number;
    tokens: number;
    headDim: number;
    gap: number;
    flags: number;
  }
  const shapes: fc.Arbitrary<AttentionShape> = fc.record({
    heads: fc.integer({ min: 0, max: 5 }),
    bDiv: fc.integer({ min: 1, max: 3 }),
    M: small,
    tokens: fc.integer({ min: 0, max: 40 }),
    headDim: fc.oneof(fc.constantFrom(1, 2, 3, 4, 7, 8, 16, 20, 64, 80), fc.integer({ min: 0, max: 40 })),
    gap: fc.integer({ min: 0, max: 3 }),
    flags: fc.integer({ min: 0, max: 3 }),
  });
  const listed: AttentionShape[] = [1, 2, 3, 4, 5, 8, 12, 16, 20, 21, 31, 64, 100, 128].flatMap((headDim) =>
    [1, 2, 3, 4, 5, 17].map((tokens) => ({
      heads: 4,
      bDiv: 2,
      M: 2,
      tokens,
      headDim,
      gap: 0,
      flags: 2 + (tokens % 2),
    })),
  );
  const groups = (s: AttentionShape): number => Math.ceil(s.heads / s.bDiv);

  it('attentionScores', () => {
    conforms(
      bench,
      (o, s: AttentionShape) => {
        const qR = s.headDim + s.gap;
        const q = o.codes(s.heads * s.M * qR + 1, s.gap);
        const qScale = o.scales(s.heads * s.M + 1);
        const kR = s.headDim + (s.gap % 2);
        const k8 = o.codes(groups(s) * s.tokens * kR + 1, 1);
        const kScale = o.scales(groups(s) * s.tokens + 1);
        const outR = (s.tokens + s.gap) * 4;
        const out = o.floats(s.heads * s.M * (s.tokens + s.gap) + 1);
        return (k) =>
          k.attentionScores(
            s.heads,
            s.M,
            s.tokens,
            s.headDim,
            q,
            s.M * qR,
            qR,
            qScale,
            s.M * 4,
            4,
            k8,
            s.tokens * kR,
            kR,
            kScale,
            s.tokens * 4,
            s.bDiv,
            out,
            s.M * outR,
            outR,
          );
      },
      listed,
      shapes,
      { flavours: ['plain'] },
    );
  });

  it('attentionMix', () => {
    conforms(
      bench,
      (o, s: AttentionShape) => {
        const pR = s.tokens + s.gap;
        const p = o.codes(s.heads * s.M * pR + 1, s.gap);
        const pScale = o.scales(s.heads * s.M + 1);
        const vR = s.headDim + (s.gap % 2);
        const v = o.codes(groups(s) * s.tokens * vR + 1, 1);
        const outR = (s.headDim + s.gap) * 4;
        const acc = o.block(s.heads * s.M * outR + 4);
        const out = o.block(s.heads * s.M * outR + 4);
        return (k) =>
          k.attentionMix(
            s.heads,
            s.M,
            s.headDim,
            s.tokens,
            p,
            s.M * pR,
            pR,
            pScale,
            s.M * 4,
            4,
            v,
            s.tokens * vR,
            vR,
            s.bDiv,
            acc,
            s.M * outR,
            outR,
            out,
            s.M * outR,
            outR,
            s.flags,
          );
      },
      listed,
      shapes,
      { flavours: ['plain'] },
    );
  });

  it('attentionScoresF32', () => {
    conforms(
      bench,
      (o, s: AttentionShape) => {
        const row = (s.headDim + s.gap) * 4;
        const q = o.floats(s.heads * s.M * (s.headDim + s.gap) + 1, s.gap);
        const keys = o.floats(groups(s) * s.tokens * (s.headDim + s.gap) + 1);
        const outR = (s.tokens + s.gap) * 4;
        const out = o.floats(s.heads * s.M * (s.tokens + s.gap) + 1);
        return (k) =>
          k.attentionScoresF32(
            s.heads,
            s.M,
            s.tokens,
            s.headDim,
            q,
            s.M * row,
            row,
            keys,
            s.tokens * row,
            row,
            s.bDiv,
            out,
            s.M * outR,
            outR,
          );
      },
      listed,
      shapes,
    );
  });

  it('attentionMixF32', () => {
    conforms(
      bench,
      (o, s: AttentionShape) => {
        const pR = (s.tokens + s.gap) * 4;
        const p = o.floats(s.heads * s.M * (s.tokens + s.gap) + 1, s.gap);
        const vR = (s.headDim + s.gap) * 4;
        const v = o.floats(groups(s) * s.tokens * (s.headDim + s.gap) + 1);
        const out = o.floats(s.heads * s.M * (s.headDim + s.gap) + 1);
        return (k) =>
          k.attentionMixF32(
            s.heads,
            s.M,
            s.headDim,
            s.tokens,
            p,
            s.M * pR,
            pR,
            v,
            s.tokens * vR,
            vR,
            s.bDiv,
            out,
            s.M * vR,
            vR,
          );
      },
      listed,
      shapes,
    );
  });

  interface SoftmaxShape {
    batch: number;
    bDiv: number;
    rows: number;
    cols: number;
    gap: number;
    valid0: number;
    validStep: number;
  }
  const rows: fc.Arbitrary<SoftmaxShape> = fc.record({
    batch: fc.integer({ min: 0, max: 4 }),
    bDiv: fc.integer({ min: 1, max: 3 }),
    rows: small,
    cols: columns,
    gap: fc.integer({ min: 0, max: 5 }),
    valid0: fc.integer({ min: -3, max: 80 }),
    validStep: fc.integer({ min: 0, max: 2 }),
  });
  const listedRows: SoftmaxShape[] = COLUMNS.flatMap((cols) =>
    [0, 1, cols - 2, cols].map((valid0) => ({
      batch: 3,
      bDiv: 2,
      rows: 3,
      cols,
      gap: 1,
      valid0,
      validStep: 1,
    })),
  );

  it('softmaxF32', () => {
    conforms(
      bench,
      (o, s: SoftmaxShape) => {
        const row = (s.cols + s.gap) * 4;
        const src = o.floats(s.batch * s.rows * (s.cols + s.gap) + 1, s.gap, 40);
        const dst = s.gap === 2 ? src : o.floats(s.batch * s.rows * (s.cols + s.gap) + 1);
        return (k) =>
          k.softmaxF32(
            s.batch,
            s.rows,
            s.cols,
            src,
            s.rows * row,
            row,
            s.valid0,
            s.validStep,
            0.3,
            dst,
            s.rows * row,
            row,
          );
      },
      listedRows,
      rows,
    );
  });

  it('softmaxQuantize', () => {
    conforms(
      bench,
      (o, s: SoftmaxShape) => {
        const row = (s.cols + s.gap) * 4;
        const src = o.floats(s.batch * s.rows * (s.cols + s.gap) + 1, s.gap, 40);
        const vScale = o.scales(Math.ceil(s.batch / s.bDiv) * s.cols + 1);
        const padTo = s.gap === 0 ? 0 : Math.ceil(s.cols / 8) * 8;
        const rowBytes = Math.max(s.cols, padTo) + s.gap;
        const dst = o.block(s.batch * s.rows * rowBytes + 1, s.gap);
        const scale = o.block(s.batch * s.rows * 4 + 4);
        return (k) =>
          k.softmaxQuantize(
            s.batch,
            s.rows,
            s.cols,
            src,
            s.rows * row,
            row,
            vScale,
            s.cols * 4,
            s.bDiv,
            s.valid0,
            s.validStep,
            0.125,
            dst,
            s.rows * rowBytes,
            rowBytes,
            padTo,
            scale,
            s.rows * 4,
            4,
          );
      },
      listedRows,
      rows,
    );
  });
});
