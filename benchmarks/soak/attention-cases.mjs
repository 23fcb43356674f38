/** Generators of attention. */
import { flags, isLarge } from './shapes.mjs';

function heads(random) {
  if (isLarge(random))
    return { batch: 4, div: 2, M: random.integer(8, 12), tokens: random.integer(300, 400), dim: 64 };
  return {
    batch: random.integer(0, 4),
    div: random.integer(1, 2),
    M: random.integer(0, 4),
    tokens: random.size(80),
    dim: random.size(80),
  };
}

export const ATTENTION_CASES = {
  attentionScores(pools, random) {
    const { batch, div, M, tokens, dim } = heads(random);
    const kv = Math.ceil(batch / div);
    return {
      args: [
        ...[batch, M, tokens, dim, pools.codes(random, batch * M * dim), M * dim, dim],
        ...[
          pools.positives(random, batch * M),
          M * 4,
          4,
          pools.codes(random, kv * tokens * dim),
          tokens * dim,
          dim,
        ],
        ...[pools.positives(random, kv * tokens), tokens * 4, div, pools.out, M * tokens * 4, tokens * 4],
      ],
      bytes: batch * M * tokens * 4,
    };
  },

  softmaxQuantize(pools, random) {
    const { batch, div, M, tokens } = heads(random);
    // The source is scratch: it lies behind the results and counts as one.
    const codes = Math.ceil((batch * M * tokens) / 64) * 64;
    const scales = pools.out + codes;
    const src = scales + Math.ceil((batch * M * 4) / 64) * 64;
    const row = tokens * 4;
    return {
      args: [
        ...[
          batch,
          M,
          tokens,
          src,
          M * row,
          row,
          pools.positives(random, Math.ceil(batch / div) * tokens),
          row,
          div,
        ],
        ...[
          random.integer(0, tokens),
          random.integer(0, 1),
          0.125,
          pools.out,
          M * tokens,
          tokens,
          0,
          scales,
          M * 4,
          4,
        ],
      ],
      bytes: src - pools.out + batch * M * row,
      floatsFrom: src - pools.out,
    };
  },

  attentionMix(pools, random) {
    const { batch, div, M, tokens, dim } = heads(random);
    const kv = Math.ceil(batch / div);
    const acc = pools.out;
    const out = acc + batch * M * dim * 4;
    return {
      args: [
        ...[batch, M, dim, tokens, pools.codes(random, batch * M * tokens), M * tokens, tokens],
        ...[
          pools.positives(random, batch * M),
          M * 4,
          4,
          pools.codes(random, kv * tokens * dim),
          tokens * dim,
          dim,
          div,
        ],
        ...[acc, M * dim * 4, dim * 4, out, M * dim * 4, dim * 4, flags(random)],
      ],
      bytes: batch * M * dim * 8,
    };
  },

  attentionScoresF32(pools, random) {
    const { batch, div, M, tokens, dim } = heads(random);
    const kv = Math.ceil(batch / div);
    const row = dim * 4;
    return {
      args: [
        ...[batch, M, tokens, dim, pools.floats(random, batch * M * dim), M * row, row],
        ...[
          pools.floats(random, kv * tokens * dim),
          tokens * row,
          row,
          div,
          pools.out,
          M * tokens * 4,
          tokens * 4,
        ],
      ],
      bytes: batch * M * tokens * 4,
    };
  },

  softmaxF32(pools, random) {
    const { batch, M, tokens } = heads(random);
    const row = tokens * 4;
    return {
      args: [
        ...[batch, M, tokens, pools.floats(random, batch * M * tokens), M * row, row],
        ...[random.integer(0, tokens), random.integer(0, 1), 0.25, pools.out, M * row, row],
      ],
      bytes: batch * M * row,
    };
  },

  attentionMixF32(pools, random) {
    const { batch, div, M, tokens, dim } = heads(random);
    const kv = Math.ceil(batch / div);
    const row = dim * 4;
    return {
      args: [
        ...[batch, M, dim, tokens, pools.floats(random, batch * M * tokens), M * tokens * 4, tokens * 4],
        ...[pools.floats(random, kv * tokens * dim), tokens * row, row, div, pools.out, M * row, row],
      ],
      bytes: batch * M * row,
    };
  },

  maskScores(pools, random) {
    const [batch, rows, cols, position] = [
      random.integer(0, 3),
      random.integer(0, 6),
      random.size(90),
      random.size(90),
    ];
    const [blockRows, blockCols] = [random.integer(1, 16), random.integer(1, 16)];
    const blocks = Math.ceil(cols / blockCols);
    const blockBytes = blocks * (Math.ceil((position + rows) / blockRows) + 1);
    const mask = random.bits() % 2 === 0 ? 0 : pools.ids(random, batch * blockBytes);
    return {
      args: [
        ...[batch, rows, cols, pools.out, rows * cols * 4, cols * 4, position, random.integer(0, 80)],
        ...[mask, blockBytes, blocks, blockRows, blockCols],
      ],
      bytes: batch * rows * cols * 4,
    };
  },
};
