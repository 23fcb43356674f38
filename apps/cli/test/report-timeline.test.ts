/** The timeline of the report page: what is packed comes back, however it is joined, and bins lose no cycle. */
import { inflateRawSync } from 'node:zlib';
import { compile, instructionBytes } from '@bitloom/compiler';
import { quantizeModel } from '@bitloom/compression';
import { encodedLength, findCard, type Trace } from '@bitloom/ir';
import { randomDecoder } from '@bitloom/models';
import { simulate } from '@bitloom/simulator';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { binSpans } from '../src/report/script/bin-spans.js';
import { describeSpan } from '../src/report/script/describe-span.js';
import { readSpans, type Timeline } from '../src/report/script/read-spans.js';
import { spanTable } from '../src/report/timeline/span-table.js';
import { BAND_FULL, type TimelineData, timelineData } from '../src/report/timeline/timeline-data.js';
import { TINY } from './support/tiny-model.js';

const device = findCard('u280-bitloom');

function traced(options: { traceStep?: 'prefill' | number; reuse?: boolean } = {}): Trace {
  const { model } = quantizeModel(randomDecoder(TINY, { name: 'tiny' }), 'W4A8');
  const program = compile(model, device);
  const { trace } = simulate(program, device, {
    prefill: 6,
    decode: 3,
    model: model.name,
    instructionBytes: instructionBytes(program),
    encodedLength,
    trace: true,
    ...options,
  });
  if (trace === undefined) throw new Error('no trace');
  return trace;
}

const trace = traced();

function inflate({ packed }: TimelineData): Uint8Array {
  return new Uint8Array(inflateRawSync(Buffer.from(packed, 'base64')));
}

function unpack(data: TimelineData): Timeline {
  const timeline = readSpans(inflate(data), data.spans, data.lanes.length);
  if (timeline === undefined) throw new Error('the packed timeline ends too early');
  return timeline;
}

const sum = (values: ArrayLike<number>): number => Array.from(values).reduce((a, b) => a + b, 0);
const sumOf = (timeline: Timeline, column: 'occupied' | 'stalled' | 'waited' | 'count'): number =>
  sum(timeline.lanes.map((lane) => sum(lane[column])));

describe('packed spans', () => {
  test('of a short trace are its rows, with what each waited for', () => {
    const data = timelineData(trace, device);
    expect(data.detail).toBe('single instructions');
    expect(data.spans).toBe(trace.rows);
    expect(data.lanes.map(({ core }) => core).every((core, i, all) => i === 0 || core >= all[i - 1])).toBe(
      true,
    );
    const { lanes, laneOf, placeOf, labels } = unpack(data);
    const { columns, provenance, units } = trace;
    for (let row = 0; row < trace.rows; row++) {
      const lane = lanes[laneOf[row]];
      const i = placeOf[row];
      expect(data.lanes[laneOf[row]]).toEqual({ core: columns.core[row], unit: units[columns.unit[row]] });
      expect([
        lane.start[i],
        lane.end[i],
        lane.waited[i],
        lane.stalled[i],
        lane.cause[i],
        lane.blocker[i],
      ]).toEqual([
        ...[columns.start[row], columns.end[row], columns.waited[row], columns.stalled[row]],
        ...[columns.cause[row], columns.blocker[row]],
      ]);
      expect(labels[lane.label[i]]).toMatchObject(provenance[columns.origin[row]]);
    }
  });

  test('are nothing where bytes are missing, wherever they end', () => {
    const data = timelineData(trace, device);
    const bytes = inflate(data);
    const { lanes } = data;
    for (let end = 0; end < bytes.length; end += Math.max(1, Math.floor(bytes.length / 97)))
      expect(readSpans(bytes.subarray(0, end), data.spans, lanes.length), `${end} bytes`).toBeUndefined();
    expect(readSpans(bytes.subarray(0, bytes.length - 1), data.spans, lanes.length)).toBeUndefined();
  });

  test('lose no instruction, no cycle and no order however few they must be', () => {
    const lengths = trace.columns.end.map((end, row) => end - trace.columns.start[row]);
    fc.assert(
      fc.property(fc.integer({ min: 20, max: trace.rows + 10 }), (limit) => {
        const data = timelineData(trace, device, limit);
        const timeline = unpack(data);
        expect(sumOf(timeline, 'count')).toBe(trace.rows);
        expect(sumOf(timeline, 'occupied')).toBe(sum(lengths));
        expect(sumOf(timeline, 'stalled')).toBe(sum(trace.columns.stalled));
        expect(sumOf(timeline, 'waited')).toBe(sum(trace.columns.waited));
        // A slice of time may add one span per unit.
        expect(data.spans).toBeLessThanOrEqual(limit + data.lanes.length);
        for (const { start, end, blocker } of timeline.lanes) {
          for (let i = 1; i < start.length; i++) expect(start[i]).toBeGreaterThanOrEqual(end[i - 1]);
          expect(blocker.every((span) => span >= -1 && span < data.spans)).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('of a long trace keep its end as single instructions and say so', () => {
    const limit = Math.floor(trace.rows / 2);
    const { count, joined } = spanTable(trace, limit);
    expect(count.slice(-Math.floor(0.7 * limit)).every((instructions) => instructions === 1)).toBe(true);
    expect(joined?.by).not.toBe('');
    expect(timelineData(trace, device, limit).detail).toMatch(/up to .* ms of the run and single/);
  });

  test('carry the use of each memory that moved something', () => {
    const { memories } = timelineData(trace, device);
    expect(memories.map(({ name }) => name)).toContain('hbm');
    for (const { permille } of memories) {
      expect(Math.max(...permille)).toBeGreaterThan(0);
      expect(Math.max(...permille)).toBeLessThanOrEqual(1000);
    }
  });
});

describe('bands of channels', () => {
  const levelsOf = (one: TimelineData['channels'][number]): Uint8Array =>
    inflateRawSync(Buffer.from(one.packed, 'base64'));

  test('hold every channel, together what the memory moved', () => {
    const { channels, memories } = timelineData(trace, device);
    expect(channels.map(({ name }) => name)).toEqual(['hbm']);
    const [hbm] = channels;
    const levels = levelsOf(hbm);
    expect(hbm.channels).toBe(32);
    expect(levels.length % 32).toBe(0);
    expect(levels.length).toBeLessThanOrEqual(65_536);
    // Of their mean use, channels count whole bursts.
    const { permille, bucketCycles } = memories[0];
    const cycles = bucketCycles * permille.length;
    const whole = (sum(permille) * bucketCycles) / 1000 / cycles;
    const byChannels = (sum(levels) * hbm.bucketCycles) / BAND_FULL / 32 / cycles;
    expect(byChannels / whole).toBeGreaterThan(0.95);
    expect(byChannels / whole).toBeLessThan(1.3);
  });

  test('name the channel that moved most', () => {
    const moved = new Float64Array(64).fill(100);
    moved[5] = moved[37] = 900;
    const one = { space: 'hbm', channels: 32, bucketCycles: 10, bytes: moved };
    const [band] = timelineData({ ...trace, channels: [one] }, device).channels;
    expect([band.busiest, band.most]).toEqual([5, 900 / ((31 * 100 + 900) / 32)]);
    const levels = levelsOf(band);
    expect(levels[5]).toBe(levels[37]);
    // 460 GB/s in 32 channels are 638.9 bytes in 10 cycles of 225 MHz: more is drawn as the most there is.
    expect([levels[0], levels[5]]).toEqual([Math.round((250 * 100) / 638.9), 255]);
  });

  test('are left out of memories of one channel, of idle ones, and of traces that know none', () => {
    const channels = [
      { space: 'hbm', channels: 1, bucketCycles: 1, bytes: Float64Array.of(1) },
      { space: 'hbm', channels: 32, bucketCycles: 1, bytes: new Float64Array(32) },
      { space: 'ddr', channels: 2, bucketCycles: 1, bytes: Float64Array.of(1, 1) },
    ];
    expect(timelineData({ ...trace, channels }, device).channels).toEqual([]);
    expect(timelineData({ ...trace, channels: [] }, device).channels).toEqual([]);
  });
});

describe('bins', () => {
  const data = timelineData(trace, device, Math.floor(trace.rows / 2));
  const timeline = unpack(data);
  const bin = (lane: Timeline['lanes'][number], from: number, to: number, columns: number) =>
    binSpans(lane, 0, from, to, columns, data.causes.length, Number.POSITIVE_INFINITY);

  test('of everything hold every cycle once, whatever their number', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 700 }), fc.nat(5000), (columns, more) => {
        for (const lane of timeline.lanes) {
          const { busy, stalled, waits } = bin(lane, 0, data.to + more, columns);
          expect(sum(busy)).toBeCloseTo(sum(lane.occupied) - sum(lane.stalled), 3);
          expect(sum(stalled)).toBeCloseTo(sum(lane.stalled), 3);
          // A wait never reaches back over the span before it.
          expect(sum(waits)).toBeLessThanOrEqual(sum(lane.waited) + 1e-3);
        }
      }),
      { numRuns: 30 },
    );
  });

  test('of neighbouring views add up to those of both, and no column is overfull', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.05, max: 0.95, noNaN: true }),
        fc.integer({ min: 1, max: 300 }),
        (cut, n) => {
          const middle = cut * data.to;
          for (const lane of timeline.lanes) {
            const [left, right] = [bin(lane, 0, middle, n), bin(lane, middle, data.to, n)];
            const whole = bin(lane, 0, data.to, 1);
            for (const part of ['busy', 'stalled', 'waits'] as const) {
              expect(sum(left[part]) + sum(right[part])).toBeCloseTo(sum(whole[part]), 3);
            }
            for (let column = 0; column < n; column++) {
              let cycles = left.busy[column] + left.stalled[column];
              for (let cause = 0; cause < data.causes.length; cause++) {
                cycles += left.waits[cause * n + column];
              }
              expect(cycles).toBeLessThanOrEqual((middle / n) * (1 + 1e-9) + 1e-6);
            }
          }
        },
      ),
      { numRuns: 30 },
    );
  });
});

test('a span is described with its place, its time, its wait and what it waited for', () => {
  const data = timelineData(trace, device);
  const timeline = unpack(data);
  const { columns, provenance } = trace;
  const row = columns.waited.findIndex(
    (waited, i) => waited > 0 && columns.cause[i] === 1 && columns.blocker[i] >= 0,
  );
  expect(row).toBeGreaterThan(0);
  const facts = new Map(describeSpan(data, timeline, row, 0));
  expect(facts.get('node')).toBe(provenance[columns.origin[row]].node);
  expect(facts.get('unit')).toBe(`${trace.units[columns.unit[row]]}, core ${columns.core[row]}`);
  expect(facts.get('wait before')).toMatch(/cycles, mostly for tokens of other units$/);
  expect(facts.get('waited for')).toContain(provenance[columns.origin[columns.blocker[row]]].node);
  // Traces without blockers are shown all the same.
  const blind = timelineData(
    { ...trace, columns: { ...columns, blocker: columns.blocker.map(() => -1) } },
    device,
  );
  expect(new Map(describeSpan(blind, unpack(blind), row, 0)).get('waited for')).toBe(
    'nothing that is recorded',
  );
});

test('a call that is recorded alone is the same as in the whole run, from cycle 0 on', () => {
  for (const traceStep of ['prefill', 0, 2] as const) {
    const alone = traced({ traceStep, reuse: true });
    // Calls follow each other in the rows; the three decode steps have as many rows each.
    const at = traceStep === 'prefill' ? 0 : trace.rows - (3 - traceStep) * alone.rows;
    const shift = trace.columns.start[at] - alone.columns.start[0];
    for (let i = 0; i < alone.rows; i++) {
      expect(trace.columns.start[at + i] - shift).toBe(alone.columns.start[i]);
      expect(trace.columns.end[at + i] - shift).toBe(alone.columns.end[i]);
      expect(trace.columns.opcode[at + i]).toBe(alone.columns.opcode[i]);
    }
    expect(alone.columns.start[0]).toBeLessThan(1000);
  }
});
