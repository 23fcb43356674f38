/**
 * Schema of the device description.
 */
import * as z from 'zod';
import { amount, count, list, name, positive, positiveAmount, record, text } from './pieces.js';

const matrixModeForm = z.object({ m: positive, n: positive, k: positive, startupCycles: count });

const dramTimingForm = z.object({
  burstBytes: positive,
  rowBytes: positive,
  rowToColumnNs: amount,
  columnLatencyNs: amount,
  prechargeNs: amount,
  refreshIntervalNs: positiveAmount,
  refreshNs: amount,
  controllerNs: amount,
});

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
  }),
  vector: z.object({ lanes: positive, startupCycles: count }),
  buffers: list(
    z.object({
      space: z.enum(['weights', 'stream', 'data', 'accumulator', 'index']),
      bytes: positive,
      ports: positive,
      bytesPerCyclePerPort: positiveAmount,
    }),
  ),
  memories: list(
    z.object({
      space: z.enum(['hbm', 'ddr']),
      kind: name,
      // 255 is the code of an address that is spread over all channels.
      channels: positive.max(255),
      bytesPerChannel: positive,
      bytesPerSecondPerChannel: positiveAmount,
      interleaveBytes: positive,
      timing: dramTimingForm,
      efficiency: positiveAmount.max(1),
    }),
  ),
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
    macPicojoules: amount,
    vectorElementPicojoules: amount,
    bytePicojoules: record(amount),
    staticWatts: amount,
  }),
  resources: z.object({ dsp: count, bram: count, uram: count, lut: count }),
  calibration: z.object({
    timeDivisor: positiveAmount,
    fitted: list(z.object({ field: name, on: text })),
  }),
});
