/**
 * The device description: a card as data. Everything the compiler plans with and the simulator times with
 * stands here, with its source; nothing about a card is written in code.
 */
import type { Numerics } from '../model/numerics.js';
import type { ChainDecl, RescaleDecl } from './chain.js';
import { type DramStandard, dramAtRate } from './dram.js';

/** A matrix mode computes `m x n x k` multiply-accumulates per cycle (rows, outputs, inner length). */
export interface MatrixMode {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Cycles from issue to the first result, paid once per instruction. */
  readonly startupCycles: number;
}

export interface MatrixEngine {
  /** Matrix x matrix. */
  readonly mm: MatrixMode;
  /** Matrix x vector. */
  readonly mv: MatrixMode;
  /** DSP blocks of the engine and products of two INT8 values each DSP makes per cycle. */
  readonly dsp: {
    readonly kind: 'DSP48E2' | 'DSP58';
    readonly count: number;
    readonly productsPerDsp: number;
  };
  /** Weight code widths the expander accepts. */
  readonly weightBits: readonly number[];
  /** Numbers of kept values of each 16 columns that the multiplexers in front of the DSPs select; none: dense only. */
  readonly keeps: readonly number[];
  /** Tokens whose activations the engine holds at a time, which bounds a chunk of a prompt; 0: no bound of its own. */
  readonly activationRows: number;
  /** How the DSPs of the engine are chained. */
  readonly chain: ChainDecl;
  /** What multiplies finished sums of groups by their scales. */
  readonly rescale: RescaleDecl;
}

/** Where the parts of a float unit lie: all in DSPs, multipliers only, or none. */
export const FLOAT_BUILDS = ['dsp', 'mixed', 'lut'] as const;
export type FloatBuild = (typeof FLOAT_BUILDS)[number];

export interface VectorEngine {
  /** Elements per cycle and pass. */
  readonly lanes: number;
  /** Lanes that also have an exponential and a divider, for passes that need them; 0: all. */
  readonly exponentLanes: number;
  readonly startupCycles: number;
  /** What the lanes are built for, for the resource model. Results are those of the numerics record. */
  readonly format: 'f32' | 'f16';
  readonly build: FloatBuild;
}

/** An on-chip buffer, seen by instructions as an address space. */
export interface BufferDecl {
  readonly space: BufferSpace;
  readonly bytes: number;
  /** Ports usable at the same time and bytes one port moves per cycle. */
  readonly ports: number;
  readonly bytesPerCyclePerPort: number;
  /** Blocks that it is built of; absent: as the resource model's rule says. */
  readonly storage?: 'bram' | 'uram';
}

export type BufferSpace = 'weights' | 'stream' | 'data' | 'accumulator' | 'index';
export type MemorySpace = 'hbm' | 'ddr';

export interface MemoryDecl {
  readonly space: MemorySpace;
  /** Kind for people, e.g. `HBM2`, `HBM2E`, `DDR4-2400`. */
  readonly kind: string;
  readonly channels: number;
  readonly bytesPerChannel: number;
  readonly bytesPerSecondPerChannel: number;
  /** Address bits that choose the channel of a striped address: consecutive runs of this many bytes. */
  readonly interleaveBytes: number;
  /** The part at its own speed; what one channel of this memory runs at is {@link memoryDram}. */
  readonly dram: DramStandard;
  /** Latency of controller and interconnect, on top of the part's own, ns. */
  readonly controllerNs: number;
  /** Share of a channel's rate reached on a stream beyond what `dram` explains; 1 where nothing is known. */
  readonly efficiency: number;
  /** The same for a transfer of several runs that lie apart; default: `efficiency`. */
  readonly scatteredEfficiency?: number;
}

export interface DispatcherDecl {
  /** Entries of each unit's queue. */
  readonly queueDepth: number;
  /** Cycles to decode and push one instruction. */
  readonly cyclesPerInstruction: number;
  /** Cycles per arithmetic operation of a quasi-affine field. */
  readonly cyclesPerOperation: number;
  /** Cycles per loop iteration. */
  readonly cyclesPerIteration: number;
  /** Deepest nesting of counted loops. */
  readonly loopDepth: number;
  /** Cycles of a BARRIER beyond the time in which the units drain. */
  readonly barrierCycles: number;
  /** Fused groups of a program end with a BARRIER, as in FlightLLM's artefact; otherwise tokens alone order them. */
  readonly groupBarriers: boolean;
  /** Loop bodies of up to this many instructions are held while they repeat; longer ones are fetched again. */
  readonly loopBufferInstructions: number;
}

/** Links between the cores of a card, over which XCH gathers. */
export interface ExchangeDecl {
  /** Bytes that a core receives per cycle. */
  readonly bytesPerCycle: number;
  /** Cycles from the last byte sent to the last byte received: the crossing of the dies. */
  readonly latencyCycles: number;
}

export interface TokenDecl {
  /** Width of each counter; more waiting tokens than it holds is an error of the program. */
  readonly counterBits: number;
  /** Tokens present at reset, by `from>to`. */
  readonly initialCredits: Readonly<Record<string, number>>;
  readonly overflow: 'error';
}

/** Energy of events, and power at rest. Every figure has its source in `sources`. */
export interface EnergyTable {
  /** All sources in short. */
  readonly source: string;
  /** Where each figure comes from: `product`, `vectorElement`, `static`, and the spaces of `bytePicojoules`. */
  readonly sources: Readonly<Record<string, string>>;
  readonly macPicojoules: number;
  readonly vectorElementPicojoules: number;
  /** Per byte and space. */
  readonly bytePicojoules: Readonly<Record<string, number>>;
  readonly staticWatts: number;
}

export interface ResourceBudget {
  readonly dsp: number;
  readonly bram: number;
  readonly uram: number;
  readonly lut: number;
}

/**
 * Parameters that stand outside of the machine's own arithmetic. `timeDivisor` divides the cycles of compute
 * instructions (1 = off); only a card that reproduces a published script uses another value.
 */
export interface CalibrationDecl {
  readonly timeDivisor: number;
  /** The configuration is a published one: what does not fit by our resource model is a note, not an error. */
  readonly published: boolean;
  /** Names of the fields of this device that were fitted to a published figure, with the row they were fitted on. */
  readonly fitted: readonly { readonly field: string; readonly on: string }[];
}

export interface Device {
  readonly kind: 'device';
  readonly name: string;
  readonly title: string;
  /** Where the figures come from. */
  readonly source: string;
  readonly clockHz: number;
  /** Cores that programs address, each with all that is described here; SLRs lumped into one are `lumpedSlrs`. */
  readonly cores: number;
  readonly lumpedSlrs: number;
  readonly matrix: MatrixEngine;
  readonly vector: VectorEngine;
  readonly buffers: readonly BufferDecl[];
  readonly memories: readonly MemoryDecl[];
  readonly exchange: ExchangeDecl;
  readonly dispatcher: DispatcherDecl;
  readonly tokens: TokenDecl;
  /** Numerics records the card computes, each as its {@link numericsKey}. */
  readonly numerics: readonly string[];
  readonly energy: EnergyTable;
  readonly resources: ResourceBudget;
  readonly calibration: CalibrationDecl;
}

/** Every point of a numerics record but the name of its scheme, in the order of the key. */
const NUMERICS_POINTS = [
  'linear',
  'activationScale',
  'rounding',
  'kvCache',
  'scores',
  'probabilities',
  'softmax',
  'specialFunctions',
  'floatReduction',
  'splitK',
] as const satisfies readonly (keyof Numerics)[];

/** What a device lists for a numerics record that it supports: all of its points, so that none can differ unseen. */
export function numericsKey(numerics: Numerics): string {
  return NUMERICS_POINTS.map((point) => numerics[point]).join(', ');
}

export function findBuffer(device: Device, space: string): BufferDecl | undefined {
  return device.buffers.find((buffer) => buffer.space === space);
}

export function findMemory(device: Device, space: string): MemoryDecl | undefined {
  return device.memories.find((memory) => memory.space === space);
}

/** Peak bytes per second over all channels. */
export function peakBytesPerSecond(memory: MemoryDecl): number {
  return memory.channels * memory.bytesPerSecondPerChannel;
}

/**
 * What one channel of a memory is: its part on the clock that gives the channel its bandwidth. Boards run parts slower
 * than their bin; durations in ns stay and round up to clocks.
 */
export function memoryDram(memory: MemoryDecl): DramStandard {
  return dramAtRate(memory.dram, memory.bytesPerSecondPerChannel / memory.dram.pseudoChannels);
}
