/**
 * Schema of the trace artefact. Columns are typed arrays in memory and sections in a container.
 */
import * as z from 'zod';
import { amount, count, list, name, positive, positiveAmount } from './pieces.js';
import { provenanceForm } from './program-schema.js';

const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array, 'expected a Uint8Array');
const rows = z.custom<Int32Array>((value) => value instanceof Int32Array, 'expected an Int32Array');
const words = z.custom<Uint32Array>((value) => value instanceof Uint32Array, 'expected a Uint32Array');
const times = z.custom<Float64Array>((value) => value instanceof Float64Array, 'expected a Float64Array');

export const columnsForm = z.object({
  unit: bytes,
  core: bytes,
  start: times,
  end: times,
  waited: times,
  cause: bytes,
  stalled: times,
  blocker: rows,
  origin: words,
  opcode: bytes,
});

/** A trace without its columns. */
export const traceBase = {
  kind: z.literal('trace'),
  model: name,
  device: name,
  clockHz: positiveAmount,
  units: list(name),
  provenance: list(provenanceForm),
  rows: count,
  dropped: count,
  memories: list(z.object({ space: name, bucketCycles: positive, bytes: list(amount) })).default([]),
};

const channelsOf = { space: name, channels: positive, bucketCycles: positive };

/** Channels of a memory without their bytes, which are as many as channels in each bucket. */
export const channelsHeaderForm = z.object({ ...channelsOf, buckets: count });

export const channelsForm = z.object({ ...channelsOf, bytes: times });

const traceShape = { ...traceBase, channels: list(channelsForm).default([]), columns: columnsForm };

export const traceForm = z.object(traceShape).superRefine((trace, context) => {
  for (const [i, { channels, bytes: moved }] of trace.channels.entries()) {
    if (moved.length % channels === 0) continue;
    const message = `expected whole buckets of ${channels} channels, received ${moved.length} numbers`;
    context.addIssue({ code: 'custom', path: ['channels', i, 'bytes'], message });
  }
  for (const [column, values] of Object.entries(trace.columns)) {
    if (values.length === trace.rows) continue;
    const message = `expected ${trace.rows} rows, received ${values.length}`;
    context.addIssue({ code: 'custom', path: ['columns', column], message });
  }
});
