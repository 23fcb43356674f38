/** The timing reading on hand-made streams: what starts when, and to which cause each cycle goes. */
import { add, type Device, type Instruction, modulo, multiply, symbol } from '@bitloom/ir';
import { describe, expect, it } from 'vitest';
import { errorOf } from '../../ir/test/support/errors.js';
import {
  at,
  copy,
  copyRows,
  halt,
  instruction,
  load,
  loop,
  store,
  sync,
  tinyDevice,
} from '../../ir/test/support/tiny-program.js';
import { accounted, freeDispatch, type Timed, time, unit } from './support/timed.js';

/** A copy of n floats takes n / 4 cycles on the 4 lanes and shows its result 2 cycles later. */
const work = (floats: number, dst = 0, src = 4096, tokens = {}): Instruction =>
  copy(at('data', src), at('data', dst), 4 * floats, tokens);

/** Buffers so wide that ports never hold anybody up. */
const WIDE = freeDispatch({
  buffers: tinyDevice().buffers.map((b) => ({ ...b, bytesPerCyclePerPort: 1e6, ports: 8 })),
});

/** Wide buffers and a dispatcher that costs `changes`. */
function dispatch(changes: Partial<Device['dispatcher']>): Device {
  return { ...WIDE, dispatcher: { ...WIDE.dispatcher, ...changes } };
}

const starts = (timed: Timed): number[] => timed.started.map(({ start }) => start);

describe('tokens', () => {
  it('that the device has at reset are there at the start', () => {
    const device = freeDispatch({
      tokens: { counterBits: 4, initialCredits: { 'matrix>vector': 2 }, overflow: 'error' },
    });
    const waits = sync('vector', { wait: ['matrix'] });
    expect(starts(time([waits, waits, halt()], { device }))).toEqual([0, 1]);
    expect(errorOf(() => time([waits, waits, waits, halt()], { device })).code).toBe('simulator-deadlock');
  });
});

describe('units', () => {
  it('are pipelined: the next starts after the interval, results show after the latency', () => {
    const timed = time([work(40), work(40, 512), halt()], { device: WIDE });
    expect(timed.started.map(({ start, completed }) => [start, completed])).toEqual([
      [0, 12],
      [10, 22],
    ]);
    expect(timed.cycles).toBe(22);
    expect(unit(timed, 'vector')).toMatchObject({ busy: 20, idle: 2, token: 0 });
  });

  it('hold back an instruction that reads what an earlier one still writes', () => {
    const reads = time([work(40, 0), work(4, 512, 0), halt()], { device: WIDE });
    expect(starts(reads)).toEqual([0, 12]);
    expect(unit(reads, 'vector')).toMatchObject({ busy: 11, token: 2 });
    // What is only written is written in order.
    expect(starts(time([work(40, 0), work(4, 156), halt()], { device: WIDE }))).toEqual([0, 10]);
    // Reading what the earlier one reads, or the byte behind what it writes, is no reason to wait.
    expect(
      starts(time([work(40, 0), work(4, 512, 4096), work(4, 1024, 160), halt()], { device: WIDE })),
    ).toEqual([0, 10, 11]);
  });

  it('complete in order, so that a token never overtakes', () => {
    // A long latency, then a short one: the matrix engine's start-up is paid by the first.
    const slow = instruction('MM', 'matrix', matrixFields(0, 64), { release: ['vector'] });
    const quick = sync('matrix', { release: ['vector'] });
    const timed = time(
      [slow, quick, sync('vector', { wait: ['matrix'] }), sync('vector', { wait: ['matrix'] }), halt()],
      { device: WIDE },
    );
    const [mm, , first, second] = timed.started;
    expect(mm.completed).toBeGreaterThan(5);
    expect(first.start).toBe(mm.completed);
    expect(second.start).toBeGreaterThanOrEqual(mm.completed);
  });

  it('wait for tokens until their release, and say so', () => {
    const timed = time(
      [
        work(40, 0, 4096, { release: ['store'] }),
        store(at('data', 0), at('hbm', 0), 160, { wait: ['vector'] }),
        halt(),
      ],
      {
        device: WIDE,
      },
    );
    expect(starts(timed)).toEqual([0, 12]);
    expect(unit(timed, 'store')).toMatchObject({ token: 12, dispatch: 0 });
  });

  it('take several tokens at once where SYNC counts', () => {
    const producer = [
      work(4, 0, 4096, { release: ['matrix'] }),
      work(4, 64, 4096, { release: ['matrix'] }),
      work(4, 128, 4096, { release: ['matrix'] }),
    ];
    const timed = time(
      [
        ...producer,
        sync('matrix', { wait: ['vector'] }, 3),
        sync('matrix', { release: ['load'] }, 2),
        sync('load', { wait: ['matrix'] }, 2),
        halt(),
      ],
      { device: WIDE },
    );
    const waiting = timed.started.find((s) => s.instruction.source.queue === 'matrix');
    expect(waiting?.start).toBe(timed.started[2].completed);
  });
});

function matrixFields(out: number, n: number): Parameters<typeof instruction>[2] {
  return {
    mode: 0,
    bits: 8,
    group: 32,
    batch: 1,
    bShare: 1,
    m: 1,
    n,
    k: 32,
    finish: 1,
    a: at('data', 4096),
    aScale: at('data', 5000),
    b: at('weights', 0),
    out: at('data', out),
  };
}

describe('memories', () => {
  it('hold a load for as long as its bytes pass, and its results for the latency more', () => {
    const device = WIDE;
    const timed = time([load(at('hbm', 0), at('weights', 0), 1024), halt()], { device });
    const [one] = timed.started;
    // 4 channels of 1000 bytes per cycle, less refresh: 1024 bytes are one interleaving each.
    expect(unit(timed, 'load')).toMatchObject({ busy: 1, memory: 0 });
    // All of it, with the latency of the part, is over within the cycle.
    expect(one.completed).toBe(1);
    expect(timed.counters.memories.get('hbm')).toMatchObject({ weights: 1024, kv: 0 });
  });

  it('that others use are a stall of the memory, not work', () => {
    const device: Device = {
      ...WIDE,
      memories: WIDE.memories.map((m) => ({
        ...m,
        channels: 1,
        bytesPerSecondPerChannel: 1e7,
        efficiency: 1,
        dram: { ...m.dram, refresh: 'none' },
      })),
    };
    // 10 bytes per cycle for both; a unit asks ahead by what a row takes to open.
    const timed = time(
      [load(at('hbm', 0), at('weights', 0), 1000), store(at('data', 0), at('hbm', 4096), 1000), halt()],
      { device },
    );
    expect(unit(timed, 'load')).toMatchObject({ busy: 103, memory: 0 });
    expect(unit(timed, 'store')).toMatchObject({ busy: 103, memory: 101 });
    expect(accounted(unit(timed, 'store'))).toBe(timed.cycles);
  });

  it('a transfer of nothing costs its unit a cycle and the memory nothing', () => {
    const timed = time([load(at('hbm', 0), at('weights', 0), 0), halt()], { device: WIDE });
    expect(unit(timed, 'load').busy).toBe(1);
    expect(timed.counters.memories.get('hbm')?.weights).toBe(0);
  });
});

describe('buffer ports', () => {
  const narrow = (ports: number): Device =>
    freeDispatch({ buffers: tinyDevice().buffers.map((b) => ({ ...b, ports, bytesPerCyclePerPort: 4 })) });

  it('too narrow for an instruction stretch it', () => {
    // 40 floats in and out are 320 bytes at 4 per cycle; the lanes need 10 cycles.
    const timed = time([work(40), halt()], { device: narrow(1) });
    expect(unit(timed, 'vector')).toMatchObject({ busy: 10, bufferPort: 70 });
    expect(timed.started[0].completed).toBe(82);
  });

  it('that are all taken make a unit wait for the first that is free', () => {
    const stored = store(at('data', 2048), at('hbm', 0), 64);
    const one = time([work(40), stored, halt()], { device: narrow(1) });
    // The store moves 64 bytes through the one port first; queues that could start together go in their order.
    expect(starts(one)).toEqual([0, 16]);
    expect(unit(one, 'vector').bufferPort).toBe(16 + 70);
    const two = time([work(40), stored, halt()], { device: narrow(2) });
    expect(starts(two)).toEqual([0, 0]);
  });
});

describe('the dispatcher', () => {
  it('costs cycles per instruction, per operation of a field, and per iteration', () => {
    const device = dispatch({
      cyclesPerInstruction: 3,
      cyclesPerOperation: 5,
      cyclesPerIteration: 7,
      queueDepth: 64,
    });
    expect(starts(time([sync('load', {}), sync('load', {}), halt()], { device }))).toEqual([3, 6]);
    // An address with one addition and one multiplication: 2 operations.
    const dynamic = load(at('hbm', add(multiply(4, symbol('past')), 8)), at('weights', 0), 4);
    expect(starts(time([dynamic, halt()], { device, past: 3 }))).toEqual([3 + 2 * 5]);
    // LOOP, body; END with its iteration, body.
    expect(starts(time([...loop(0, 2, [sync('load', {})]), halt()], { device }))).toEqual([6, 6 + 3 + 7 + 3]);
  });

  it('is a stall of dispatch while it decodes, and idle time where it had stood still', () => {
    const device = dispatch({ cyclesPerInstruction: 3 });
    const timed = time([sync('load', {}), sync('vector', {}), halt()], { device });
    expect(unit(timed, 'load')).toMatchObject({ dispatch: 3, busy: 1 });
    expect(unit(timed, 'vector')).toMatchObject({ dispatch: 6, busy: 1, idle: 0 });
    for (const queue of ['load', 'vector', 'matrix'] as const)
      expect(accounted(unit(timed, queue))).toBe(timed.cycles);
  });

  it('stands still while a queue is full, and others starve', () => {
    const long = Array.from({ length: 4 }, (_, i) => work(400, 2000 * (i % 2)));
    const device = dispatch({ cyclesPerInstruction: 1, queueDepth: 2 });
    const timed = time([...long, sync('load', {}), halt()], { device });
    const last = timed.started.find((s) => s.instruction.source.queue === 'load');
    // The fourth is handed over when the second starts; the load comes a cycle later.
    expect(last?.start).toBe(timed.started[1].start + 1);
    const deep = time([...long, sync('load', {}), halt()], {
      device: dispatch({ cyclesPerInstruction: 1, queueDepth: 8 }),
    });
    expect(deep.started.find((s) => s.instruction.source.queue === 'load')?.start).toBe(5);
    expect(deep.cycles).toBe(timed.cycles);
  });

  it('fetches loop bodies once where its loop buffer holds them', () => {
    const body = [sync('load', {}), sync('vector', {})];
    const bytes = (loopBufferInstructions: number, trips: number): number =>
      time([...loop(0, trips, body), halt()], {
        device: dispatch({ loopBufferInstructions }),
      }).counters.memories.get('hbm')?.instructions ?? 0;
    expect(bytes(64, 100)).toBe(bytes(64, 1));
    expect(bytes(0, 3) - bytes(0, 2)).toBe(bytes(0, 2) - bytes(0, 1));
    expect(bytes(0, 3)).toBeGreaterThan(bytes(0, 1));
  });

  it('skips loops of no trips, and nests', () => {
    const inner = loop(1, symbol('i0'), [
      copyRows(at('data', 4096), at('data', add(multiply(256, symbol('i0')), multiply(16, symbol('i1')))), {
        rows: 1,
        cols: 4,
      }),
    ]);
    const timed = time([...loop(0, 4, inner), ...loop(0, symbol('past'), [work(4)]), halt()], {
      device: WIDE,
    });
    const written = timed.started.map(({ instruction: one, environment }) =>
      one.at(environment).offset('dst'),
    );
    expect(written).toEqual([256, 512, 528, 768, 784, 800]);
  });

  it('sets base registers', () => {
    const moved = copy(at('data', 4096), at('data', 0, { register: 5 }), 16);
    const timed = time(
      [
        ...loop(0, 2, [
          instruction('BASE', 'system', { register: 5, value: multiply(64, symbol('i0')) }),
          moved,
        ]),
        halt(),
      ],
      { device: WIDE },
    );
    expect(
      timed.started.map(({ instruction: one, environment }) => one.at(environment).offset('dst')),
    ).toEqual([0, 64]);
  });
});

describe('barriers', () => {
  it('hold the dispatcher until every unit has drained', () => {
    const device = dispatch({ cyclesPerInstruction: 1 });
    const timed = time(
      [work(400), sync('load', {}), instruction('BARRIER', 'system'), sync('store', {}), halt()],
      { device },
    );
    const [copied] = timed.started;
    const last = timed.started.find((s) => s.instruction.source.queue === 'store');
    // BARRIER is decoded meanwhile; what follows it is decoded after.
    expect(last?.start).toBe(copied.completed + 1);
    expect(unit(timed, 'store')).toMatchObject({ barrier: copied.completed, dispatch: 1 });
    for (const queue of ['load', 'vector', 'store'] as const)
      expect(accounted(unit(timed, queue))).toBe(timed.cycles);
  });

  it('order everything: no tokens are needed across one', () => {
    const timed = time(
      [load(at('hbm', 0), at('data', 0), 1024), instruction('BARRIER', 'system'), work(4, 64, 0), halt()],
      { device: WIDE },
    );
    expect(timed.started[1].start).toBeGreaterThanOrEqual(timed.started[0].completed);
  });
});

describe('programs that cannot go on', () => {
  it('wait for a token that nobody releases: every stuck head is named', () => {
    const error = errorOf(() =>
      time([
        sync('load', { wait: ['matrix'] }),
        sync('matrix', { wait: ['load'], release: ['load'] }),
        halt(),
      ]),
    );
    expect(error).toMatchObject({ code: 'simulator-deadlock', where: "entry 'main'" });
    expect(error.message).toContain('SYNC on load waits for matrix');
    expect(error.message).toContain('SYNC on matrix waits for load');
  });

  it('are stuck at a barrier, or behind a full queue', () => {
    expect(
      errorOf(() =>
        time([
          sync('load', { wait: ['matrix'] }),
          instruction('BARRIER', 'system'),
          sync('matrix', { release: ['load'] }),
          halt(),
        ]),
      ).code,
    ).toBe('simulator-deadlock');
    // The release stands behind more waits than the queue holds.
    const waits = Array.from({ length: 3 }, () => sync('load', { wait: ['matrix'] }));
    const device = dispatch({ queueDepth: 2 });
    const releases = Array.from({ length: 3 }, () => sync('matrix', { release: ['load'] }));
    expect(errorOf(() => time([...waits, ...releases, halt()], { device })).code).toBe('simulator-deadlock');
    expect(
      time([...waits, ...releases, halt()], { device: dispatch({ queueDepth: 3 }) }).started,
    ).toHaveLength(6);
  });

  it('release more tokens than a counter holds', () => {
    // Counters of 3 bits hold 7.
    const many = (count: number): Instruction[] => [sync('load', { release: ['matrix'] }, count), halt()];
    expect(time(many(7)).started).toHaveLength(1);
    expect(errorOf(() => time(many(8)))).toMatchObject({
      code: 'simulator-token-overflow',
      where: expect.stringContaining('load > matrix'),
      expected: 'at most 7',
      got: '8',
    });
  });

  it('have loops that do not nest', () => {
    expect(errorOf(() => time([instruction('END', 'system'), halt()])).code).toBe('program-loop');
    expect(errorOf(() => time([...loop(0, 2, []).slice(0, 1), halt()])).code).toBe('program-loop');
  });

  it('go through page tables, which this version does not follow', () => {
    expect(
      errorOf(() => time([load(at('hbm', 0, { page: true, register: 1 }), at('data', 0), 4), halt()])).code,
    ).toBe('simulator-unsupported');
  });
});

it('a ring runs as fast as its slower side, once it is full', () => {
  const slots = 2;
  const n = 50;
  const slot = multiply(256, modulo(symbol('i0'), slots));
  // 256 bytes take the load 64 cycles at 4 bytes per cycle; the matrix product takes 8 (32 / 4 steps).
  const device: Device = {
    ...WIDE,
    memories: WIDE.memories.map((m) => ({
      ...m,
      channels: 1,
      bytesPerSecondPerChannel: 4e6,
      dram: { ...m.dram, refresh: 'none' },
    })),
  };
  const fields = { ...matrixFields(0, 4), b: at('weights', slot) };
  const body = [
    load(at('hbm', 0), at('weights', slot), 256, { wait: ['matrix'], release: ['matrix'] }),
    instruction('MV', 'matrix', fields, { wait: ['load'], release: ['load'] }),
  ];
  const stream = [
    sync('matrix', { release: ['load'] }, slots),
    ...loop(0, n, body),
    sync('load', { wait: ['matrix'] }, slots),
    halt(),
  ];
  const timed = time(stream, { device });
  // Twice a part of a cycle: rows open at the start, and the end is rounded up.
  expect(unit(timed, 'load').busy).toBe(64 * n + 2);
  expect(unit(timed, 'load').token).toBeLessThan(100);
  expect(timed.cycles).toBeLessThan(64 * n + 100);
});
