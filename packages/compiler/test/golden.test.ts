/**
 * A small program as text, reviewed as a diff. After a wanted change:
 * `npx vitest run packages/compiler/test/golden.test.ts -u`.
 */
import { printProgram } from '@bitloom/ir';
import { expect, it } from 'vitest';
import { cardWith } from '../../../test/support/small-cards.js';
import { compile } from '../src/index.js';
import { quantizedLlama } from './support/quantized-llama.js';
import { quantizedOpt } from './support/quantized-opt.js';

/** Small enough for loops over weight tiles, inner parts, KV tiles and blocks of heads; large enough to read. */
const CARD = cardWith('golden', {
  buffers: { weights: 4 * 1088, stream: 1024, data: 5 * 1024, accumulator: 512 },
  mv: { n: 16, k: 8 },
  mm: { n: 16, k: 8 },
});
const SHAPE = { layers: 1, width: 20, ffn: 44, heads: 2, vocab: 50, context: 40, bits: 8 } as const;

it('a Llama layer', async () => {
  const program = compile(quantizedLlama({ ...SHAPE, kvHeads: 2 }), CARD, {
    modelHash: 'model',
    deviceHash: 'device',
  });
  await expect(printProgram(program, { numbers: false })).toMatchFileSnapshot('golden/llama.txt');
});

it('an OPT layer', async () => {
  const program = compile(quantizedOpt(SHAPE), CARD, { entries: ['decode'] });
  await expect(printProgram(program, { numbers: false })).toMatchFileSnapshot('golden/opt.txt');
});
