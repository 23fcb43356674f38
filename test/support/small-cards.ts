/**
 * Cards made to be hard on a compiler: a card of the box with a few figures changed. Small buffers force several
 * inner parts of a weight, loops over KV tiles and several blocks of heads; short queues and few lanes move every
 * start. Not for claims about real boards.
 */
import type { BufferSpace, Device, MatrixMode } from '@bitloom/ir';
import { findCard } from '@bitloom/ir';

/** What may be changed; the rest is the base card's. */
export interface CardChanges {
  /** Bytes of buffers by space. */
  readonly buffers?: Partial<Readonly<Record<BufferSpace, number>>>;
  readonly mm?: Partial<MatrixMode>;
  readonly mv?: Partial<MatrixMode>;
  readonly lanes?: number;
  readonly ports?: number;
  readonly bytesPerCyclePerPort?: number;
  readonly queueDepth?: number;
  readonly loopDepth?: number;
  readonly loopBufferInstructions?: number;
  readonly counterBits?: number;
  readonly timeDivisor?: number;
  readonly cores?: number;
  /** Fused groups end with barriers, of so many cycles. */
  readonly groupBarriers?: boolean;
  readonly barrierCycles?: number;
  /** Widths of weight codes, and kept values of each 16, that the engine takes. */
  readonly weightBits?: readonly number[];
  readonly keeps?: readonly number[];
  /** Units that rescale finished sums; lanes with an exponential; 0: as many as there may be. */
  readonly rescaleUnits?: number;
  readonly exponentLanes?: number;
  readonly exchange?: Partial<Device['exchange']>;
  readonly hbmChannels?: number;
  readonly efficiency?: number;
  /** Leaves out DDR, so that tables and mailboxes lie in HBM. */
  readonly withoutDdr?: boolean;
}

/** A card of its own name. */
export function cardWith(name: string, changes: CardChanges, base: Device = findCard('u280')): Device {
  const { buffers = {}, mm, mv, lanes, ports, queueDepth, loopDepth, counterBits, timeDivisor } = changes;
  const { hbmChannels, efficiency, bytesPerCyclePerPort, loopBufferInstructions } = changes;
  return {
    ...base,
    name,
    title: `${base.title}, changed for a test`,
    cores: changes.cores ?? base.cores,
    // No claim about a real board: what is changed need not fit one.
    resources: { dsp: 1e9, bram: 1e9, uram: 1e9, lut: 1e12 },
    matrix: {
      ...base.matrix,
      mm: { ...base.matrix.mm, ...mm },
      mv: { ...base.matrix.mv, ...mv },
      weightBits: changes.weightBits ?? base.matrix.weightBits,
      keeps: changes.keeps ?? base.matrix.keeps,
      rescale: { ...base.matrix.rescale, units: changes.rescaleUnits ?? base.matrix.rescale.units },
    },
    vector: {
      ...base.vector,
      lanes: lanes ?? base.vector.lanes,
      exponentLanes: changes.exponentLanes ?? base.vector.exponentLanes,
    },
    exchange: { ...base.exchange, ...changes.exchange },
    buffers: base.buffers.map((buffer) => ({
      ...buffer,
      bytes: buffers[buffer.space] ?? buffer.bytes,
      ports: ports ?? buffer.ports,
      bytesPerCyclePerPort: bytesPerCyclePerPort ?? buffer.bytesPerCyclePerPort,
    })),
    memories: base.memories
      .filter((memory) => withDdr(changes) || memory.space !== 'ddr')
      .map((memory) =>
        memory.space === 'hbm'
          ? {
              ...memory,
              channels: hbmChannels ?? memory.channels,
              efficiency: efficiency ?? memory.efficiency,
            }
          : memory,
      ),
    dispatcher: {
      ...base.dispatcher,
      queueDepth: queueDepth ?? base.dispatcher.queueDepth,
      loopDepth: loopDepth ?? base.dispatcher.loopDepth,
      loopBufferInstructions: loopBufferInstructions ?? base.dispatcher.loopBufferInstructions,
      groupBarriers: changes.groupBarriers ?? base.dispatcher.groupBarriers,
      barrierCycles: changes.barrierCycles ?? base.dispatcher.barrierCycles,
    },
    tokens: { ...base.tokens, counterBits: counterBits ?? base.tokens.counterBits },
    calibration: { ...base.calibration, timeDivisor: timeDivisor ?? base.calibration.timeDivisor },
  };
}

const withDdr = (changes: CardChanges): boolean => changes.withoutDdr !== true;

const KIB = 1024;

/** Four hard cards, each hard in its own way. Models of width 64 and context 512 fit all of them. */
export const HARD_CARDS: readonly Device[] = [
  // One group of 16 rows per slot of the weight ring: every product is split along its inner length.
  cardWith('tiny-weights', {
    buffers: { weights: 2 * 1024 },
    queueDepth: 2,
    mv: { n: 16, k: 8 },
    mm: { n: 32 },
  }),
  // A few KV rows per tile: long loops over the cache.
  cardWith('tiny-stream', { buffers: { stream: 4 * KIB }, lanes: 3, loopBufferInstructions: 2 }),
  // Room for the scores of one head only, and no DDR.
  cardWith('tiny-data', {
    buffers: { data: 24 * KIB, accumulator: 4 * KIB },
    withoutDdr: true,
    hbmChannels: 3,
  }),
  // Everything at once.
  cardWith(
    'tiny',
    {
      buffers: { weights: 2 * 1024, stream: 4 * KIB, data: 32 * KIB, accumulator: 2 * KIB, index: KIB },
      queueDepth: 1,
      lanes: 1,
      ports: 1,
      bytesPerCyclePerPort: 24,
      timeDivisor: 3.2,
      hbmChannels: 5,
      efficiency: 0.37,
      loopBufferInstructions: 0,
    },
    findCard('vhk158-flightllm'),
  ),
];

/** Heads, rows and columns that three cores divide unevenly, behind slow links. */
export const THREE_CORES: Device = cardWith('three-cores', {
  cores: 3,
  buffers: { weights: 8 * KIB, stream: 8 * KIB, data: 512 * KIB, accumulator: 16 * KIB },
  exchange: { bytesPerCycle: 3, latencyCycles: 100 },
  queueDepth: 3,
});
