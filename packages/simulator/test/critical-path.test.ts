/** The chain back from the last execution: where it leads on hand-made streams, and that it covers all the time. */
import { type Instruction, QUEUES, type Trace } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { at, copy, halt, load, store, tinyDevice } from '../../ir/test/support/tiny-program.js';
import { criticalPath } from '../src/index.js';
import { exchange } from './support/cores.js';
import { randomStream } from './support/random-stream.js';
import { freeDispatch, time } from './support/timed.js';

const WIDE = freeDispatch({
  cores: 2,
  buffers: tinyDevice().buffers.map((b) => ({ ...b, bytesPerCyclePerPort: 1e6, ports: 8 })),
  exchange: { bytesPerCycle: 4, latencyCycles: 10 },
});
const work = (floats: number, tokens = {}): Instruction =>
  copy(at('data', 4096), at('data', 0), 4 * floats, tokens);

/** Segments as text. */
function told(trace: Trace): string[] {
  return criticalPath(trace).segments.map(
    ({ unit, core, cause, start, end }) => `${QUEUES[unit]} ${core} ${cause} ${start}..${end}`,
  );
}

describe('critical path', () => {
  it('goes from a token back to its giver', () => {
    const { trace } = time(
      [
        // Not on the path: it is over long before.
        load(at('hbm', 0), at('weights', 0), 4),
        work(40, { release: ['exchange'] }),
        exchange(
          { src: at('data', 0), length: 64, dst: 2048, all: 2048, allLength: 128 },
          { wait: ['vector'] },
        ),
        halt(),
      ],
      {
        device: WIDE,
        others: [
          [exchange({ src: at('data', 0), length: 64, dst: 2112, all: 2048, allLength: 128 }), halt()],
        ],
      },
    );
    expect(told(trace).slice(0, 2)).toEqual(['vector 0 work 0..10', 'vector 0 latency 10..12']);
    expect(told(trace).at(-1)).toMatch(/^exchange [01] work 12\.\.28$/);
  });

  it('is the unit itself where it never stands still', () => {
    const { trace } = time([work(40), work(40), work(40), halt()], { device: WIDE });
    expect(told(trace)).toEqual(['vector 0 work 0..10', 'vector 0 work 10..20', 'vector 0 work 20..30']);
  });

  it('is decoding where the dispatcher cannot keep up', () => {
    const device = { ...WIDE, dispatcher: { ...WIDE.dispatcher, cyclesPerInstruction: 50 } };
    const path = criticalPath(time([work(4), work(4), halt()], { device }).trace);
    expect(path.cycles).toBe(101);
    expect(path.units).toEqual([
      { name: 'vector', cause: 'dispatch', cycles: 100 },
      { name: 'vector', cause: 'work', cycles: 1 },
    ]);
    expect(path.layers.map(({ name }) => name)).toEqual(['layer 3', 'layer 3']);
  });

  it('of nothing is nothing', () => {
    expect(criticalPath(time([halt()], { device: WIDE }).trace)).toEqual({
      cycles: 0,
      segments: [],
      units: [],
      layers: [],
      ops: [],
    });
  });

  it('covers all the time without gaps, on random streams', () => {
    const device = tinyDevice({ tokens: { counterBits: 12, initialCredits: {}, overflow: 'error' } });
    fc.assert(
      fc.property(randomStream, randomStream, (one, two) => {
        const { trace } = time(one, { device, others: [two], past: 3 });
        const { segments, cycles, units, layers, ops } = criticalPath(trace);
        expect(cycles).toBe(trace.columns.end.reduce((latest, end) => Math.max(latest, end), 0));
        let now = 0;
        for (const { start, end, row } of segments) {
          expect(start).toBe(now);
          expect(end).toBeGreaterThan(start);
          expect(row).toBeLessThan(trace.rows);
          now = end;
        }
        expect(now).toBe(cycles);
        for (const list of [units, layers, ops])
          expect(list.reduce((sum, share) => sum + share.cycles, 0)).toBe(cycles);
      }),
      { numRuns: 200 },
    );
  });

  it('names memory where a transfer waits for its channels', () => {
    const device = {
      ...WIDE,
      memories: WIDE.memories.map((memory) => ({ ...memory, channels: 1, bytesPerSecondPerChannel: 1e6 })),
    };
    const { trace } = time(
      [load(at('hbm', 0), at('data', 0), 2048), store(at('data', 4096), at('hbm', 16_384), 2048), halt()],
      { device },
    );
    const path = criticalPath(trace);
    expect(path.units.some(({ cause }) => cause === 'memory')).toBe(true);
  });
});
