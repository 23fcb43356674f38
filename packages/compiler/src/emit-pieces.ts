/**
 * Sub-vector pipelining: an element-wise op behind a product is cut into pieces of whole tiles, so that the vector unit
 * works on the columns that are there while the matrix engine makes the next ones. Any cut gives the same bits. It serves
 * single tokens: with more of them, products of another micro-batch cover what stands behind one.
 */
import { type GraphNode, VECTOR_FUNCTIONS } from '@bitloom/ir';
import { openProduct, type Product } from './emit-linear.js';
import { ELEMENTWISE, openElementwise, vectorFunction } from './emit-vector.js';
import type { Emitter } from './emitter.js';

/** An instruction is worth so many times what it costs by itself. */
const WORTH = 4;
/** More pieces take more instructions than they hide cycles. */
const MOST_PIECES = 4;

/** Pieces into which an op is cut behind a product; 1: it is not. */
export function piecesBehind(emitter: Emitter, node: GraphNode, consumer: GraphNode | undefined): number {
  const { device, plan, lengths } = emitter;
  const [, weightName, biasName] = node.inputs;
  const [made] = node.outputs;
  if (consumer === undefined || node.op !== 'linear' || weightName === undefined || made === undefined)
    return 1;
  // Where groups end with barriers, or spill, an op is one instruction, as published.
  if (lengths.maxRows > 1 || plan.spills || device.dispatcher.groupBarriers || biasName !== undefined)
    return 1;
  if (!ELEMENTWISE.has(consumer.op) || !consumer.inputs.includes(made)) return 1;
  // What else it reads is there, and no parameter has to be fetched for it.
  if (!consumer.inputs.every((name) => name === made || emitter.values.has(name))) return 1;
  const { passes, exponentialPasses } = VECTOR_FUNCTIONS[vectorFunction(consumer.op)];
  const { lanes, exponentLanes, startupCycles } = device.vector;
  const columns = emitter.columnsPerCore(made, emitter.image.matrixRows(weightName));
  const slow = exponentialPasses / (exponentLanes === 0 ? lanes : exponentLanes);
  const cycles = (columns * (slow + (passes - exponentialPasses) / lanes)) / device.calibration.timeDivisor;
  const own = startupCycles + device.dispatcher.cyclesPerInstruction;
  return Math.max(1, Math.min(MOST_PIECES, Math.floor(cycles / (WORTH * Math.max(1, own)))));
}

/** Emits a product and the op behind it in turns, and gives what is left of the product. */
export function emitPieces(emitter: Emitter, node: GraphNode, consumer: GraphNode, pieces: number): Product {
  emitter.at(node);
  const product = openProduct(emitter, node);
  emitter.at(consumer);
  const op = openElementwise(emitter, consumer, node.outputs[0]);
  const tiles = Math.ceil(product.tiles / pieces);
  for (let first = 0; first < product.tiles; first += tiles) {
    const count = Math.min(tiles, product.tiles - first);
    emitter.at(node);
    product.push(count);
    emitter.at(consumer);
    op.push(first * product.tileColumns, count * product.tileColumns);
  }
  return product;
}
