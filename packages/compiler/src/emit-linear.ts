/**
 * Products with weights: tiles of the packed matrix stream through the weight ring while the matrix engine
 * works on the tile before. Decode uses MV, several tokens use MM. A product can be emitted piece by piece, so that other
 * work stands between its tiles.
 */
import {
  add,
  BitloomError,
  ceilDivide,
  type Expression,
  evaluate,
  type GraphNode,
  internalError,
  MATRIX_MODES,
  multiply,
  TRANSFER_KINDS,
} from '@bitloom/ir';
import type { InnerPart } from './cost.js';
import type { InstructionDraft, Touch } from './draft.js';
import { emitBias } from './emit-vector.js';
import type { Emitter } from './emitter.js';
import { bufferAddress, dataAddress, operand, runs, tileLength, touchBytes, touchData } from './operands.js';
import { CORE } from './partition.js';

const WEIGHTS_KIND = TRANSFER_KINDS.indexOf('weights');
const WEIGHTS_MODE = MATRIX_MODES.indexOf('weights');

/** A product of which some tiles are emitted. */
export interface Product {
  /** Tiles in all. */
  readonly tiles: number;
  /** Columns of a tile, and of all on a core. */
  readonly tileColumns: number;
  readonly columns: number;
  /** Emits the next `count` tiles, as far as there are so many. */
  push(count: number): void;
  /** Emits what follows the last tile. */
  finish(): void;
}

/** Tiles of the product of a node, and the products of numbers in a row of each. */
export function productExtent(
  emitter: Emitter,
  node: GraphNode,
): { readonly tiles: number; readonly work: number } {
  const [, weightName = ''] = node.inputs;
  const rows = emitter.image.matrixRows(weightName);
  const { tile, perCore } = emitter.image.matrix(
    weightName,
    emitter.columnsPerCore(node.outputs[0] ?? '', rows),
  );
  const inner = tile.kParts.reduce((sum, { length }) => sum + length, 0);
  return { tiles: Math.ceil(perCore / tile.rows), work: tile.rows * inner };
}

export function emitLinear(emitter: Emitter, node: GraphNode): void {
  const product = openProduct(emitter, node);
  product.push(product.tiles);
  product.finish();
}

/** Allocates the result of a product and gives what emits its tiles. */
export function openProduct(emitter: Emitter, node: GraphNode): Product {
  const [inputName, weightName, biasName] = node.inputs;
  const outName = node.outputs[0];
  if (inputName === undefined || weightName === undefined || outName === undefined)
    throw internalError('linear without operands', node.name);
  const input = emitter.value(inputName);
  if (input.kind !== 'codes') {
    throw new BitloomError({
      code: 'compiler-numerics-unsupported',
      message: 'the matrix engine multiplies int8 codes only',
      where: `node '${node.name}'`,
      expected: 'quantised activations',
      got: 'float32 activations',
      hint: 'choose a scheme such as W8A8 or W4A8, or run on the host',
    });
  }
  const rows = emitter.image.matrixRows(weightName);
  const matrix = emitter.image.matrix(weightName, emitter.columnsPerCore(outName, rows));
  const { rows: m, maxRows } = emitter.lengths;
  const { weights } = emitter;
  const { tile, perCore } = matrix;
  const out = emitter.allocateFloats(outName, matrix.rows, perCore);
  const own = emitter.partOf(out).cols;
  const tiles = Math.ceil(perCore / tile.rows);
  const parts = tile.kParts.length;
  const bytesOf = (part: InnerPart, blocks: Expression): Expression => {
    const codes = multiply(part.bytes, blocks);
    // A sparse tile begins with a directory: a word per block, in whole vectors.
    return part.keep === 0 ? codes : add(codes, multiply(16, ceilDivide(blocks, 4)));
  };
  const wholeTile = tile.kParts.reduce((sum, part) => sum + evaluate(bytesOf(part, tile.rows / 16), {}), 0);
  const name = maxRows === 1 ? 'MV' : 'MM';
  const body = (
    iteration: Expression,
    n: Expression,
    slot: (use: number) => Expression,
    written: Touch,
  ): readonly InstructionDraft[] => {
    const blocks = ceilDivide(n, 16);
    const firstByte = add(multiply(matrix.sliceBytes, CORE), multiply(wholeTile, iteration));
    const drafts: InstructionDraft[] = [];
    let before: Expression = 0;
    tile.kParts.forEach((part, use) => {
      const destination = bufferAddress('weights', slot(use));
      const length = bytesOf(part, blocks);
      const start = emitter.cores === 1 ? multiply(wholeTile, iteration) : firstByte;
      const load = runs(matrix.region, add(start, before), destination, { length }, WEIGHTS_KIND);
      drafts.push(emitter.draft('LD', 'load', load, [], { wait: 'matrix', release: 'matrix' }));
      drafts.push(
        emitter.draft(
          name,
          'matrix',
          {
            mode: WEIGHTS_MODE,
            bits: part.bits,
            group: matrix.group,
            keep: part.keep,
            batch: 1,
            bShare: 1,
            m,
            n,
            k: part.length,
            ...operand('a', dataAddress(input.allocation, part.start), 0, input.rowBytes),
            ...operand('aScale', dataAddress(input.scales), 0, 4),
            ...operand('b', destination, 0, 0),
            ...operand(
              'out',
              dataAddress(out.allocation, multiply(4 * tile.rows, iteration)),
              0,
              out.rowBytes,
            ),
            continue: use === 0 ? 0 : 1,
            finish: use === parts - 1 ? 1 : 0,
          },
          [touchData(input.allocation, false), touchData(input.scales, false), written],
          { wait: 'load', release: 'load' },
        ),
      );
      before = add(before, length);
    });
    return drafts;
  };
  // Tiles that are whole on every core take constants; the dispatcher pays for the lengths of the others only.
  const least = Math.max(0, matrix.rows - (emitter.cores - 1) * perCore);
  const whole = Math.floor(Math.min(least, perCore) / tile.rows);
  let done = 0;
  const pushRun = (first: number, count: number): void => {
    const slot = emitter.ringSlots(weights, parts, count);
    // Columns of one row lie behind each other: who reads those of other tiles does not wait for these.
    const tileBytes = 4 * tile.rows;
    const written =
      maxRows === 1
        ? touchBytes(out.allocation, tileBytes * first, tileBytes * count, true)
        : touchData(out.allocation, true);
    emitter.pushLoop(count, (turn) => {
      const iteration = add(first, turn);
      const n = first < whole ? tile.rows : tileLength(own, tile.rows, iteration);
      return body(iteration, n, (use) => slot(turn, use), written);
    });
  };
  return {
    tiles,
    tileColumns: tile.rows,
    columns: perCore,
    push(count) {
      emitter.tile(`${tile.rows} rows x ${tile.kParts[0]?.length ?? 0}`);
      const end = Math.min(tiles, done + count);
      // A run ends where tiles stop being whole.
      for (const stop of [Math.min(end, whole), end]) {
        if (stop > done) pushRun(done, stop - done);
        done = Math.max(done, stop);
      }
    },
    finish() {
      if (done < tiles) throw internalError('a product that is not finished', node.name);
      if (biasName !== undefined) emitBias(emitter, biasName, out);
    },
  };
}
