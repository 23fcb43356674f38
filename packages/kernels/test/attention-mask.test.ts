/** Masks of attention: conformance, and that a hidden token is as good as absent. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { conforms, makeBench } from './harness.js';

const bench = makeBench();

interface MaskShape {
  readonly batch: number;
  readonly rows: number;
  readonly cols: number;
  readonly gap: number;
  readonly position: number;
  readonly window: number;
  readonly masked: boolean;
  readonly shared: boolean;
  readonly blockRows: number;
  readonly blockCols: number;
}

it('maskScores hides windows and blocks on every backend', () => {
  const shape: fc.Arbitrary<MaskShape> = fc.record({
    batch: fc.integer({ min: 0, max: 3 }),
    rows: fc.integer({ min: 0, max: 6 }),
    cols: fc.integer({ min: 0, max: 70 }),
    gap: fc.integer({ min: 0, max: 3 }),
    position: fc.integer({ min: 0, max: 90 }),
    window: fc.integer({ min: 0, max: 80 }),
    masked: fc.boolean(),
    shared: fc.boolean(),
    blockRows: fc.integer({ min: 1, max: 9 }),
    blockCols: fc.integer({ min: 1, max: 20 }),
  });
  conforms(
    bench,
    (o, s: MaskShape) => {
      const row = (s.cols + s.gap) * 4;
      const dst = o.floats(s.batch * s.rows * (s.cols + s.gap));
      const blocks = Math.ceil(s.cols / s.blockCols);
      const blockRows = Math.ceil((s.position + s.rows) / s.blockRows) + 1;
      const mask = o.block(blocks * blockRows * 3 + 1);
      for (let i = 0; i < blocks * blockRows * 3; i += 1) o.arena.u8[mask + i] = o.random() < 0.5 ? 0 : 1;
      return (k) =>
        k.maskScores(
          ...([s.batch, s.rows, s.cols, dst, s.rows * row, row, s.position, s.window] as const),
          ...([
            s.masked ? mask : 0,
            s.shared ? 0 : blocks * blockRows,
            blocks,
            s.blockRows,
            s.blockCols,
          ] as const),
        );
    },
    [],
    shape,
    { runs: 150 },
  );
});

it('softmax and mix over hidden scores are those over the tokens that are seen', () => {
  const { arena } = bench;
  for (const { label, kernels: k } of [
    { label: 'reference', kernels: bench.reference },
    ...bench.candidates,
  ]) {
    const mark = arena.mark();
    const [tokens, dim, window] = [48, 16, 16];
    const [scores, values] = [arena.alloc(tokens * 4), arena.alloc(tokens * dim * 4)];
    const [p, all, part] = [arena.alloc(tokens * 4), arena.alloc(dim * 4), arena.alloc(dim * 4)];
    for (let i = 0; i < tokens; i += 1) arena.f32[scores / 4 + i] = Math.sin(3 * i) * 4;
    for (let i = 0; i < tokens * dim; i += 1) arena.f32[values / 4 + i] = Math.cos(i);
    const seen = (tokens - window) * 4;
    k.softmaxF32(1, 1, window, scores + seen, 0, 0, window, 0, 0.5, p, 0, 0);
    k.attentionMixF32(1, 1, dim, window, p, 0, 0, values + seen * dim, 0, dim * 4, 1, part, 0, 0);
    k.maskScores(1, 1, tokens, scores, 0, 0, tokens - 1, window, 0, 0, 0, 1, 1);
    k.softmaxF32(1, 1, tokens, scores, 0, 0, tokens, 0, 0.5, p, 0, 0);
    k.attentionMixF32(1, 1, dim, tokens, p, 0, 0, values, 0, dim * 4, 1, all, 0, 0);
    expect([...arena.f32.subarray(all / 4, all / 4 + dim)], label).toEqual([
      ...arena.f32.subarray(part / 4, part / 4 + dim),
    ]);
    arena.release(mark);
  }
});
