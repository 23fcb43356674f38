/**
 * Masks of blocks by rule, as a command names them: local and global blocks, or as many visible blocks as FlightLLM's
 * block-sparse attention has (arXiv 2401.03868), or block by block. Not for: putting them into a model.
 */
import { BitloomError } from '@bitloom/ir';
import { type BlockMask, localGlobalMask } from './block-attention.js';

/** Positions along a side of a block in FlightLLM. */
const BLOCK = 64;

/**
 * Blocks that are visible up to the end of a row of blocks: [rows, blocks]. Of the blocks on and below the diagonal
 * these are 1.00, 1.00, 0.81, 0.53 and 0.30 at 128 to 2048 tokens, as published (there 0.97 at 256, of several heads).
 */
const VISIBLE_BLOCKS: readonly (readonly [rows: number, blocks: number])[] = [
  [0, 0],
  [2, 3],
  [4, 10],
  [8, 29],
  [16, 72],
  [32, 158],
];

/**
 * The mask of FlightLLM's densities: each row of blocks sees itself, the first block, the blocks right before it, and,
 * where the density asks for one more, a block half-way. Beyond 2048 tokens rows see as many blocks as before.
 */
export function flightllmMask(capacity: number): BlockMask {
  const count = Math.ceil(capacity / BLOCK);
  const seen = new Uint8Array(count * count);
  let before = 0;
  for (let row = 0; row < count; row += 1) {
    const total = Math.round(visibleBlocks(row + 1));
    const own = Math.min(row + 1, total - before);
    before += own;
    // From the diagonal back: local blocks, with the last two taken from the beginning and the middle.
    const order = [row, 0, ...Array.from({ length: row }, (_, i) => row - 1 - i)];
    const chosen = new Set<number>();
    for (const col of [...order.slice(0, 5), row >> 1, ...order]) if (chosen.size < own) chosen.add(col);
    for (const col of chosen) seen[row * count + col] = 1;
  }
  return { block: [BLOCK, BLOCK], seen, shape: [1, count, count] };
}

/** Visible blocks of so many rows of blocks. */
function visibleBlocks(rows: number): number {
  const after = VISIBLE_BLOCKS.findIndex(([to]) => rows <= to);
  const at = after < 0 ? VISIBLE_BLOCKS.length - 1 : Math.max(1, after);
  const [[from, least], [to, most]] = [VISIBLE_BLOCKS[at - 1], VISIBLE_BLOCKS[at]];
  return least + ((most - least) * (rows - from)) / (to - from);
}

/** Share of the blocks on and below the diagonal that a mask shows to the first `tokens` positions, over all heads. */
export function causalDensity({ block: [height, width], seen, shape }: BlockMask, tokens: number): number {
  const [heads, rows, cols] = shape;
  let [visible, all] = [0, 0];
  for (let head = 0; head < heads; head += 1)
    for (let row = 0; row * height < tokens; row += 1)
      for (let col = 0; col * width < Math.min(tokens, (row + 1) * height); col += 1) {
        all += 1;
        visible += seen[(head * rows + row) * cols + col] === 0 ? 0 : 1;
      }
  return all === 0 ? 0 : visible / all;
}

/**
 * A mask by rule: `flightllm`, or `local=4,global=1` with `block=64` unless it says otherwise.
 *
 * @throws BitloomError `attention-blocks`, `block-mask`
 */
export function maskByRule(rule: string, capacity: number): BlockMask {
  if (rule === 'flightllm') return flightllmMask(capacity);
  const given = new Map<string, number>();
  for (const part of rule.split(',')) {
    const [, name, value] = /^(block|local|global)=(\d+)$/.exec(part.trim()) ?? [];
    if (name === undefined || given.has(name)) throw ruleError(rule);
    given.set(name, Number(value));
  }
  const local = given.get('local');
  if (local === undefined) throw ruleError(rule);
  return localGlobalMask(capacity, {
    block: given.get('block') ?? BLOCK,
    local,
    global: given.get('global') ?? 0,
  });
}

/** A mask as people write it: a line for each row of blocks, with a 0 or 1 for each block of tokens up to its own. */
export interface WrittenMask {
  /** Positions along a side of a block. */
  readonly block: number;
  readonly rows: readonly string[];
}

/**
 * A mask that was written down; blocks behind the end of a line are hidden.
 *
 * @throws BitloomError `attention-blocks`
 */
export function maskFromRows(written: unknown): BlockMask {
  if (!isWrittenMask(written)) throw ruleError(JSON.stringify(written) ?? String(written));
  const { block, rows } = written;
  const count = rows.length;
  const seen = new Uint8Array(count * count);
  for (const [row, line] of rows.entries())
    for (let col = 0; col < Math.min(count, line.length); col += 1)
      seen[row * count + col] = line[col] === '1' ? 1 : 0;
  return { block: [block, block], seen, shape: [1, count, count] };
}

function isWrittenMask(value: unknown): value is WrittenMask {
  if (typeof value !== 'object' || value === null || !('block' in value) || !('rows' in value)) return false;
  const { block, rows } = value;
  const isBlock = typeof block === 'number' && Number.isSafeInteger(block) && block > 0;
  const isLine = (line: unknown): boolean => typeof line === 'string' && /^[01]*$/.test(line);
  return isBlock && Array.isArray(rows) && rows.length > 0 && rows.every(isLine);
}

function ruleError(rule: string): BitloomError {
  return new BitloomError({
    code: 'attention-blocks',
    message: 'this rule does not say which blocks attention sees',
    where: 'blocks of attention',
    expected: `'flightllm', 'local=4,global=1,block=64', or a file {"block": 64, "rows": ["1", "11", "101"]}`,
    got: rule.slice(0, 80),
    hint: 'local counts blocks up to the own one, global those at the beginning; a line of a file has a digit per block',
  });
}
