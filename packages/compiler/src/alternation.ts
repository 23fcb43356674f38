/**
 * The order in which two micro-batches take turns. Groups alternate, so that the vector work behind one batch's product
 * runs under the other's. Attention keeps the vector unit busy for longer than its own products take: products of the
 * other batch are emitted within it, a share of them wherever it would leave the matrix engine idle. The order is that of
 * emission, so places in buffers and tokens follow from it; results do not.
 */
import type { GraphNode } from '@bitloom/ir';
import { openProduct, type Product, productExtent } from './emit-linear.js';
import type { Emitter, Filler, MicroBatch } from './emitter.js';
import type { FusedGroup } from './fusion.js';

/** A group of one micro-batch; `first` is the position of its first node. */
export interface Turn {
  readonly group: FusedGroup;
  readonly first: number;
  readonly batch: MicroBatch;
}

/** A turn, and what is emitted into its pauses, or behind it. */
export interface Move {
  readonly turn: Turn;
  readonly within: readonly Turn[];
}

/**
 * Moves of two batches. Around attention the first batch goes ahead: what the second one needs for its own attention is
 * emitted within the first one's, and within the second one's the product behind the attention of the first batch.
 *
 * @param first position of the first node of the groups
 */
export function alternate(
  groups: readonly FusedGroup[],
  first: number,
  batches: readonly [MicroBatch, MicroBatch],
): readonly Move[] {
  const [ahead, behind] = batches;
  const firsts = [first];
  for (const { nodes } of groups) firsts.push(firsts[firsts.length - 1] + nodes.length);
  const turnOf = (index: number, batch: MicroBatch): Turn => ({
    group: groups[index],
    first: firsts[index],
    batch,
  });
  const moves: Move[] = [];
  const take = (index: number, batch: MicroBatch): void => {
    moves.push({ turn: turnOf(index, batch), within: [] });
  };
  let at = 0;
  while (at < groups.length) {
    const attention = attentionBehind(groups, at);
    if (attention === undefined) {
      take(at, ahead);
      take(at, behind);
      at++;
      continue;
    }
    const lead = Array.from({ length: attention - at }, (_, i) => at + i);
    const next = isProduct(groups[attention + 1]) ? [attention + 1] : [];
    for (const index of lead) take(index, ahead);
    moves.push(
      { turn: turnOf(attention, ahead), within: lead.map((index) => turnOf(index, behind)) },
      { turn: turnOf(attention, behind), within: next.map((index) => turnOf(index, ahead)) },
    );
    for (const index of next) take(index, behind);
    at = attention + 1 + next.length;
  }
  return moves;
}

function isProduct(group: FusedGroup | undefined): boolean {
  return group?.nodes[0]?.op === 'linear';
}

/** Index of the attention to which the products from `at` on lead, which all read the same value; undefined: to none. */
function attentionBehind(groups: readonly FusedGroup[], at: number): number | undefined {
  const input = groups[at]?.nodes[0]?.inputs[0];
  let index = at;
  while (isProduct(groups[index]) && groups[index].nodes[0]?.inputs[0] === input) index++;
  return index > at && groups[index]?.nodes[0]?.op === 'attention' ? index : undefined;
}

interface Step {
  readonly node: GraphNode;
  readonly position: number;
  readonly batch: MicroBatch;
  /** Tiles of a product, and the work of each; of other nodes none. */
  readonly tiles: number;
  readonly work: number;
}

/** Emits the nodes of turns step by step: products tile by tile, everything else whole. */
export class StepwiseTurns {
  private readonly emitter: Emitter;
  private readonly steps: readonly Step[];
  /** Work of all products. */
  private readonly work: number;
  private readonly emitNode: (node: GraphNode, position: number, product?: Product) => void;
  private next = 0;
  private open: { readonly product: Product; left: number } | undefined;
  private done = 0;

  /** @param emitNode emits a node, or, of a product whose tiles are emitted, what is left of it */
  constructor(
    emitter: Emitter,
    turns: readonly Turn[],
    emitNode: (node: GraphNode, position: number, product?: Product) => void,
  ) {
    this.emitter = emitter;
    this.emitNode = emitNode;
    this.steps = turns.flatMap(({ group, first, batch }) =>
      group.nodes.map((node, i): Step => {
        const { tiles, work } = node.op === 'linear' ? productExtent(emitter, node) : { tiles: 0, work: 0 };
        return { node, position: first + i, batch, tiles, work };
      }),
    );
    this.work = this.steps.reduce((sum, { tiles, work }) => sum + tiles * work, 0);
  }

  /** Emits up to a share of the work, in whole tiles. */
  readonly fill: Filler = (share) => {
    while (this.next < this.steps.length) {
      const missing = share * this.work - this.done;
      const { work } = this.steps[this.next];
      const tiles = Math.round(missing / Math.max(1, work));
      if (missing <= 0 || (tiles === 0 && work > 0)) return;
      this.step(tiles);
    }
  };

  /** Emits what is left. */
  finish(): void {
    while (this.next < this.steps.length) this.step(Number.POSITIVE_INFINITY);
  }

  /** Emits a node, or up to `tiles` tiles of it. */
  private step(tiles: number): void {
    const { emitter } = this;
    const { node, position, batch, work } = this.steps[this.next];
    emitter.batch = batch;
    if (node.op !== 'linear') {
      this.emitNode(node, position);
      this.next++;
      return;
    }
    emitter.at(node);
    if (this.open === undefined) {
      const product = openProduct(emitter, node);
      this.open = { product, left: product.tiles };
    }
    const { open } = this;
    const count = Math.min(tiles, open.left);
    open.product.push(count);
    open.left -= count;
    this.done += count * work;
    if (open.left > 0) return;
    this.emitNode(node, position, open.product);
    this.open = undefined;
    this.next++;
  }
}
