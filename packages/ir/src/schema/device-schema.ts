/**
 * Schema of the device description. Its limits stand alone: they hold whether or not a card must fit the resource
 * model, and keep what a hand-written file can ask of compiler and simulator finite. They are far above any board.
 */
import * as z from 'zod';
import { CHAIN_OF_16, CHAIN_TILE, RESCALE_EACH_OUTPUT } from '../device/chain.js';
import { FLOAT_BUILDS } from '../device/device.js';
import { DRAM_ADDRESS_PARTS, dramBits, dramBurstBytes } from '../device/dram.js';
import { DRAM_STANDARDS } from '../device/dram-standards.js';
import { count, list, name, positive, record, text } from './pieces.js';

/** Numbers of a range that physics leaves: nothing built is beyond it, and no sum of cycles leaves the safe integers. */
const between = (least: number, most: number): z.ZodNumber => z.number().min(least).max(most);
/** Costs in cycles, and timing in clocks. */
const cycles = count.max(1e6);
const someCycles = positive.max(1e6);
/** Rows, outputs and inner length of a mode; lanes. */
const width = positive.max(4096);
const bytesPerCycle = between(0.01, 2 ** 20);
const efficiency = between(0.001, 1);
const picojoules = between(0, 1e9);

const matrixModeForm = z.object({ m: width, n: width, k: width, startupCycles: cycles });

const dramClocksForm = z.object({
  nBL: someCycles,
  nCL: cycles,
  nCWL: cycles,
  nRCDRD: cycles,
  nRCDWR: cycles,
  nRP: cycles,
  nRAS: cycles,
  nRC: cycles,
  nWR: cycles,
  nRTP: cycles,
  nCCDS: cycles,
  nCCDL: cycles,
  nRRDS: cycles,
  nRRDL: cycles,
  nWTRS: cycles,
  nWTRL: cycles,
  nFAW: cycles,
  nRFC: cycles,
  nREFI: someCycles,
});

/** Widest address of a channel, and most banks: addresses stay safe integers, and a run holds state of every bank. */
const ADDRESS_BITS = 52;
const MOST_BANKS = 4096;

export const dramForm = z
  .object({
    name,
    source: text,
    clockNs: between(0.01, 1e4),
    busBits: positive.multipleOf(8).max(65536),
    burstLength: positive.max(1024),
    pseudoChannels: positive.max(64),
    addressBits: z
      .array(z.object({ part: z.enum(DRAM_ADDRESS_PARTS), bits: count.max(ADDRESS_BITS) }))
      .max(32),
    clocks: dramClocksForm,
    refresh: z.enum(['all-banks', 'none']),
    refreshWaits: z.boolean(),
    commandBuses: z.enum(['shared', 'row-and-column']),
    activateClocks: someCycles,
  })
  .superRefine((dram, context) => {
    const complain = (message: string): void => context.addIssue({ code: 'custom', message, input: dram });
    const { clocks } = dram;
    const bits = dram.addressBits.reduce((sum, field) => sum + field.bits, 0);
    const banks = 2 ** (dramBits(dram, 'bank') + dramBits(dram, 'bankGroup')) * dram.pseudoChannels;
    if (dram.addressBits[0]?.part !== 'byte' || 2 ** dramBits(dram, 'byte') !== dramBurstBytes(dram))
      complain(
        `the lowest address bits are those of the bytes of a burst, ${dramBurstBytes(dram)} bytes here`,
      );
    if (2 ** dramBits(dram, 'pseudoChannel') !== dram.pseudoChannels)
      complain(`the bits of the pseudo-channel choose one of ${dram.pseudoChannels}`);
    if (bits > ADDRESS_BITS) complain(`an address has at most ${ADDRESS_BITS} bits, this one ${bits}`);
    if (banks > MOST_BANKS) complain(`a channel has at most ${MOST_BANKS} banks, this one ${banks}`);
    const closing = Math.max(clocks.nRC, clocks.nRAS) + clocks.nRTP + clocks.nRP + clocks.nWR + clocks.nCWL;
    if (clocks.nREFI <= clocks.nRFC + closing + clocks.nRCDRD + clocks.nBL)
      complain('nREFI leaves no time between refreshes');
  });

const memoryForm = z
  .object({
    space: z.enum(['hbm', 'ddr']),
    kind: name,
    // 255 is the code of an address that is spread over all channels.
    channels: positive.max(255),
    bytesPerChannel: positive,
    bytesPerSecondPerChannel: between(1e6, 1e13),
    interleaveBytes: positive.max(2 ** 30),
    dram: dramForm,
    controllerNs: between(0, 1e6),
    efficiency,
    scatteredEfficiency: efficiency.optional(),
  })
  .superRefine(({ bytesPerChannel, interleaveBytes, dram }, context) => {
    const complain = (field: string, message: string): void =>
      context.addIssue({ code: 'custom', path: [field], message, input: bytesPerChannel });
    const reach = 2 ** dram.addressBits.reduce((sum, { bits }) => sum + bits, 0);
    const burst = dramBurstBytes(dram);
    if (bytesPerChannel > reach)
      complain(
        'bytesPerChannel',
        `expected at most the ${reach} bytes that dram.addressBits reach, got ${bytesPerChannel}`,
      );
    if (interleaveBytes % burst !== 0)
      complain(
        'interleaveBytes',
        `expected whole bursts of ${burst} bytes (dram.busBits / 8 * dram.burstLength), got ${interleaveBytes}`,
      );
  });

const memoryForm01 = z.looseObject({
  kind: name,
  dram: z.unknown().optional(),
  timing: z.object({ controllerNs: z.number() }),
});

/**
 * Devices of release 0.1 gave seven figures of timing in place of the part; the part is then the standard of that kind,
 * whose own figures count.
 */
function withPart(memory: unknown): unknown {
  const { success, data } = memoryForm01.safeParse(memory);
  if (!success || data.dram !== undefined) return memory;
  const dram = DRAM_STANDARDS.find((one) => one.name === data.kind);
  const { timing, ...rest } = data;
  return dram === undefined ? memory : { ...rest, dram, controllerNs: timing.controllerNs };
}

const bytePicojoulesForm01 = z.looseObject({
  buffers: z.array(z.looseObject({ space: z.string() })),
  memories: z
    .array(z.looseObject({ space: z.string(), timing: z.unknown(), dram: z.undefined().optional() }))
    .min(1),
  energy: z.looseObject({ bytePicojoules: z.record(z.string(), z.unknown()) }),
});

/** Devices of release 0.1 left out spaces whose bytes cost nothing. */
function withEnergy(device: unknown): unknown {
  const { success, data } = bytePicojoulesForm01.safeParse(device);
  if (!success || typeof device !== 'object') return device;
  const spaces = [...data.buffers, ...data.memories].map(({ space }) => [space, 0]);
  const bytePicojoules = { ...Object.fromEntries(spaces), ...data.energy.bytePicojoules };
  return { ...device, energy: { ...data.energy, bytePicojoules } };
}

/** Whole parts of a tile, and no more than a tile of 16: the resource model counts the columns of a window. */
const window = positive
  .max(CHAIN_TILE)
  .refine((value) => CHAIN_TILE % value === 0, 'expected one of 1, 2, 4, 8, 16');

/** Chains as FlightLLM's: what older files do not say. */
const chainForm = z
  .object({
    dsps: positive.max(1024),
    groupDsps: positive.max(1024),
    window,
    // More products of -127..127 overflow a field of 18 bits.
    overflowAdjust: z.object({ skipUpTo: positive.max(8) }),
  })
  .default(CHAIN_OF_16);

const rescaleForm = z
  .object({ units: count.max(65536), build: z.enum(FLOAT_BUILDS) })
  .default(RESCALE_EACH_OUTPUT);

/** Costs are whole cycles: what the dispatcher takes adds up to cycles of a report, which are integers. */
const dispatcherForm = z.object({
  queueDepth: positive.max(4096),
  cyclesPerInstruction: cycles,
  cyclesPerOperation: cycles,
  cyclesPerIteration: cycles,
  loopDepth: count.max(16),
  loopBufferInstructions: count.max(65536),
  barrierCycles: cycles.default(0),
  groupBarriers: z.boolean().default(false),
});

const bufferForm = z.object({
  space: z.enum(['weights', 'stream', 'data', 'accumulator', 'index']),
  bytes: positive.max(2 ** 30),
  ports: positive.max(64),
  bytesPerCyclePerPort: bytesPerCycle,
  storage: z.enum(['bram', 'uram']).optional(),
});

/** One buffer and one memory of a space at most, for instructions name spaces; and a cost for the bytes of each. */
function checkSpaces(device: z.output<typeof deviceObject>, context: z.RefinementCtx): void {
  const { bytePicojoules } = device.energy;
  for (const field of ['buffers', 'memories'] as const) {
    const spaces = device[field].map(({ space }) => space);
    spaces.forEach((space, i) => {
      const complain = (path: (string | number)[], message: string): void =>
        context.addIssue({ code: 'custom', path, message, input: space });
      if (spaces.indexOf(space) < i)
        complain([field, i, 'space'], `expected one of each space, got '${space}' a second time`);
      else if (!Object.hasOwn(bytePicojoules, space))
        complain(
          ['energy', 'bytePicojoules', space],
          `expected picojoules per byte of ${field}.${i}, got none`,
        );
    });
  }
}

const deviceObject = z.object({
  kind: z.literal('device'),
  name,
  title: text,
  source: text,
  clockHz: between(1e6, 1e10),
  cores: positive.max(64),
  lumpedSlrs: positive.max(64),
  matrix: z.object({
    mm: matrixModeForm,
    mv: matrixModeForm,
    dsp: z.object({
      kind: z.enum(['DSP48E2', 'DSP58']),
      count: positive.max(2 ** 20),
      productsPerDsp: between(0.125, 16),
    }),
    weightBits: z.array(positive.max(32)).max(32),
    keeps: z.array(positive.max(16)).max(16).default([]),
    activationRows: count.max(65536).default(0),
    chain: chainForm,
    rescale: rescaleForm,
  }),
  vector: z.object({
    lanes: width,
    exponentLanes: count.max(4096).default(0),
    startupCycles: cycles,
    format: z.enum(['f32', 'f16']).default('f32'),
    build: z.enum(FLOAT_BUILDS).default('mixed'),
  }),
  buffers: z.array(bufferForm).min(1).max(16),
  memories: z.array(z.preprocess(withPart, memoryForm)).min(1).max(16),
  exchange: z
    .object({ bytesPerCycle, latencyCycles: cycles })
    .default({ bytesPerCycle: 64, latencyCycles: 16 }),
  dispatcher: dispatcherForm,
  tokens: z.object({
    counterBits: positive.max(32),
    initialCredits: record(count.max(2 ** 32 - 1)),
    overflow: z.literal('error'),
  }),
  numerics: list(name),
  energy: z.object({
    source: text,
    sources: record(text).default({}),
    macPicojoules: picojoules,
    vectorElementPicojoules: picojoules,
    bytePicojoules: record(picojoules),
    staticWatts: between(0, 1e6),
  }),
  resources: z.object({ dsp: count, bram: count, uram: count, lut: count }),
  calibration: z.object({
    timeDivisor: between(1, 1000),
    published: z.boolean().default(false),
    fitted: list(z.object({ field: name, on: text })),
  }),
});

export const deviceForm = z.preprocess(withEnergy, deviceObject.superRefine(checkSpaces));
