/**
 * Schema of the device description.
 */
import * as z from 'zod';
import { CHAIN_OF_16, RESCALE_EACH_OUTPUT } from '../device/chain.js';
import { FLOAT_BUILDS } from '../device/device.js';
import { DRAM_ADDRESS_PARTS, dramBits, dramBurstBytes } from '../device/dram.js';
import { DRAM_STANDARDS } from '../device/dram-standards.js';
import { amount, count, list, name, positive, positiveAmount, record, text } from './pieces.js';

const matrixModeForm = z.object({ m: positive, n: positive, k: positive, startupCycles: count });

const dramClocksForm = z.object({
  nBL: positive,
  nCL: count,
  nCWL: count,
  nRCDRD: count,
  nRCDWR: count,
  nRP: count,
  nRAS: count,
  nRC: count,
  nWR: count,
  nRTP: count,
  nCCDS: count,
  nCCDL: count,
  nRRDS: count,
  nRRDL: count,
  nWTRS: count,
  nWTRL: count,
  nFAW: count,
  nRFC: count,
  nREFI: positive,
});

/** Widest address of a channel, and most banks: addresses stay safe integers, and a run holds state of every bank. */
const ADDRESS_BITS = 52;
const MOST_BANKS = 4096;

export const dramForm = z
  .object({
    name,
    source: text,
    clockNs: positiveAmount,
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
    activateClocks: positive,
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

const memoryForm = z.object({
  space: z.enum(['hbm', 'ddr']),
  kind: name,
  // 255 is the code of an address that is spread over all channels.
  channels: positive.max(255),
  bytesPerChannel: positive,
  bytesPerSecondPerChannel: positiveAmount,
  interleaveBytes: positive,
  dram: dramForm,
  controllerNs: amount,
  efficiency: positiveAmount.max(1),
  scatteredEfficiency: positiveAmount.max(1).optional(),
});

const memoryForm01 = z.looseObject({
  kind: name,
  dram: z.unknown().optional(),
  timing: z.object({ controllerNs: amount }),
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

/** Chains as FlightLLM's: what older files do not say. */
const chainForm = z
  .object({
    dsps: positive,
    groupDsps: positive,
    window: positive,
    // More products of -127..127 overflow a field of 18 bits.
    overflowAdjust: z.object({ skipUpTo: positive.max(8) }),
  })
  .default(CHAIN_OF_16);

const rescaleForm = z.object({ units: count, build: z.enum(FLOAT_BUILDS) }).default(RESCALE_EACH_OUTPUT);

/** Costs are whole cycles: what the dispatcher takes adds up to cycles of a report, which are integers. */
const dispatcherForm = z.object({
  queueDepth: positive,
  cyclesPerInstruction: count,
  cyclesPerOperation: count,
  cyclesPerIteration: count,
  loopDepth: count,
  loopBufferInstructions: count,
  barrierCycles: count.default(0),
  groupBarriers: z.boolean().default(false),
});

export const deviceForm = z.object({
  kind: z.literal('device'),
  name,
  title: text,
  source: text,
  clockHz: positiveAmount,
  cores: positive,
  lumpedSlrs: positive,
  matrix: z.object({
    mm: matrixModeForm,
    mv: matrixModeForm,
    dsp: z.object({ kind: z.enum(['DSP48E2', 'DSP58']), count: positive, productsPerDsp: positiveAmount }),
    weightBits: z.array(positive.max(32)).max(32),
    keeps: z.array(positive.max(16)).max(16).default([]),
    activationRows: count.default(0),
    chain: chainForm,
    rescale: rescaleForm,
  }),
  vector: z.object({
    lanes: positive,
    exponentLanes: count.default(0),
    startupCycles: count,
    format: z.enum(['f32', 'f16']).default('f32'),
    build: z.enum(FLOAT_BUILDS).default('mixed'),
  }),
  buffers: list(
    z.object({
      space: z.enum(['weights', 'stream', 'data', 'accumulator', 'index']),
      bytes: positive,
      ports: positive,
      bytesPerCyclePerPort: positiveAmount,
      storage: z.enum(['bram', 'uram']).optional(),
    }),
  ),
  memories: list(z.preprocess(withPart, memoryForm)),
  exchange: z
    .object({ bytesPerCycle: positiveAmount, latencyCycles: count })
    .default({ bytesPerCycle: 64, latencyCycles: 16 }),
  dispatcher: dispatcherForm,
  tokens: z.object({
    counterBits: positive.max(32),
    initialCredits: record(count),
    overflow: z.literal('error'),
  }),
  numerics: list(name),
  energy: z.object({
    source: text,
    sources: record(text).default({}),
    macPicojoules: amount,
    vectorElementPicojoules: amount,
    bytePicojoules: record(amount),
    staticWatts: amount,
  }),
  resources: z.object({ dsp: count, bram: count, uram: count, lut: count }),
  calibration: z.object({
    timeDivisor: positiveAmount,
    published: z.boolean().default(false),
    fitted: list(z.object({ field: name, on: text })),
  }),
});
