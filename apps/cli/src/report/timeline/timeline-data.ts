/**
 * What the script of a page needs to draw its timeline: a readable head, and the spans packed as small differences,
 * column after column, deflated and in base 64. `script/read-spans.ts` is the other side.
 *
 * Packed text before deflating: the labels as JSON behind their length, then the columns in the order of
 * {@link COLUMNS}, each a varint per span.
 */
import { deflateRawSync } from 'node:zlib';
import { type Device, findMemory, peakBytesPerSecond, STALL_CAUSES, type Trace } from '@bitloom/ir';
import { type LaneName, MAX_SPANS, type SpanTable, spanTable } from './span-table.js';
import { VarintWriter } from './varints.js';

/** How much of its peak a memory moved over time. */
export interface MemorySeries {
  readonly name: string;
  readonly kind: string;
  readonly bucketCycles: number;
  readonly peakBytesPerSecond: number;
  /** Thousandths of the peak, from cycle `i * bucketCycles` on. */
  readonly permille: readonly number[];
}

/** How much of its peak each channel of a memory moved over time. */
export interface ChannelBand {
  readonly name: string;
  readonly channels: number;
  readonly bucketCycles: number;
  /** What the busiest channel moved in all, in parts of the mean of the channels; and which it is. */
  readonly most: number;
  readonly busiest: number;
  /** Bytes [buckets, channels], deflated and in base 64: {@link BAND_FULL} is the peak. */
  readonly packed: string;
}

/** The byte that says a channel was at its peak. */
export const BAND_FULL = 250;

export interface TimelineData {
  readonly clockHz: number;
  /** Cycles between which something is recorded. */
  readonly from: number;
  readonly to: number;
  readonly causes: readonly string[];
  readonly lanes: readonly LaneName[];
  readonly memories: readonly MemorySeries[];
  /** Of those memories that have several channels. */
  readonly channels: readonly ChannelBand[];
  readonly spans: number;
  /** What a block stands for. */
  readonly detail: string;
  /** Instructions of the run that are not in it. */
  readonly dropped: number;
  readonly packed: string;
}

/** @param limit most spans in all */
export function timelineData(trace: Trace, device: Device, limit = MAX_SPANS): TimelineData {
  const table = spanTable(trace, limit);
  let [from, to] = [Number.POSITIVE_INFINITY, 0];
  for (let i = 0; i < table.lane.length; i++) {
    from = Math.min(from, table.start[i] - table.waited[i]);
    to = Math.max(to, table.end[i]);
  }
  return {
    clockHz: trace.clockHz,
    from: Math.max(0, Math.min(from, to)),
    to,
    causes: STALL_CAUSES,
    lanes: table.lanes,
    memories: memorySeries(trace, device),
    channels: channelBands(trace, device),
    spans: table.lane.length,
    detail: detailOf(table, trace.clockHz),
    dropped: trace.dropped,
    packed: deflated(packSpans(table)),
  };
}

function deflated(bytes: Uint8Array): string {
  return deflateRawSync(bytes, { level: 9 }).toString('base64');
}

function channelBands(trace: Trace, device: Device): ChannelBand[] {
  return trace.channels.flatMap(({ space, channels, bucketCycles, bytes }) => {
    const memory = findMemory(device, space);
    if (memory === undefined || channels < 2) return [];
    const full = (memory.bytesPerSecondPerChannel * bucketCycles) / trace.clockHz;
    const sums = new Float64Array(channels);
    for (let i = 0; i < bytes.length; i++) sums[i % channels] += bytes[i];
    const all = sums.reduce((sum, moved) => sum + moved, 0);
    if (all === 0) return [];
    const busiest = sums.indexOf(Math.max(...sums));
    // A little that was moved is not nothing.
    const levels = Uint8Array.from(bytes, (moved) =>
      moved === 0 ? 0 : Math.max(1, Math.min(255, Math.round((BAND_FULL * moved) / full))),
    );
    const most = (sums[busiest] * channels) / all;
    return [{ name: space, channels, bucketCycles, most, busiest, packed: deflated(levels) }];
  });
}

function detailOf({ joined }: SpanTable, clockHz: number): string {
  if (joined === undefined) return 'single instructions';
  const moment = `${((1e3 * joined.until) / clockHz).toPrecision(4)} ms of the run`;
  return `${joined.by} up to ${moment} and single instructions after that`;
}

function memorySeries(trace: Trace, device: Device): MemorySeries[] {
  return trace.memories.flatMap(({ space, bucketCycles, bytes }) => {
    const memory = findMemory(device, space);
    if (memory === undefined || !bytes.some((moved) => moved > 0)) return [];
    const peak = peakBytesPerSecond(memory);
    const full = (peak * bucketCycles) / trace.clockHz;
    const permille = bytes.map((moved) => Math.round((1000 * moved) / full));
    return [{ name: space, kind: memory.kind, bucketCycles, peakBytesPerSecond: peak, permille }];
  });
}

/** @returns the bytes before deflating */
function packSpans(table: SpanTable): Uint8Array {
  const labels = Buffer.from(JSON.stringify(table.labels), 'utf8');
  const head = new VarintWriter();
  head.unsigned(labels.length);
  const body = new VarintWriter();
  const { length } = table.lane;
  for (const lane of table.lane) body.unsigned(lane);
  // Starts are distances from the end of the span before on the same unit, which most waits equal.
  const gaps = gapsOf(table);
  for (const gap of gaps) body.signed(gap);
  for (let i = 0; i < length; i++) body.signed(table.waited[i] - gaps[i]);
  for (let i = 0; i < length; i++) body.unsigned(table.end[i] - table.start[i]);
  for (let i = 0; i < length; i++) body.unsigned(table.end[i] - table.start[i] - table.occupied[i]);
  for (const stalled of table.stalled) body.unsigned(stalled);
  for (const cause of table.cause) body.unsigned(cause);
  for (const label of table.label) body.unsigned(label);
  // A joined span may wait for one that began after it; what it waits for inside of itself is none.
  for (let i = 0; i < length; i++) body.signed(table.blocker[i] < 0 ? 0 : i - table.blocker[i]);
  for (const count of table.count) body.unsigned(count - 1);
  return Buffer.concat([head.finish(), labels, body.finish()]);
}

function gapsOf({ lane, start, end }: SpanTable): number[] {
  const ends: number[] = [];
  return lane.map((index, i) => {
    const gap = start[i] - (ends[index] ?? 0);
    ends[index] = end[i];
    return gap;
  });
}
