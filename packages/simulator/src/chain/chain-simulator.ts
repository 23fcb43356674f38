/**
 * One sparse DSP chain, cycle by cycle and bit by bit: multiplexers, packed multiplies, the cascade with its reduction
 * nodes, overflow adjust units, accumulators. It defines what the formulas of `ir` (`device/chain.ts`) count and what
 * the kernels compute faster; a timing run never calls it.
 *
 * Time. A **step** is what is issued in one cycle: each DSP p of the cascade gets a weight and the activation that its
 * multiplexer selects. DSP p takes it p cycles later than DSP 0 (the skew of a cascade, whatever the segments), then
 * needs three more registers: pre-adder, product, P. A segment breaks the cascade at its first DSP; the last DSP goes on
 * with its own P over the tiles of a sum. A finished P waits at its node for the adjust unit of its DSPs, which splits
 * one per cycle, oldest first, and adds both halves to the accumulators.
 *
 * Order. Groups of columns in order; in a group, runs of tiles of equal keep; in a run, sets of rows in turn, each over
 * all tiles of the run. Tiles that keep nothing are not issued.
 */
import {
  BitloomError,
  CHAIN_TILE,
  type ChainLimits,
  type ChainSplit,
  chainSplit,
  dspPacking,
  type MatrixEngine,
  type MatrixMode,
} from '@bitloom/ir';
import type { ChainBlock } from './chain-block.js';
import { accumulate, packActivations, splitFields } from './dsp48.js';

export interface ChainResult {
  /** Sums of the products, for each row of activations: [groups, 16 rows of weights]. */
  readonly sums: readonly Int32Array[];
  /** Cycles in which the chain is fed, bubbles included: what the next block waits for. */
  readonly issueCycles: number;
  /** Cycles until the last sum is accumulated. */
  readonly cycles: number;
  /** Pairs that adjust units split. */
  readonly splits: number;
  /** Most finished sums that waited at one node. */
  readonly mostWaiting: number;
}

/** What a cycle issues; an empty slot is a bubble. */
interface Step {
  /** For each DSP: the packed activations and the weight. */
  readonly activations: Float64Array;
  readonly weights: Int8Array;
  /** DSPs of a cascade that is not broken. */
  readonly segment: number;
  /** Whether the sum of a segment begins with this step, and whether it ends. */
  readonly begins: boolean;
  readonly ends: boolean;
  /** For each segment: where its sum goes, or -1. */
  readonly targets: readonly number[];
}

interface Waiting {
  readonly value: number;
  readonly target: number;
  readonly since: number;
}

/** Registers between a step and P: input, pre-adder, product. */
const STAGES = 3;

export class ChainSimulator {
  readonly #matrix: MatrixEngine;
  readonly #mode: MatrixMode;
  /** DSPs of the cascade. */
  readonly #dsps: number;
  readonly #skip: number;
  readonly #most: ChainLimits;

  /**
   * @param most rows of weights to work on at a time, and tiles of a row that segments take together, at most
   * @throws BitloomError `chain-dsp` for DSPs without fields of two rows: a DSP58 adds three products of one sum.
   */
  constructor(matrix: MatrixEngine, mode: MatrixMode, most: ChainLimits = {}) {
    const { rows, inner } = dspPacking(matrix.dsp);
    if (inner !== 1 || rows > 2) {
      throw new BitloomError({
        code: 'chain-dsp',
        message: 'the chain model is of DSPs whose two products share a weight',
        expected: 'at most 2 products per DSP',
        got: `${matrix.dsp.productsPerDsp} of a ${matrix.dsp.kind}`,
        hint: 'three products of a DSP58 are one exact sum: there are no fields to model',
      });
    }
    this.#matrix = matrix;
    this.#mode = mode;
    this.#most = most;
    this.#dsps = Math.min(matrix.chain.dsps, mode.k, CHAIN_TILE);
    this.#skip = Math.min(this.#dsps, matrix.chain.overflowAdjust.skipUpTo);
  }

  /** Cycles from the last step to its accumulation, at most. */
  get latency(): number {
    return STAGES + this.#dsps + this.#skip + 1;
  }

  /**
   * Runs a block.
   *
   * @param activations one or two rows of int8 codes, whole tiles long
   * @param groupTiles tiles of a group of columns, whose sums are apart
   */
  run(block: ChainBlock, activations: readonly Int8Array[], groupTiles: number): ChainResult {
    const groups = Math.ceil(block.length / groupTiles);
    const sums = activations.map(() => new Int32Array(groups * CHAIN_TILE));
    const steps = [...this.#steps(block, activations, groupTiles)];
    const [dsps, skip] = [this.#dsps, this.#skip];
    const registers = Array.from({ length: STAGES }, () => new Array<Step | undefined>(dsps).fill(undefined));
    const p = new Float64Array(dsps);
    const nodes: Waiting[][] = Array.from({ length: dsps }, () => []);
    let [splits, mostWaiting, cycle] = [0, 0, 0];
    let pending = 0;
    for (; cycle < steps.length + STAGES + dsps || pending > 0; cycle += 1) {
      // Adjust units take what was finished in cycles before.
      for (let unit = 0; unit * skip < dsps; unit += 1) {
        const oldest = nodes
          .slice(unit * skip, (unit + 1) * skip)
          .filter((node) => node.length > 0)
          .sort(([a], [b]) => a.since - b.since)[0];
        const taken = oldest?.shift();
        if (taken === undefined) continue;
        const { high, low } = splitFields(taken.value);
        sums[0][taken.target] += low;
        if (sums.length > 1) sums[1][taken.target] += high;
        pending -= 1;
        splits += 1;
      }
      // P of the DSP below must be read before it changes: from the end of the cascade to its start.
      for (let dsp = dsps - 1; dsp >= 0; dsp -= 1) {
        const step = registers[STAGES - 1][dsp];
        if (step !== undefined) {
          const isFirst = dsp % step.segment === 0;
          const isLast = dsp % step.segment === step.segment - 1;
          const product = step.activations[dsp] * step.weights[dsp];
          const feedback = isLast && !step.begins ? p[dsp] : 0;
          p[dsp] = accumulate(product, isFirst ? 0 : p[dsp - 1], feedback);
          const target = step.targets[Math.floor(dsp / step.segment)] ?? -1;
          if (isLast && step.ends && target >= 0) {
            nodes[dsp].push({ value: p[dsp], target, since: cycle });
            mostWaiting = Math.max(mostWaiting, nodes[dsp].length);
            pending += 1;
          }
        }
        for (let stage = STAGES - 1; stage > 0; stage -= 1) registers[stage][dsp] = registers[stage - 1][dsp];
        registers[0][dsp] = steps[cycle - dsp];
      }
    }
    return { sums, issueCycles: steps.length, cycles: cycle, splits, mostWaiting };
  }

  *#steps(
    block: ChainBlock,
    activations: readonly Int8Array[],
    groupTiles: number,
  ): Generator<Step | undefined> {
    for (let from = 0; from < block.length; ) {
      const { keep } = block[from];
      const group = Math.floor(from / groupTiles);
      const end = Math.min(block.length, (group + 1) * groupTiles);
      let to = from + 1;
      while (to < end && block[to].keep === keep) to += 1;
      if (keep > 0) {
        const split = chainSplit(this.#matrix, this.#mode, keep, this.#most);
        for (let row = 0; row < CHAIN_TILE; row += split.outputs)
          yield* this.#rowSteps(block, activations, { split, keep, row, from, to, group });
      }
      from = to;
    }
  }

  /** Steps of one set of rows over a run of tiles, in sums that a field holds. */
  *#rowSteps(
    block: ChainBlock,
    activations: readonly Int8Array[],
    run: {
      readonly split: ChainSplit;
      readonly keep: number;
      readonly row: number;
      readonly from: number;
      readonly to: number;
      readonly group: number;
    },
  ): Generator<Step | undefined> {
    const { split, from, to } = run;
    const { joinedTiles } = split;
    const together = split.sumTiles * joinedTiles;
    for (let first = from; first < to; first += together) {
      const last = Math.min(to, first + together);
      let issued = 0;
      for (let tile = first; tile < last; tile += joinedTiles) {
        for (let part = 0; part < split.tileCycles; part += 1) {
          // A sum ends with each part of a row that is longer than the cascade: its field is full.
          const isPart = split.tileCycles > 1;
          const [begins, ends] = [isPart || tile === first, isPart || tile + joinedTiles >= last];
          yield this.#step(block, activations, { ...run, tile, part, begins, ends });
          issued += 1;
        }
      }
      for (; issued < split.drainCycles; issued += 1) yield undefined;
    }
  }

  #step(
    block: ChainBlock,
    activations: readonly Int8Array[],
    at: {
      readonly split: ChainSplit;
      readonly keep: number;
      readonly row: number;
      readonly group: number;
      readonly to: number;
      readonly tile: number;
      readonly part: number;
      readonly begins: boolean;
      readonly ends: boolean;
    },
  ): Step {
    const { split, keep } = at;
    const { joinedTiles } = split;
    const packed = new Float64Array(this.#dsps);
    const weights = new Int8Array(this.#dsps);
    for (let dsp = 0; dsp < this.#dsps; dsp += 1) {
      const index = Math.floor(dsp / split.segmentDsps);
      const row = at.row + Math.floor(index / joinedTiles);
      const tile = at.tile + (index % joinedTiles);
      const value = at.part * this.#dsps + (dsp % split.segmentDsps);
      const isUsed = row < Math.min(CHAIN_TILE, at.row + split.outputs) && value < keep && tile < at.to;
      if (!isUsed) continue;
      const { values, columns } = block[tile];
      // The multiplexer: one of 16 activations of the tile, of both rows.
      const column = tile * CHAIN_TILE + columns[row * keep + value];
      weights[dsp] = values[row * keep + value];
      packed[dsp] = packActivations(activations[1]?.[column] ?? 0, activations[0][column]);
    }
    // A segment longer than a field holds is broken at every adjust unit; its parts meet in the accumulator.
    const segment = Math.min(split.segmentDsps, this.#skip);
    const targets = Array.from({ length: Math.ceil(this.#dsps / segment) }, (_, index) => {
      const output = Math.floor((index * segment) / split.segmentDsps / joinedTiles);
      const row = at.row + output;
      return output < split.outputs && row < CHAIN_TILE ? at.group * CHAIN_TILE + row : -1;
    });
    return { activations: packed, weights, segment, begins: at.begins, ends: at.ends, targets };
  }
}
