/** Makes attention block-sparse as `--attention-blocks` says: by rule, or by a mask in a JSON file. */
import { existsSync } from 'node:fs';
import type { ModelBundle } from '@bitloom/ir';
import { readJson } from './read-json.js';

/** Largest mask that is read: thousands of rows of thousands of blocks. */
const MAX_MASK = 64 << 20;

/**
 * The model with the mask in all of its attention; as it is without one.
 *
 * @throws BitloomError `attention-blocks`, `block-mask`
 */
export async function withAttentionBlocks(
  bundle: ModelBundle,
  asked: string | undefined,
): Promise<ModelBundle> {
  if (asked === undefined) return bundle;
  const { maskAttention, maskByRule, maskFromRows } = await import('@bitloom/compression');
  const mask = existsSync(asked)
    ? maskFromRows(await readMask(asked))
    : maskByRule(asked, positionsOf(bundle));
  return maskAttention(bundle, mask);
}

/** Positions that the caches have room for. */
function positionsOf({ model }: ModelBundle): number {
  const caches = model.states.filter(({ purpose }) => purpose === 'kv-cache');
  return Math.max(1, ...caches.map(({ type }) => Number(type.shape[1])));
}

const readMask = (path: string): Promise<unknown> =>
  readJson(path, MAX_MASK, {
    code: 'attention-blocks',
    message: 'the file of a mask cannot be read as JSON',
    expected: '{"block": 64, "rows": ["1", "11", "101"]}',
  });
