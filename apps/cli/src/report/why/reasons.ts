/**
 * What a stretch of the critical path means, as a table: which unit and cause make which reason, how it is called, and
 * what would change it. Hints may depend on how busy the memory or the matrix engine was meanwhile.
 */
import type { PathCause } from '@bitloom/simulator';

/** What is known of a reason when its hint is chosen; shares from 0 to 1. */
export interface Circumstances {
  /** Of the peak of the busiest memory, while the path was in this reason; undefined without a series. */
  readonly memoryUse: number | undefined;
  /** Share of its peak, less DRAM losses, that the card sets the memory to; 1 where it sets nothing. */
  readonly memoryLimit: number;
  /** Cycles of the barrier that the card has behind each fused group; undefined where tokens alone order groups. */
  readonly groupBarrier: number | undefined;
  /** Of the time in it in which the matrix engine of the core worked. */
  readonly matrixUse: number;
  /** Products of the phase against the peak of the matrix engines. */
  readonly productUse: number;
}

export interface Reason {
  readonly id: string;
  /** Units and causes of it; `undefined` stands for any unit. */
  readonly units: readonly string[] | undefined;
  readonly causes: readonly PathCause[];
  /** Only for these ops; default: all. */
  readonly ops?: readonly string[];
  /** `{memory}` stands for the name of the memory, `{op}` for the op where reasons are kept apart by it. */
  readonly title: string;
  /** Whether each op is a reason of its own. */
  readonly byOp?: boolean;
  /** Which figure says most beside it. */
  readonly beside: 'memory' | 'matrix' | 'products' | 'nothing';
  readonly hint: (about: Circumstances) => string;
}

/** From here on a memory or an engine counts as used up. */
const FULL = 0.8;

const isFull = ({ memoryUse, memoryLimit }: Circumstances): boolean =>
  memoryUse !== undefined && memoryUse >= FULL * memoryLimit;

/** What the card's own description keeps from being used. */
const limited = ({ memoryLimit }: Circumstances): string =>
  memoryLimit === 1
    ? ''
    : ` The card sets its memory to ${Math.round(100 * memoryLimit)}% of what DRAM timing leaves, less for scattered transfers.`;

const streaming = (about: Circumstances): string =>
  isFull(about)
    ? 'The memory is nearly used up: fewer bits per weight, N:M sparse weights or a card with more bandwidth make it shorter.'
    : `The memory has room left: larger weight buffers, longer transfers or earlier loads would use it.${limited(about)}`;

/** The first that fits counts. */
export const REASONS: readonly Reason[] = [
  {
    id: 'weights',
    units: ['load'],
    causes: ['work', 'memory'],
    title: '{memory}: streaming weights',
    beside: 'memory',
    hint: streaming,
  },
  {
    id: 'kv',
    units: ['fetch'],
    causes: ['work', 'memory'],
    ops: ['attention', 'stateAppend'],
    title: '{memory}: reading the KV cache',
    beside: 'memory',
    hint: (about) =>
      isFull(about)
        ? 'The memory is nearly used up: fewer bits per cached value or fewer key heads make it shorter.'
        : 'Reads of the cache are short and late: fetch them while weights stream, or more heads at a time.',
  },
  {
    id: 'fetch',
    units: ['fetch'],
    causes: ['work', 'memory'],
    title: '{memory}: reading vectors and tables',
    beside: 'memory',
    hint: () => 'Small reads that nothing hides: fetch them earlier, or keep them on the chip.',
  },
  {
    id: 'store',
    units: ['store'],
    causes: ['work', 'memory'],
    title: '{memory}: writing results',
    beside: 'memory',
    hint: () => 'Keep activations on the chip, or write them while the next group computes.',
  },
  {
    id: 'matrix',
    units: ['matrix'],
    causes: ['work'],
    title: 'Matrix engine computing',
    beside: 'products',
    hint: ({ productUse }) =>
      productUse >= FULL
        ? 'The engine is nearly used up: N:M sparse weights, more DSPs or a higher clock make it shorter.'
        : 'It computes below its peak: tiles that fill its rows and columns, larger batches, or a shape of the engine nearer to that of the layers.',
  },
  {
    id: 'matrix-port',
    units: ['matrix'],
    causes: ['memory'],
    title: 'Matrix engine held up by a buffer port',
    beside: 'matrix',
    hint: () => 'Wider ports or more of them for the buffer that feeds the engine.',
  },
  {
    id: 'vector',
    units: ['vector'],
    causes: ['work', 'memory'],
    title: 'Vector unit in {op}',
    byOp: true,
    beside: 'matrix',
    hint: ({ matrixUse }) =>
      matrixUse < 0.5
        ? 'The matrix engine waits meanwhile: more lanes, or pieces of the op that start as soon as their inputs are there.'
        : 'More lanes; the matrix engine works meanwhile, so little is lost.',
  },
  {
    id: 'exchange',
    units: ['exchange'],
    causes: ['work', 'memory', 'latency'],
    title: 'Exchange between cores',
    beside: 'matrix',
    hint: () => 'Wider links, fewer exchanges, or exchanges in parts that overlap the products before them.',
  },
  {
    id: 'cores',
    units: undefined,
    causes: ['barrier'],
    title: 'At barriers and waiting for other cores',
    beside: 'matrix',
    hint: ({ groupBarrier }) =>
      groupBarrier === undefined
        ? 'Split the work more evenly between cores.'
        : `This card has a barrier of ${groupBarrier} cycles behind each fused group: ordering groups by tokens alone takes it away.`,
  },
  {
    id: 'dispatch',
    units: undefined,
    causes: ['dispatch'],
    title: 'Dispatcher decoding',
    beside: 'nothing',
    hint: () => 'Fewer and larger instructions, deeper queues, or a dispatcher that decodes faster.',
  },
  {
    id: 'memory-latency',
    units: ['load', 'fetch', 'store'],
    causes: ['latency'],
    title: '{memory}: latency of accesses',
    beside: 'nothing',
    hint: () => 'Start loads earlier: deeper queues, or buffers with room for one more tile.',
  },
  {
    id: 'matrix-latency',
    units: ['matrix'],
    causes: ['latency'],
    title: 'Pipeline of the matrix engine filling',
    beside: 'nothing',
    hint: () => 'Fewer and larger products, or shorter chains of DSPs.',
  },
  {
    id: 'vector-latency',
    units: ['vector'],
    causes: ['latency'],
    title: 'Pipeline of the vector unit filling',
    beside: 'nothing',
    hint: () =>
      'Fuse element-wise ops, or let passes follow each other without waiting for the last element.',
  },
];
