/**
 * Block-sparse attention as data: a mask of blocks becomes a constant of the model and an operand of its attention, so
 * that every engine hides the same scores. The pattern is plain: the blocks of the last tokens and those of the first
 * ones, as local and global blocks of sparse attention have them.
 *
 * Not for: masks chosen by looking at scores; such a mask is given as it is.
 */
import {
  BitloomError,
  type ConstantDecl,
  dense,
  formatExpression,
  type GraphFunction,
  type Model,
  type ModelBundle,
  type StateDecl,
} from '@bitloom/ir';
import { layeredSections } from './lazy-sections.js';

/** Which blocks of scores are seen. */
export interface BlockMask {
  /** Positions of queries and of tokens in a block. */
  readonly block: readonly [rows: number, cols: number];
  /** One byte a block, 1 is seen: [1 or heads, rows of blocks, columns of blocks]; the first axis is all heads alike. */
  readonly seen: Uint8Array;
  readonly shape: readonly [heads: number, rows: number, cols: number];
}

export interface LocalGlobal {
  /** Positions along a side of a block. */
  readonly block: number;
  /** Blocks of tokens that a block of queries sees, up to its own; at least 1. */
  readonly local: number;
  /** First blocks of tokens, which all see. */
  readonly global: number;
}

/** The mask of local and global blocks over `capacity` positions, for all heads alike. @throws BitloomError `block-mask` */
export function localGlobalMask(capacity: number, { block, local, global }: LocalGlobal): BlockMask {
  for (const [name, value, least] of [
    ['capacity', capacity, 1],
    ['block', block, 1],
    ['local', local, 1],
    ['global', global, 0],
  ] as const) {
    if (!Number.isSafeInteger(value) || value < least)
      throw maskError(name, `a whole number of at least ${least}`, String(value));
  }
  const count = Math.ceil(capacity / block);
  const seen = new Uint8Array(count * count);
  for (let row = 0; row < count; row += 1) {
    for (let col = 0; col < count; col += 1)
      seen[row * count + col] = col < global || col > row - local ? 1 : 0;
  }
  return { block: [block, block], seen, shape: [1, count, count] };
}

/**
 * The model with the mask in every attention, quantised or not.
 *
 * @throws BitloomError `block-mask` unless it covers the caches, has heads as the model's, and lets every position see
 *   itself; also for a model whose attention has a mask already, or that has none
 */
export function maskAttention(bundle: ModelBundle, mask: BlockMask): ModelBundle {
  const { model } = bundle;
  checkMask(model, mask);
  let name = 'attention.mask';
  const taken = new Set([...model.constants, ...model.states].map((one) => one.name));
  while (taken.has(name)) name += '_';
  const constant: ConstantDecl = { name, type: dense('u8', mask.shape), components: { data: name } };
  const [maskRows, maskCols] = mask.block;
  const masked = (fn: GraphFunction): GraphFunction => ({
    ...fn,
    nodes: fn.nodes.map((node) => {
      if (node.op !== 'attention') return node;
      const attributes = { ...node.attributes, maskRows, maskCols };
      return { ...node, inputs: [...node.inputs, name], attributes };
    }),
  });
  const bytes = mask.seen.slice();
  const section = {
    byteLength: bytes.length,
    read: (offset: number, length: number) => bytes.slice(offset, offset + length),
  };
  return {
    model: { ...model, constants: [...model.constants, constant], functions: model.functions.map(masked) },
    sections: layeredSections(bundle.sections, new Map([[name, section]])),
  };
}

function checkMask(model: Model, { block, seen, shape }: BlockMask): void {
  const nodes = model.functions.flatMap((fn) => fn.nodes.filter(({ op }) => op === 'attention'));
  if (nodes.length === 0) throw maskError(`model '${model.name}'`, 'attention', 'none');
  const [own, rows, cols] = shape;
  const sizes = [...block, ...shape];
  if (!sizes.every((size) => Number.isSafeInteger(size) && size >= 1) || seen.length !== own * rows * cols)
    throw maskError('mask', `${shape.join(' x ')} blocks, a byte each`, `${seen.length} bytes`);
  for (const node of nodes) {
    if (node.inputs.length > 3) throw maskError(`node '${node.name}'`, 'attention without a mask', 'a mask');
    if (own !== 1 && own !== node.attributes.heads)
      throw maskError(`node '${node.name}'`, '1, or the heads of the model', `${own} heads`);
  }
  const capacity = Math.max(
    0,
    ...model.states.filter(({ purpose }) => purpose === 'kv-cache').map(capacityOf),
  );
  if (rows * block[0] < capacity || cols * block[1] < capacity) {
    const got = `${rows * block[0]} x ${cols * block[1]}`;
    throw maskError('mask', `${capacity} x ${capacity} positions`, got);
  }
  for (let head = 0; head < own; head += 1) {
    for (let position = 0; position < capacity; position += 1) {
      const row = head * rows + Math.floor(position / block[0]);
      if (seen[row * cols + Math.floor(position / block[1])] !== 0) continue;
      throw maskError(`mask of head ${head}`, 'every position sees itself', `position ${position} does not`);
    }
  }
}

function capacityOf({ name, type }: StateDecl): number {
  const capacity = type.shape[1];
  if (typeof capacity === 'number') return capacity;
  throw maskError(`state '${name}'`, 'a fixed number of tokens', formatExpression(capacity));
}

function maskError(where: string, expected: string, got: string): BitloomError {
  return new BitloomError({
    code: 'block-mask',
    message: 'this mask of blocks cannot be put into the attention of this model',
    where,
    expected,
    got,
    hint: 'make the mask for the context of the model: localGlobalMask(context, { block: 64, local: 4, global: 1 })',
  });
}
