/** Programs of two and three cores: what exchanges move, when they start, and to which cause each cycle goes. */
import {
  add,
  encodedLength,
  type Instruction,
  integerNumerics,
  type Model,
  memorySections,
  multiply,
  type Program,
  QUEUES,
  verifyProgram,
} from '@bitloom/ir';
import { createKernels } from '@bitloom/kernels';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { errorOf } from '../../ir/test/support/errors.js';
import { at, copy, halt, store, sync, tinyDevice } from '../../ir/test/support/tiny-program.js';
import { compileEntry } from '../src/compiled-stream.js';
import { SimulatedCard, simulate } from '../src/index.js';
import { createCounters } from '../src/time/counters.js';
import { type StartedInstruction, TimedCard } from '../src/time/timed-run.js';
import { TraceRecorder } from '../src/time/trace-recorder.js';
import { CORE, exchange, gatherStream, sharedProgram } from './support/cores.js';
import { randomStream } from './support/random-stream.js';
import { accounted, freeDispatch, type Timed, time, unit } from './support/timed.js';

const NO_BYTES = { total: 0, unbucketed: 0, bucketed: 0, resolved: 0 };
const MODEL: Model = {
  kind: 'model',
  name: 'none',
  family: 'none',
  numerics: integerNumerics('W8A8'),
  symbols: [],
  constants: [],
  states: [],
  functions: [],
  metadata: {},
};

/** Wide buffers, a free dispatcher, and links of 4 bytes per cycle behind 10 cycles. */
const FREE = freeDispatch({
  cores: 3,
  buffers: tinyDevice().buffers.map((b) => ({ ...b, bytesPerCyclePerPort: 1e6, ports: 8 })),
  exchange: { bytesPerCycle: 4, latencyCycles: 10 },
});

/** Bytes of the memory after a run on the card, `in` being 0, 1, 2, ... */
function outBytes(program: Program, cores: number, order: 'program' | 'start' | 'end'): Uint8Array[] {
  const kernels = createKernels();
  const { arena } = kernels;
  const start = arena.used;
  const card = new SimulatedCard({
    program,
    device: { ...FREE, cores },
    bundle: { model: MODEL, sections: memorySections({}) },
    kernels,
    encodedLength,
    instructionBytes: NO_BYTES,
    mode: 'function',
    order,
  });
  const memory = Math.ceil(start / 4096) * 4096;
  for (let i = 0; i < 16_384; i++) arena.u8[memory + i] = (i * 7 + 3) & 255;
  card.run('main', { seq: 1, past: 0 }, {});
  return Array.from({ length: cores }, (_, core) => {
    const at = memory + 16_384 + 4096 * core;
    return arena.u8.slice(at, at + 1024);
  });
}

describe('function', () => {
  it.each([
    ['two cores, even parts', 2, 256, 128],
    ['three cores, the last has less', 3, 272, 112],
    ['three cores, the last has nothing', 3, 256, 128],
  ])('%s: every core gets all parts', (_name, cores, total, perCore) => {
    const program = sharedProgram(gatherStream(total, perCore), cores);
    verifyProgram(program, { ...FREE, cores });
    const expected = Uint8Array.from({ length: 1024 }, (_, i) => (i < total ? (i * 7 + 3) & 255 : 0));
    for (const order of ['program', 'start', 'end'] as const) {
      for (const got of outBytes(program, cores, order)) expect(got).toEqual(expected);
    }
  });

  it('what a core gives is what it held when it came, wherever the others write', () => {
    // The part of each core lies where that of the other will come to lie.
    const swap = sharedProgram(
      [
        ...gatherStream(256, 128).slice(0, 2),
        exchange(
          {
            src: at('data', 1024),
            length: 128,
            dst: add(1024, multiply(128, CORE)),
            all: 1024,
            allLength: 256,
          },
          { wait: ['vector'], release: ['store'] },
        ),
        store(at('data', 1024), at('hbm', add(16_384, multiply(4096, CORE))), 256, { wait: ['exchange'] }),
        halt(),
      ],
      2,
    );
    const expected = Uint8Array.from({ length: 256 }, (_, i) => (i * 7 + 3) & 255);
    for (const order of ['program', 'start', 'end'] as const) {
      for (const got of outBytes(swap, 2, order)) expect(got.subarray(0, 256)).toEqual(expected);
    }
  });

  it('a core that ends while others wait is an error', () => {
    const program = sharedProgram(gatherStream(256, 128), 2);
    const entries = program.entries.map((entry) => ({
      ...entry,
      streams: [
        { core: 0, instructions: entry.streams[0].instructions },
        { core: 1, instructions: [halt()] },
      ],
    }));
    const error = errorOf(() => outBytes({ ...program, entries }, 2, 'program'));
    expect(error).toMatchObject({ code: 'simulator-exchange', got: 'core 1 is at its end' });
  });
});

/** A copy of n floats: n / 4 cycles, its result 2 later. */
const work = (floats: number, tokens = {}): Instruction =>
  copy(at('data', 4096), at('data', 0), 4 * floats, tokens);
const part = (core: number, tokens = {}): Instruction =>
  exchange({ src: at('data', 0), length: 64, dst: 2048 + 64 * core, all: 2048, allLength: 128 }, tokens);

describe('time', () => {
  it('an exchange starts on all cores when the last is ready, and costs what is received', () => {
    const quick = [work(8, { release: ['exchange'] }), part(0, { wait: ['vector'] }), halt()];
    const slow = [work(80, { release: ['exchange'] }), part(1, { wait: ['vector'] }), halt()];
    const timed = time(quick, { device: FREE, others: [slow] });
    const exchanges = timed.started.filter(({ instruction }) => instruction.spec.name === 'XCH');
    // 64 bytes at 4 per cycle, 10 cycles behind.
    expect(exchanges.map(({ core, start, completed }) => [core, start, completed])).toEqual([
      [0, 22, 48],
      [1, 22, 48],
    ]);
    expect(timed.cycles).toBe(48);
    // The quick core is ready at 4; from there on it waits for the other.
    expect(unit(timed, 'exchange', 0)).toMatchObject({ token: 4, barrier: 18, busy: 16, idle: 10 });
    expect(unit(timed, 'exchange', 1)).toMatchObject({ token: 22, barrier: 0, busy: 16, idle: 10 });
  });

  it('is complete when the last core has everything', () => {
    // Core 1 gives nothing and receives 128 bytes; core 0 receives none, but must keep its part until then.
    const both = { src: at('data', 0), all: 2048, allLength: 128 };
    const timed = time([exchange({ ...both, length: 128, dst: 2048 }), halt()], {
      device: FREE,
      others: [[exchange({ ...both, length: 0, dst: 2048 }), halt()]],
    });
    expect(timed.started.map(({ completed }) => completed)).toEqual([42, 42]);
    expect([unit(timed, 'exchange', 0).busy, unit(timed, 'exchange', 1).busy]).toEqual([1, 32]);
  });

  it('the k-th exchanges of all cores are one; what stands before on the queue is done first', () => {
    const timed = time(
      [
        part(0),
        work(400, { release: ['exchange'] }),
        sync('exchange', { wait: ['vector'] }),
        part(0),
        halt(),
      ],
      {
        device: FREE,
        others: [[part(1), part(1), halt()]],
      },
    );
    const starts = timed.started
      .filter(({ instruction }) => instruction.spec.name === 'XCH')
      .map(({ core, start }) => [core, start]);
    expect(starts).toEqual([
      [0, 0],
      [1, 0],
      [0, 103],
      [1, 103],
    ]);
  });

  it('cores have queues, ports and dispatchers of their own', () => {
    const streams = (): Instruction[] => [work(400), work(400), halt()];
    const together = time(streams(), { device: FREE, others: [streams(), streams()] });
    expect(together.cycles).toBe(time(streams(), { device: FREE }).cycles);
    for (const core of [0, 1, 2]) expect(unit(together, 'vector', core).busy).toBe(200);
  });

  it('a core that misses an exchange leaves the others waiting: every stuck head is named', () => {
    const error = errorOf(() => time([part(0), halt()], { device: FREE, others: [[work(4), halt()]] }));
    expect(error).toMatchObject({
      code: 'simulator-deadlock',
      got: 'XCH on exchange waits for the other cores (core 0)',
    });
  });

  it('a barrier costs what the device says, on its own core only', () => {
    const device = { ...FREE, dispatcher: { ...FREE.dispatcher, barrierCycles: 7 } };
    const stop = { name: 'BARRIER', queue: 'system', wait: [], release: [], fields: {}, origin: 0 } as const;
    const timed = time([work(40), stop, work(40), halt()], {
      device,
      others: [[work(40), stop, halt()]],
    });
    const starts = (core: number): number[] =>
      timed.started.filter((one) => one.core === core).map(({ start }) => start);
    expect([starts(0), starts(1)]).toEqual([[0, 19], [0]]);
    expect(unit(timed, 'vector', 0)).toMatchObject({ busy: 20, barrier: 9, idle: 2 });
  });

  it('a report has the units of every core, exchanges included', () => {
    const program = sharedProgram(gatherStream(256, 128), 2);
    const entries = program.entries.map((entry) => ({ ...entry, name: 'decode' }));
    const { report, trace } = simulate({ ...program, entries }, FREE, {
      prefill: 0,
      decode: 1,
      model: 'none',
      instructionBytes: NO_BYTES,
      encodedLength,
      trace: true,
    });
    expect(report.units.filter(({ name }) => name === 'exchange').map(({ core }) => core)).toEqual([0, 1, 2]);
    for (const { busy, idle, stall, total } of report.units) {
      expect(busy + idle + Object.values(stall).reduce((a, b) => a + b)).toBe(total);
    }
    const hbm = report.memories.find(({ name }) => name === 'hbm');
    expect(hbm?.bytes.other).toBe(0);
    expect(hbm?.bytes.weights).toBe(256 + 2 * 256);
    expect([...(trace?.columns.core ?? [])].sort()).toEqual([0, 0, 0, 0, 1, 1, 1, 1]);
    const moved = trace?.memories.find(({ space }) => space === 'hbm')?.bytes ?? [];
    expect(moved.reduce((a, b) => a + b, 0)).toBeCloseTo(768, 6);
  });
});

/** Random streams with an exchange between each two pieces of them. */
function joined(pieces: readonly Instruction[][], core: number): Instruction[] {
  const body = pieces.flatMap((piece, i) => [...(i === 0 ? [] : [part(core)]), ...piece.slice(0, -1)]);
  return [...body, halt()];
}

describe('on random streams of several cores', () => {
  const cores = fc.array(fc.tuple(randomStream, randomStream), { minLength: 2, maxLength: 3 });
  const device = {
    ...tinyDevice({ cores: 3 }),
    tokens: { counterBits: 12, initialCredits: {}, overflow: 'error' as const },
  };
  const run = (streams: readonly Instruction[][]): Timed =>
    time(streams[0], { device, others: streams.slice(1), past: 2 });

  it('every cycle of every unit of every core is accounted for, and time never goes back', () => {
    fc.assert(
      fc.property(cores, (lists) => {
        const timed = run(lists.map((pieces, core) => joined(pieces, core)));
        timed.counters.units.forEach((one, at) => {
          expect(accounted(one), `core ${Math.floor(at / QUEUES.length)}`).toBe(timed.cycles);
          for (const value of Object.values(one))
            expect(Number.isSafeInteger(value) && value >= 0).toBe(true);
        });
        let now = 0;
        for (const { start } of timed.started) {
          expect(start).toBeGreaterThanOrEqual(now);
          now = start;
        }
      }),
      { numRuns: 150 },
    );
  });

  it('every row of a trace that names its blocker starts no earlier than that began, and time runs back to the start', () => {
    fc.assert(
      fc.property(cores, (lists) => {
        const { columns, rows } = run(lists.map((pieces, core) => joined(pieces, core))).trace;
        for (let row = 0; row < rows; row++) {
          const blocker = columns.blocker[row];
          expect(blocker).toBeLessThan(row);
          if (blocker >= 0) expect(columns.start[blocker]).toBeLessThanOrEqual(columns.start[row]);
          expect(columns.stalled[row]).toBeLessThanOrEqual(columns.end[row] - columns.start[row]);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('cores that neither exchange nor use memories run as each would alone', () => {
    const compute = (one: Instruction): boolean => one.name !== 'LD' && one.name !== 'ST';
    fc.assert(
      fc.property(randomStream, randomStream, (a, b) => {
        const lists = [a.filter(compute), b.filter(compute)];
        const program = { ...sharedProgram(lists[0], 1) };
        const alone = lists.map((list) => starts(program, [list]));
        const together = starts(program, lists);
        expect(together.filter(({ core }) => core === 0).map(({ start }) => start)).toEqual(
          alone[0].map(({ start }) => start),
        );
        expect(together.filter(({ core }) => core === 1).map(({ start }) => start)).toEqual(
          alone[1].map(({ start }) => start),
        );
      }),
      { numRuns: 60 },
    );
  });

  function starts(program: Program, lists: readonly Instruction[][]): StartedInstruction[] {
    const entry = {
      ...program.entries[0],
      streams: lists.map((instructions, core) => ({ core, instructions: withoutWaits(instructions) })),
    };
    const started: StartedInstruction[] = [];
    new TimedCard(device).run(
      compileEntry(program, entry, device, encodedLength),
      { seq: 1, past: 2 },
      createCounters(device),
      { recorder: new TraceRecorder(device), observer: (one) => void started.push(one) },
    );
    return started;
  }

  /** Tokens of instructions that were left out would be missed. */
  function withoutWaits(list: readonly Instruction[]): Instruction[] {
    return list.map((one) => ({ ...one, wait: [], release: [] }));
  }
});
