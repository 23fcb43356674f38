/**
 * How the columns of values are divided over the cores of a card: in whole heads where heads are worked on, in blocks of
 * 16 elsewhere. The inner length of a product is never divided, so what a core computes is what an undivided card would.
 */
import {
  add,
  CORE_SYMBOL,
  type Expression,
  type GraphNode,
  integerAttribute,
  maximum,
  minimum,
  multiply,
  type StateDecl,
  subtract,
  symbol,
} from '@bitloom/ir';

/** Number of the core that executes an instruction. */
export const CORE = symbol(CORE_SYMBOL);

/** Smallest piece of a value: rows of a kernel block. */
const BLOCK = 16;

/** Items of a core when `count` are divided over `cores` in multiples of `unit`, the last cores having fewer. */
export function itemsPerCore(count: number, cores: number, unit: number): number {
  if (cores === 1) return count;
  return Math.ceil(Math.ceil(count / unit) / cores) * unit;
}

/** Items that the executing core has: a number where all have the same. */
export function ownItems(count: number, perCore: number, cores: number): Expression {
  if (perCore * cores === count) return perCore;
  return maximum(0, minimum(perCore, subtract(count, multiply(perCore, CORE))));
}

/** Bytes from the first item of all cores to those of the executing core. */
export function ownStart(cores: number, bytesPerCore: number): Expression {
  return cores === 1 ? 0 : multiply(bytesPerCore, CORE);
}

/** Items of one block out of those of the executing core: `size` from `first` on, as far as it has them. */
export function ownBlock(own: Expression, first: number, size: number): Expression {
  if (typeof own === 'number') return Math.max(0, Math.min(size, own - first));
  return maximum(0, minimum(size, add(own, -first)));
}

/** Ops whose operands and results have the same columns. */
const COLUMNWISE: ReadonlySet<string> = new Set([
  'rope',
  'add',
  'mul',
  'silu',
  'siluMul',
  'gelu',
  'relu',
  'copy',
]);

/**
 * Columns per core of every value that is divided, by name: what heads demand, passed on to whatever the value is made
 * of. A value that is not in the map has no demand and is divided in blocks of 16.
 */
export function demandedColumns(
  nodes: readonly GraphNode[],
  states: readonly StateDecl[],
  cores: number,
): ReadonlyMap<string, number> {
  const out = new Map<string, number>();
  for (const node of [...nodes].reverse()) {
    if (node.op === 'attention') {
      const kvHeads = itemsPerCore(integerAttribute(node, 'kvHeads'), cores, 1);
      const share = integerAttribute(node, 'heads') / integerAttribute(node, 'kvHeads');
      const columns = kvHeads * share * integerAttribute(node, 'headDim');
      for (const name of [node.inputs[0], ...node.outputs]) if (name !== undefined) out.set(name, columns);
    } else if (node.op === 'stateAppend') {
      const [stateName, input] = node.inputs;
      const shape = states.find((state) => state.name === stateName)?.type.shape ?? [];
      const [heads, , headDim] = shape;
      if (input !== undefined && typeof heads === 'number' && typeof headDim === 'number')
        out.set(input, itemsPerCore(heads, cores, 1) * headDim);
    } else if (COLUMNWISE.has(node.op) || Object.hasOwn(node.attributes, 'headDim')) {
      const demanded = node.outputs.map((name) => out.get(name)).find((columns) => columns !== undefined);
      if (demanded !== undefined) for (const name of node.inputs) if (!out.has(name)) out.set(name, demanded);
    }
  }
  return out;
}

/** Columns per core of a value of `cols` columns without a demand. */
export function columnsPerCore(cols: number, cores: number): number {
  return itemsPerCore(cols, cores, BLOCK);
}
