/** Makes attention block-sparse as `--attention-blocks` says: by rule, or by a mask in a JSON file. */
import { existsSync, readFileSync } from 'node:fs';
import { BitloomError, type ModelBundle } from '@bitloom/ir';

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
  const mask = existsSync(asked) ? maskFromRows(readJson(asked)) : maskByRule(asked, positionsOf(bundle));
  return maskAttention(bundle, mask);
}

/** Positions that the caches have room for. */
function positionsOf({ model }: ModelBundle): number {
  const caches = model.states.filter(({ purpose }) => purpose === 'kv-cache');
  return Math.max(1, ...caches.map(({ type }) => Number(type.shape[1])));
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new BitloomError({
      code: 'attention-blocks',
      message: 'the file of a mask cannot be read as JSON',
      where: path,
      expected: '{"block": 64, "rows": ["1", "11", "101"]}',
      got: cause instanceof Error ? cause.message : String(cause),
      cause,
    });
  }
}
