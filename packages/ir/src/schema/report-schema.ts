/**
 * Schema of the report artefact.
 */
import * as z from 'zod';
import { amount, count, integer, label, list, name, positiveAmount, record, text } from './pieces.js';

export const unitForm = z.object({
  name,
  core: count,
  busy: count,
  idle: count,
  stall: z.object({ token: count, memory: count, bufferPort: count, dispatch: count, barrier: count }),
  total: count,
});

export const memoryForm = z.object({
  name,
  kind: name,
  bytes: z.object({
    weights: count,
    kv: count,
    activations: count,
    instructions: count,
    other: count,
    total: count,
  }),
  peakBytesPerSecond: amount,
  utilization: amount,
});

export const costRowForm = z.object({
  name: label,
  layer: integer.min(-1),
  cycles: record(count),
  macs: count,
  memoryBytes: count,
});

export const phaseForm = z.object({
  name: z.enum(['prefill', 'decode', 'total']),
  seconds: amount,
  cycles: count,
  tokens: count,
  joules: amount,
  energy: z.object({
    matrix: amount,
    vector: amount,
    buffers: amount,
    memories: amount,
    static: amount,
    spaces: record(amount).default({}),
  }),
  macs: count,
  instructions: count,
  units: list(unitForm),
  memories: list(memoryForm),
  layers: list(costRowForm),
  ops: list(costRowForm),
});

export const reportForm = z.object({
  kind: z.literal('report'),
  model: name,
  device: name,
  scheme: name,
  clockHz: positiveAmount,
  prefillTokens: count,
  decodeTokens: count,
  mode: z.enum(['time', 'both']),
  totals: z.object({
    prefillSeconds: amount,
    decodeSeconds: amount,
    decodeTokensPerSecond: amount,
    joules: amount,
    joulesPerToken: amount,
    instructionBytes: z.object({ total: count, unbucketed: count, bucketed: count, resolved: count }),
  }),
  phases: list(phaseForm),
  units: list(unitForm),
  memories: list(memoryForm),
  notes: list(text),
});
