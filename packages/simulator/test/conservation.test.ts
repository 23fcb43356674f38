/** What must add up on any program: cycles of each unit, bytes of each memory, tokens, and the order of time. */
import { type Device, QUEUES, STALL_CAUSES } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tinyDevice } from '../../ir/test/support/tiny-program.js';
import { randomStream } from './support/random-stream.js';
import { accounted, time } from './support/timed.js';

/** The tiny card with whatever makes times uneven: odd rates, few ports, fractions of cycles per byte. */
const card: fc.Arbitrary<Device> = fc
  .record({
    bytesPerSecond: fc.constantFrom(7e5, 3e6, 1.1e7, 1e9),
    efficiency: fc.constantFrom(1, 0.7, 0.37, 0.1),
    channels: fc.integer({ min: 1, max: 5 }),
    ports: fc.integer({ min: 1, max: 3 }),
    portBytes: fc.constantFrom(1, 3, 16, 1000),
    queueDepth: fc.integer({ min: 1, max: 9 }),
    cycles: fc.integer({ min: 0, max: 5 }),
    lanes: fc.integer({ min: 1, max: 9 }),
    timeDivisor: fc.constantFrom(1, 3.2),
  })
  .map((c): Device => {
    const base = tinyDevice();
    return {
      ...base,
      memories: base.memories.map((m) => ({
        ...m,
        channels: c.channels,
        bytesPerSecondPerChannel: c.bytesPerSecond,
        efficiency: c.efficiency,
      })),
      buffers: base.buffers.map((b) => ({ ...b, ports: c.ports, bytesPerCyclePerPort: c.portBytes })),
      // Program order never holds many tokens, but a unit without work may run ahead as far as the queues allow.
      tokens: { ...base.tokens, counterBits: 12 },
      vector: { ...base.vector, lanes: c.lanes },
      dispatcher: {
        ...base.dispatcher,
        queueDepth: c.queueDepth,
        cyclesPerInstruction: c.cycles,
        cyclesPerIteration: 2 * c.cycles,
      },
      calibration: { timeDivisor: c.timeDivisor, published: false, fitted: [] },
    };
  });

const lengths = fc.record({ seq: fc.constant(1), past: fc.nat(4) });

describe('on random streams and cards', () => {
  it('busy, stalls and idle of every unit are integers, never negative, and sum to the whole time', () => {
    fc.assert(
      fc.property(randomStream, card, lengths, (stream, device, point) => {
        const { cycles, counters } = time(stream, { device, ...point });
        expect(Number.isSafeInteger(cycles)).toBe(true);
        expect(counters.cycles).toBe(cycles);
        counters.units.forEach((unit, q) => {
          for (const [cause, value] of Object.entries(unit)) {
            expect(Number.isSafeInteger(value) && value >= 0, `${QUEUES[q]}.${cause} is ${value}`).toBe(true);
          }
          expect(accounted(unit), QUEUES[q]).toBe(cycles);
        });
      }),
      { numRuns: 300 },
    );
  });

  it('bytes of the memory are those of the transfers, by kind, and costs by origin have the same sums', () => {
    fc.assert(
      fc.property(randomStream, card, lengths, (stream, device, point) => {
        const { counters, started } = time(stream, { device, ...point });
        let moved = 0;
        let macs = 0;
        const busy = QUEUES.map(() => 0);
        for (const { instruction, environment } of started) {
          const fields = instruction.at(environment);
          macs += instruction.spec.work(fields).macs;
          for (const access of instruction.spec.accesses(fields))
            if (access.space === 'hbm') moved += access.bytes;
        }
        const memory = counters.memories.get('hbm');
        expect(
          (memory?.weights ?? 0) + (memory?.kv ?? 0) + (memory?.activations ?? 0) + (memory?.other ?? 0),
        ).toBe(moved);
        expect(counters.bytes.get('hbm') ?? 0).toBe(moved);
        expect(counters.macs).toBe(macs);
        let [costMacs, costBytes] = [0, 0];
        for (const cost of counters.costs.values()) {
          costMacs += cost.macs;
          costBytes += cost.memoryBytes;
          cost.cycles.forEach((cycles, q) => {
            busy[q] += cycles;
          });
        }
        expect([costMacs, costBytes]).toEqual([macs, moved]);
        // The stream runs on the first core; the other one stands still.
        expect(busy).toEqual(counters.units.slice(0, QUEUES.length).map((unit) => unit.busy));
      }),
      { numRuns: 100 },
    );
  });

  it('time never goes back, a queue keeps its order, and every token is released before it is taken', () => {
    fc.assert(
      fc.property(randomStream, card, lengths, (stream, device, point) => {
        const { started, cycles } = time(stream, { device, ...point });
        const lastOf = new Map<string, { start: number; completed: number }>();
        const tokens = new Map<string, number[]>();
        let now = 0;
        for (const { instruction, start, completed } of started) {
          expect(start).toBeGreaterThanOrEqual(now);
          now = start;
          expect(completed).toBeGreaterThan(start);
          expect(completed).toBeLessThanOrEqual(cycles);
          const { queue, wait, release } = instruction.source;
          const before = lastOf.get(queue);
          if (before !== undefined) expect(completed).toBeGreaterThanOrEqual(before.completed);
          lastOf.set(queue, { start, completed });
          for (const from of wait) {
            const arrived = tokens.get(`${from}>${queue}`)?.shift();
            expect(arrived).toBeDefined();
            expect(arrived).toBeLessThanOrEqual(start);
          }
          for (const to of release) {
            const list = tokens.get(`${queue}>${to}`) ?? [];
            list.push(completed);
            tokens.set(`${queue}>${to}`, list);
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  it('a unit never reads bytes that it still writes itself', () => {
    fc.assert(
      fc.property(randomStream, card, lengths, (stream, device, point) => {
        const writes: { queue: string; space: string; start: number; end: number; completed: number }[] = [];
        for (const { instruction, environment, start, completed } of time(stream, { device, ...point })
          .started) {
          const { queue } = instruction.source;
          const accesses = instruction.spec
            .accesses(instruction.at(environment))
            .filter((access) => access.bytes > 0);
          for (const access of accesses) {
            // Writes of a unit end in their order; sums that go on are passed on inside of it.
            if (access.write || access.forwarded === true) continue;
            const clash = writes.find(
              (w) =>
                w.queue === queue &&
                w.space === access.space &&
                w.completed > start &&
                w.start < access.end &&
                access.start < w.end,
            );
            expect(clash).toBeUndefined();
          }
          for (const { write, space, start: first, end } of accesses)
            if (write) writes.push({ queue, space, start: first, end, completed });
        }
      }),
      { numRuns: 100 },
    );
  });

  it('the trace has every execution, agrees with the counters, and repeats itself', () => {
    fc.assert(
      fc.property(randomStream, card, lengths, (stream, device, point) => {
        const timed = time(stream, { device, ...point });
        const { rows, columns, dropped } = timed.trace;
        expect([rows, dropped]).toEqual([timed.started.length, 0]);
        expect([...columns.start]).toEqual(timed.started.map(({ start }) => start));
        const taken = QUEUES.map(() => 0);
        for (let i = 0; i < rows; i++) {
          taken[columns.unit[i]] += columns.end[i] - columns.start[i] + columns.waited[i];
          expect(columns.cause[i]).toBeLessThan(STALL_CAUSES.length);
          if (columns.waited[i] === 0) expect(columns.cause[i]).toBe(0);
        }
        // What a unit did and waited for ends where its last instruction ends; the rest is idle.
        const ends = QUEUES.map(() => 0);
        for (let i = 0; i < rows; i++)
          ends[columns.unit[i]] = Math.max(ends[columns.unit[i]], columns.end[i]);
        expect(taken).toEqual(ends);
        const again = time(stream, { device, ...point });
        expect(again.trace).toEqual(timed.trace);
        expect(again.counters).toEqual(timed.counters);
      }),
      { numRuns: 100 },
    );
  });
});
