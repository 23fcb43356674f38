/**
 * Small hand-made devices and programs for tests of the verifier. Everything is passed in or derived; nothing is
 * shared between tests.
 */
import {
  type Address,
  CHAIN_OF_16,
  type Device,
  type Expression,
  type FieldValue,
  type Frame,
  HBM2,
  INSTRUCTION_SET_VERSION,
  type Instruction,
  integerNumerics,
  numericsKey,
  type Port,
  type Program,
  type ProgramEntry,
  type QueueName,
  RESCALE_EACH_OUTPUT,
  type Region,
  type SpaceName,
  STRIPED,
  type SymbolDecl,
} from '../../src/index.js';

/** A card with 8 KiB of data buffer, 4 KiB of weight buffer, 4 channels of 64 KiB HBM, and 3-bit token counters. */
export function tinyDevice(changes: Partial<Device> = {}): Device {
  return {
    kind: 'device',
    name: 'tiny',
    title: 'a card for tests',
    source: 'made up',
    clockHz: 1e6,
    cores: 2,
    lumpedSlrs: 1,
    matrix: {
      mm: { m: 2, n: 4, k: 4, startupCycles: 3 },
      mv: { m: 1, n: 4, k: 4, startupCycles: 3 },
      dsp: { kind: 'DSP58', count: 16, productsPerDsp: 3 },
      weightBits: [4, 8],
      keeps: [2, 4, 8],
      activationRows: 0,
      chain: CHAIN_OF_16,
      rescale: RESCALE_EACH_OUTPUT,
    },
    vector: { lanes: 4, exponentLanes: 0, startupCycles: 2, format: 'f32', build: 'mixed' },
    buffers: [
      { space: 'weights', bytes: 4096, ports: 1, bytesPerCyclePerPort: 16 },
      { space: 'data', bytes: 8192, ports: 2, bytesPerCyclePerPort: 16 },
    ],
    memories: [
      {
        space: 'hbm',
        kind: 'HBM2',
        channels: 4,
        bytesPerChannel: 65_536,
        bytesPerSecondPerChannel: 1e9,
        interleaveBytes: 256,
        dram: HBM2,
        controllerNs: 60,
        efficiency: 1,
      },
    ],
    exchange: { bytesPerCycle: 64, latencyCycles: 16 },
    dispatcher: {
      queueDepth: 64,
      cyclesPerInstruction: 1,
      cyclesPerOperation: 1,
      cyclesPerIteration: 1,
      loopDepth: 2,
      loopBufferInstructions: 64,
      barrierCycles: 0,
      groupBarriers: false,
    },
    tokens: { counterBits: 3, initialCredits: {}, overflow: 'error' },
    numerics: [numericsKey(integerNumerics('integer'))],
    energy: {
      source: 'made up',
      sources: {},
      macPicojoules: 1,
      vectorElementPicojoules: 1,
      bytePicojoules: { hbm: 1, weights: 1, data: 1 },
      staticWatts: 1,
    },
    resources: { dsp: 16, bram: 1, uram: 1, lut: 1 },
    calibration: { timeDivisor: 1, published: false, fitted: [] },
    ...changes,
  };
}

/** An absolute address in a buffer, or a striped one in a memory. */
export function at(space: SpaceName, offset: Expression, changes: Partial<Address> = {}): Address {
  const channel = space === 'hbm' || space === 'ddr' ? STRIPED : 0;
  return { space, channel, register: 0, page: false, offset, ...changes };
}

export interface Tokens {
  readonly wait?: readonly QueueName[];
  readonly release?: readonly QueueName[];
}

export function instruction(
  name: string,
  queue: QueueName,
  fields: Readonly<Record<string, FieldValue>> = {},
  tokens: Tokens = {},
): Instruction {
  return { name, queue, wait: tokens.wait ?? [], release: tokens.release ?? [], fields, origin: 0 };
}

/** Memory to buffer, `length` bytes in one run. */
export function load(src: Address, dst: Address, length: Expression, tokens: Tokens = {}): Instruction {
  return instruction('LD', 'load', { src, dst, length, count1: 1, count2: 1 }, tokens);
}

/** Buffer to memory, `length` bytes in one run. */
export function store(src: Address, dst: Address, length: Expression, tokens: Tokens = {}): Instruction {
  return instruction('ST', 'store', { src, dst, length, count1: 1, count2: 1 }, tokens);
}

/** Copies `rows` rows of `cols` float32 with the given row strides in bytes. */
export function copyRows(
  src: Address,
  dst: Address,
  shape: {
    readonly rows: Expression;
    readonly cols: Expression;
    readonly srcRow?: Expression;
    readonly dstRow?: Expression;
  },
  tokens: Tokens = {},
): Instruction {
  const { rows, cols, srcRow = 0, dstRow = 0 } = shape;
  const fields = { function: 0, batch: 1, rows, cols, src0: src, dst, src0Row: srcRow, dstRow };
  return instruction('VEC', 'vector', fields, tokens);
}

/** Copies `bytes` bytes (a multiple of 4) in one row. */
export function copy(src: Address, dst: Address, bytes: number, tokens: Tokens = {}): Instruction {
  return copyRows(src, dst, { rows: 1, cols: bytes / 4 }, tokens);
}

export function sync(queue: QueueName, tokens: Tokens, count = 1): Instruction {
  return instruction('SYNC', queue, { count }, tokens);
}

export function loop(variable: number, trips: Expression, body: readonly Instruction[]): Instruction[] {
  return [instruction('LOOP', 'system', { variable, trips }), ...body, instruction('END', 'system')];
}

export const halt = (): Instruction => instruction('HALT', 'system');

export function region(
  name: string,
  offset: number,
  bytes: number,
  contents: Region['contents'] = { from: 'zeros' },
  changes: Partial<Region> = {},
): Region {
  return { name, space: 'hbm', channel: STRIPED, offset, bytes, purpose: 'kv', contents, ...changes };
}

/** A 16 KiB input region at 0 and a 16 KiB output region behind it. */
export function tinyRegions(): Region[] {
  return [region('in', 0, 16_384), region('out', 16_384, 16_384)];
}

export interface ProgramParts {
  readonly symbols?: readonly SymbolDecl[];
  readonly frames?: readonly Frame[];
  readonly regions?: readonly Region[];
  readonly registers?: Program['registers'];
  readonly inputs?: readonly Port[];
  readonly capacity?: number;
  /** Instructions of further cores. */
  readonly others?: readonly (readonly Instruction[])[];
}

/** A program of one entry for {@link tinyDevice}. */
export function tinyProgram(instructions: readonly Instruction[], parts: ProgramParts = {}): Program {
  const entry: ProgramEntry = {
    name: 'main',
    inputs: parts.inputs ?? [],
    outputs: [],
    symbols: parts.symbols ?? [],
    streams: [instructions, ...(parts.others ?? [])].map((list, core) => ({ core, instructions: list })),
    frames: parts.frames ?? [],
  };
  return {
    kind: 'program',
    name: 'tiny program',
    instructionSet: INSTRUCTION_SET_VERSION,
    modelHash: '',
    shapeOnly: true,
    device: 'tiny',
    deviceHash: '',
    numerics: integerNumerics('W8A8'),
    slots: 1,
    capacity: parts.capacity ?? 64,
    registers: parts.registers ?? [],
    regions: parts.regions ?? tinyRegions(),
    entries: [entry],
    provenance: [{ node: 'n0', op: 'add', layer: 3, tile: 't1' }],
    notes: [],
  };
}

export function lengthSymbol(name: string, min: number, max: number): SymbolDecl {
  return { name, min, max, perSlot: true };
}
