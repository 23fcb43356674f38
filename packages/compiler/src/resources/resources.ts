/**
 * The resource model: DSPs, BRAM36, URAM and LUTs of a whole card as a pure function of its description, each with a
 * breakdown by part. It is an estimate before synthesis, meant to be complete rather than flattering; figures without
 * a source here are ours. What it gives for the published FlightLLM configuration stands beside the published row in
 * `test/resources.test.ts` and in docs/resources.md. It fits nothing and knows no card by name.
 */
import {
  BitloomError,
  CHAIN_TILE,
  chainSplit,
  type Device,
  dspPacking,
  engineDsps,
  INSTRUCTION_SET,
  type MatrixEngine,
  type MatrixMode,
  type ResourceBudget,
} from '@bitloom/ir';
import {
  EXPONENT_UNITS,
  FLOAT_UNITS,
  type FloatUnitCounts,
  floatUnit,
  LANE_UNITS,
  RESCALE_UNITS,
  ROW_UNITS,
  type UnitCost,
} from './float-units.js';
import { memoryBlocks, queueBlocks } from './memory-blocks.js';

export const RESOURCE_KINDS = ['dsp', 'bram', 'uram', 'lut'] as const;
export type ResourceKind = (typeof RESOURCE_KINDS)[number];

/** A part of the card, of all cores together. */
export interface ResourcePart {
  readonly name: string;
  readonly dsp: number;
  readonly bram: number;
  readonly uram: number;
  readonly lut: number;
}

export interface ResourceEstimate {
  readonly parts: readonly ResourcePart[];
  /** Sums of the parts. */
  readonly total: ResourceBudget;
}

const part = (name: string, cost: Partial<ResourceBudget>): ResourcePart => ({
  name,
  dsp: cost.dsp ?? 0,
  bram: cost.bram ?? 0,
  uram: cost.uram ?? 0,
  lut: cost.lut ?? 0,
});

/** LUTs of a multiplexer of one bit: four inputs fit a LUT6, eight take two and a MUXF7, sixteen four and a MUXF8. */
function multiplexerLuts(inputs: number): number {
  if (inputs <= 1) return 0;
  if (inputs === 2) return 0.5;
  return Math.ceil(inputs / 4);
}

/**
 * LUTs of the multiplexers in front of a DSP, over the DSPs of a cascade. Kept values lie in the order of their columns,
 * so value j of N is one of columns j..j+16-N (within its window), and DSP p holds column p of a dense tile: what a
 * multiplexer must reach follows from the numbers of kept values that the engine knows.
 */
function multiplexerLutsPerDsp({ dsp, keeps, chain }: MatrixEngine): number {
  const { rows, inner } = dspPacking(dsp);
  let luts = 0;
  for (let slot = 0; slot < CHAIN_TILE; slot++) {
    const reached = new Set([slot]);
    for (const keep of keeps) {
      // A window smaller than a tile keeps its share of the values: 8 of 16 in windows of 4 is 2:4.
      const inWindow = Math.max(1, Math.floor((keep * chain.window) / CHAIN_TILE));
      const value = slot % keep;
      const from = Math.floor(value / inWindow) * chain.window + (value % inWindow);
      for (let column = from; column <= from + chain.window - inWindow; column++) reached.add(column);
    }
    luts += 8 * rows * multiplexerLuts(reached.size);
  }
  return (luts / CHAIN_TILE) * inner;
}

/** Most rows that a chain works on at a time, over modes and numbers of kept values. */
function mostOutputs(matrix: MatrixEngine, mode: MatrixMode): number {
  return Math.max(1, ...matrix.keeps.map((keep) => chainSplit(matrix, mode, keep).outputs));
}

/** Bits of an accumulator of integer sums: int32, as the instruction set says. */
const SUM_BITS = 32;
/** A field of partial sums. */
const FIELD_BITS = 18;
/** LUTs of the control of a chain: enables, mode, counters. */
const CHAIN_CONTROL_LUTS = 24;

function matrixParts({ matrix }: Device): ResourcePart[] {
  const { chain, dsp } = matrix;
  const packing = dspPacking(dsp);
  const dsps = engineDsps(matrix);
  const chains = Math.ceil(dsps / chain.dsps);
  const groups = Math.ceil(dsps / chain.groupDsps);
  const isSparse = matrix.keeps.some((keep) => keep < CHAIN_TILE);
  const outputs = Math.max(mostOutputs(matrix, matrix.mm), mostOutputs(matrix, matrix.mv));
  const units = Math.ceil(dsps / (packing.inner === 1 ? chain.overflowAdjust.skipUpTo : chain.dsps));
  // Sums of all rows that a chain works on are kept beside its adder, a LUT of distributed memory per two bits.
  const stored = outputs === 1 ? 0 : Math.ceil((packing.rows * SUM_BITS) / 2);
  const shared = Math.max(1, Math.ceil(groups / units));
  const rescales = rescaleUnits(matrix);
  const cost = RESCALE_UNITS[matrix.rescale.build];
  return [
    part('matrix: DSPs of the chains', { dsp: dsps }),
    part('matrix: N:M multiplexers', { lut: Math.ceil(dsps * multiplexerLutsPerDsp(matrix)) }),
    part('matrix: reduction nodes', {
      lut: isSparse ? units * packing.rows * FIELD_BITS * multiplexerLuts(shared) : 0,
    }),
    part('matrix: adjust units and accumulators', { lut: units * (packing.rows * SUM_BITS + stored) }),
    part('matrix: control of chains', { lut: chains * CHAIN_CONTROL_LUTS }),
    part('matrix: rescale units', { dsp: rescales * cost.dsp, lut: rescales * cost.lut }),
  ];
}

/** Rescale units that are built: those declared, or one for each output of the larger mode. */
function rescaleUnits({ rescale, mm, mv }: MatrixEngine): number {
  return rescale.units === 0 ? Math.max(mm.m * mm.n, mv.m * mv.n) : rescale.units;
}

/** Bits of a code as the chains take it. */
const CODE_BITS = 8;

/**
 * Expands as many codes per cycle as a mode takes, for weights lie packed in their buffer. A lane has one wire per
 * container for each bit of its code, because a container puts a column of a row in one place: what a word holds for
 * the next cycle is a word of its own to the buffer's other port width. A bit is chosen among the containers that have
 * it and the sign of those that end below it; above the widest but one there is one sign, which the bit below has
 * chosen. The offset of an unsigned container is its top bit inverted, which costs nothing more.
 */
function expanderPart({ matrix }: Device): ResourcePart {
  const codes = Math.max(matrix.mm.n * matrix.mm.k, matrix.mv.n * matrix.mv.k);
  const widths = [...matrix.weightBits].sort((a, b) => a - b);
  const [second = 0] = widths.slice(-2);
  let luts = 0;
  for (let bit = 0; bit < CODE_BITS; bit += 1)
    luts += multiplexerLuts(bit < second ? widths.length : Math.min(2, widths.length));
  return part('weight expander', { lut: codes * luts });
}

/** LUTs of a lane beside its float units, per bit of a value: choice of three operands among four sources, control. */
const LANE_LUTS_PER_BIT = 4.5;
/** LUTs and BRAM of the unit beside its lanes: addresses of five operands, state of two-phase operations. */
const UNIT_LUTS = 6000;
const UNIT_BRAM = 4;

function vectorPart({ vector, matrix }: Device): ResourcePart {
  const { lanes, format, build } = vector;
  const exponentLanes = vector.exponentLanes === 0 ? lanes : vector.exponentLanes;
  const sum = (units: FloatUnitCounts): UnitCost =>
    FLOAT_UNITS.reduce<UnitCost>(
      (total, unit) => {
        const { [unit]: count = 0 } = units;
        const cost = floatUnit(unit, format, build, matrix.dsp.kind);
        return { dsp: total.dsp + count * cost.dsp, lut: total.lut + count * cost.lut };
      },
      { dsp: 0, lut: 0 },
    );
  const [lane, exponent, row] = [sum(LANE_UNITS), sum(EXPONENT_UNITS[format]), sum(ROW_UNITS)];
  return part('special-function unit', {
    dsp: lanes * lane.dsp + exponentLanes * exponent.dsp + row.dsp,
    lut:
      lanes * (lane.lut + LANE_LUTS_PER_BIT * (format === 'f32' ? 32 : 16)) +
      exponentLanes * exponent.lut +
      row.lut +
      UNIT_LUTS,
    bram: UNIT_BRAM,
  });
}

/** Each buffer; one with more than two ports is shared by units, whose words go through a multiplexer per port. */
function bufferParts({ buffers }: Device): ResourcePart[] {
  return buffers.map((buffer) => {
    const { kind, blocks } = memoryBlocks(buffer);
    const width = 8 * buffer.bytesPerCyclePerPort;
    const lut = buffer.ports > 2 ? buffer.ports * width * multiplexerLuts(buffer.ports) : 0;
    return part(`buffer: ${buffer.space}`, { [kind]: blocks, lut });
  });
}

/** LUTs of queues of instructions: distributed memory of 14 bits per 8 LUTs (RAM32M16). */
const QUEUE_LUTS_PER_BIT = 8 / 14;
/** The dispatcher's decoder, loop counters and token counters, and its arithmetic on fields of 44 bits. */
const DISPATCHER_LUTS = 9000;
const OPERATION_DSPS = 6;

function dispatcherPart({ dispatcher, tokens }: Device): ResourcePart {
  const queues = new Set([...INSTRUCTION_SET.values()].flatMap((spec) => spec.queues)).size;
  const widest = Math.max(
    ...[...INSTRUCTION_SET.values()].map((spec) => spec.fields.reduce((bits, field) => bits + field.bits, 0)),
  );
  const queueLuts = queues * widest * Math.ceil(dispatcher.queueDepth / 32) * QUEUE_LUTS_PER_BIT;
  const held = dispatcher.loopBufferInstructions * Math.ceil(widest / 8);
  return part('dispatcher', {
    dsp: OPERATION_DSPS,
    lut: Math.ceil(DISPATCHER_LUTS + queueLuts + queues * queues * tokens.counterBits),
    bram: Math.ceil(held / 4096) + queueBlocks(32),
  });
}

/** Load and store units of a core: three levels of strides, gathers, one request per cycle. */
const TRANSFER_LUTS = 8000;
const TRANSFER_DSPS = 4;

/** A registered link of so many bytes per cycle in each direction, and its queue. */
function exchangePart({ exchange, cores }: Device): ResourcePart {
  if (cores === 1) return part('exchange', {});
  const width = exchange.bytesPerCycle;
  return part('exchange', { lut: 1000 + 8 * width, bram: 2 * queueBlocks(width) });
}

/**
 * An AXI master per channel, as wide as the channel's bytes per cycle: requests, alignment of the words, a queue of a
 * block's depth for data in, one of 32 words in distributed memory for data out.
 */
const CHANNEL_LUTS = 1000;
/** A soft DDR4 controller of 72 bits (AMD PG150 lists about this); the controller of HBM is hard. */
const DDR_CONTROLLER = { dsp: 3, lut: 18000, bram: 26 };

function memoryParts({ memories, clockHz }: Device): ResourcePart[] {
  return memories.map(({ space, channels, bytesPerSecondPerChannel }) => {
    const width = Math.max(32, 2 ** Math.ceil(Math.log2(bytesPerSecondPerChannel / clockHz)));
    const soft = space === 'ddr' ? DDR_CONTROLLER : { dsp: 0, lut: 0, bram: 0 };
    const lut = CHANNEL_LUTS + 8 * width + 8 * width * QUEUE_LUTS_PER_BIT;
    return part(`memory: ${channels} channels of ${space}`, {
      dsp: channels * soft.dsp,
      lut: channels * Math.ceil(soft.lut + lut),
      bram: channels * (soft.bram + queueBlocks(width)),
    });
  });
}

/** Host interface, clocks and reset of the board (PCIe, DMA): a reserve of ours, about a static shell's own use. */
const PLATFORM: Partial<ResourceBudget> = { dsp: 4, lut: 100000, bram: 160 };

/**
 * Estimates what a card takes of its FPGA, all cores and the shared parts.
 *
 * @throws BitloomError `resources-engine` when the DSPs named cannot make the products that the engine counts on.
 */
export function estimateResources(device: Device): ResourceEstimate {
  checkEngine(device);
  const perCore = [
    ...matrixParts(device),
    expanderPart(device),
    vectorPart(device),
    ...bufferParts(device),
    part('load and store', { dsp: TRANSFER_DSPS, lut: TRANSFER_LUTS }),
    dispatcherPart(device),
    exchangePart(device),
  ];
  const whole = [...memoryParts(device), part('host interface', PLATFORM)];
  const parts = [...perCore.map((one) => times(one, device.cores)), ...whole].filter((one) =>
    RESOURCE_KINDS.some((kind) => one[kind] > 0),
  );
  const sum = (kind: ResourceKind): number => parts.reduce((total, one) => total + one[kind], 0);
  return { parts, total: { dsp: sum('dsp'), bram: sum('bram'), uram: sum('uram'), lut: sum('lut') } };
}

function times(one: ResourcePart, count: number): ResourcePart {
  const { name, dsp, bram, uram, lut } = one;
  return { name, dsp: count * dsp, bram: count * bram, uram: count * uram, lut: count * Math.ceil(lut) };
}

/** Products that a DSP makes at most: two with a shared weight, three of a DSP58's INT8 dot product. */
const MOST_PRODUCTS = { DSP48E2: 2, DSP58: 3 } as const;

function checkEngine(device: Device): void {
  const { dsp } = device.matrix;
  const most = MOST_PRODUCTS[dsp.kind];
  if (dsp.productsPerDsp <= most && Number.isInteger(dsp.productsPerDsp)) return;
  throw new BitloomError({
    code: 'resources-engine',
    message: `a ${dsp.kind} cannot make so many INT8 products per cycle`,
    where: `device '${device.name}', matrix.dsp.productsPerDsp`,
    expected: `an integer of at most ${most}`,
    got: String(dsp.productsPerDsp),
  });
}

/** Kinds of which more is needed than there is, with both numbers. */
export interface ResourceExcess {
  readonly kind: ResourceKind;
  readonly needed: number;
  readonly available: number;
}

/**
 * What does not fit.
 *
 * @param limit share of each resource that may be used
 */
export function resourceExcess(device: Device, limit = 1): readonly ResourceExcess[] {
  const { total } = estimateResources(device);
  return RESOURCE_KINDS.flatMap((kind) => {
    const available = Math.floor(limit * device.resources[kind]);
    return total[kind] > available ? [{ kind, needed: total[kind], available }] : [];
  });
}

const sentence = (excess: readonly ResourceExcess[]): string =>
  excess.map(({ kind, needed, available }) => `${needed} ${kind.toUpperCase()} of ${available}`).join(', ');

/**
 * Refuses a card that does not fit its own budget. A published configuration is not refused: {@link resourceNotes}
 * says what does not fit.
 *
 * @throws BitloomError `resources-exceeded`, `resources-engine`
 */
export function checkResources(device: Device, { limit = 1 }: { readonly limit?: number } = {}): void {
  const excess = resourceExcess(device, limit);
  if (excess.length === 0 || device.calibration.published) return;
  throw new BitloomError({
    code: 'resources-exceeded',
    message: `the card does not fit its FPGA by our resource model: ${sentence(excess)}`,
    where: `device '${device.name}'`,
    expected: excess.map(({ kind, available }) => `${kind} at most ${available}`).join(', '),
    got: excess.map(({ kind, needed }) => `${kind} ${needed}`).join(', '),
    hint: '`bitloom devices <file>` shows what each part takes',
  });
}

/** What a report must say of a card: that a published configuration exceeds its budget by our model. */
export function resourceNotes(device: Device): readonly string[] {
  const excess = resourceExcess(device);
  if (excess.length === 0) return [];
  return [`'${device.name}' exceeds its own budget by our resource model: ${sentence(excess)}`];
}
