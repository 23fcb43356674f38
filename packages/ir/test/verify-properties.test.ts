/**
 * The verifier against an oracle that tries every order of execution: what it accepts is harmless, and a hazard,
 * an overflow or a left-over token that it reports is one that some order shows.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  add,
  BitloomError,
  type Expression,
  expandStream,
  type Instruction,
  modulo,
  multiply,
  type Program,
  type QueueName,
  symbol,
  type VerifiedEntry,
  type VerifyOptions,
  verifyProgram,
} from '../src/index.js';
import { allInterleavings } from './support/interleavings.js';
import {
  at,
  copy,
  halt,
  instruction,
  lengthSymbol,
  load,
  loop,
  store,
  sync,
  tinyDevice,
  tinyProgram,
} from './support/tiny-program.js';

/** Two-bit counters: at most 3 tokens. */
const DEVICE = tinyDevice({ tokens: { counterBits: 2, initialCredits: {}, overflow: 'error' } });
const LIMIT = 3;

function verdict(program: Program, options?: VerifyOptions): { code: string; entry?: VerifiedEntry } {
  try {
    return { code: 'accepted', entry: verifyProgram(program, DEVICE, options).entries[0] };
  } catch (error) {
    if (error instanceof BitloomError) return { code: error.code };
    throw error;
  }
}

/** Checks a straight program against the oracle and gives the verdict. */
function compare(instructions: readonly Instruction[]): string {
  const program = tinyProgram(instructions);
  const { code, entry } = verdict(program);
  const outcome = allInterleavings(program.entries[0].streams[0]);
  const most = Math.max(0, ...Object.values(outcome.most));
  if (entry !== undefined) {
    expect(outcome).toMatchObject({ hazard: false, deadlock: false, leftover: false });
    expect(most).toBeLessThanOrEqual(LIMIT);
    const bound = Object.fromEntries(Object.entries(entry.tokens).map(([name, { most: n }]) => [name, n]));
    expect(bound).toEqual(outcome.most);
  } else if (code === 'program-hazard') {
    expect(outcome.hazard).toBe(true);
  } else if (code === 'program-token-overflow') {
    expect(most).toBeGreaterThan(LIMIT);
  } else if (code === 'program-halt-tokens') {
    expect(outcome.leftover).toBe(true);
  } else {
    // Program order is a discipline: a token released later in the stream might still come in time.
    expect(code).toBe('program-token-underflow');
  }
  return code;
}

interface PipelineShape {
  readonly items: number;
  readonly inSlots: number;
  readonly outSlots: number;
  /** Which of the instructions that have their tokens comes next, again and again. */
  readonly choices: readonly number[];
}

const pipelineShape: fc.Arbitrary<PipelineShape> = fc.record({
  items: fc.integer({ min: 1, max: 3 }),
  inSlots: fc.integer({ min: 1, max: 3 }),
  outSlots: fc.integer({ min: 1, max: 2 }),
  choices: fc.array(fc.nat(2), { minLength: 9, maxLength: 9 }),
});

/** Two rows of 4 bytes in columns of a ring: neighbouring slots interleave. */
function column(base: number, slot: number, slots: number): { offset: number; row: number } {
  return { offset: base + 4 * slot, row: 4 * slots };
}

/** Load, copy, store of `items` items over two rings with credits, in some program order that the tokens allow. */
function pipeline({ items, inSlots, outSlots, choices }: PipelineShape): Instruction[] {
  const input = (item: number) => column(0, item % inSlots, inSlots);
  const output = (item: number) => column(512, item % outSlots, outSlots);
  const stages: ((item: number) => Instruction)[] = [
    (item) => {
      const { offset, row } = input(item);
      const fields = {
        src: at('hbm', 8 * item),
        dst: at('data', offset),
        length: 4,
        count1: 2,
        srcStride1: 4,
        dstStride1: row,
        count2: 1,
      };
      return instruction('LD', 'load', fields, { wait: ['vector'], release: ['vector'] });
    },
    (item) => {
      const [from, to] = [input(item), output(item)];
      const fields = {
        function: 0,
        batch: 1,
        rows: 2,
        cols: 1,
        src0: at('data', from.offset),
        src0Row: from.row,
        dst: at('data', to.offset),
        dstRow: to.row,
      };
      return instruction('VEC', 'vector', fields, { wait: ['load', 'store'], release: ['load', 'store'] });
    },
    (item) => {
      const { offset, row } = output(item);
      const fields = {
        src: at('data', offset),
        dst: at('hbm', 16_384 + 8 * item),
        length: 4,
        count1: 2,
        srcStride1: row,
        dstStride1: 4,
        count2: 1,
      };
      return instruction('ST', 'store', fields, { wait: ['vector'], release: ['vector'] });
    },
  ];
  const done = [0, 0, 0];
  const isReady = (stage: number): boolean => {
    if (done[stage] >= items) return false;
    if (stage === 0) return done[0] < done[1] + inSlots;
    if (stage === 1) return done[1] < done[0] && done[1] < done[2] + outSlots;
    return done[2] < done[1];
  };
  const body: Instruction[] = [];
  for (let step = 0; body.length < 3 * items; step++) {
    const ready = [0, 1, 2].filter(isReady);
    const stage = ready[choices[step % choices.length] % ready.length];
    body.push(stages[stage](done[stage]++));
  }
  return [
    sync('vector', { release: ['load'] }, inSlots),
    sync('store', { release: ['vector'] }, outSlots),
    ...body,
    sync('load', { wait: ['vector'] }, inSlots),
    sync('vector', { wait: ['store'] }, outSlots),
    halt(),
  ];
}

type Mutation = (list: readonly Instruction[], where: number, detail: number) => Instruction[];

const replaced = (
  list: readonly Instruction[],
  index: number,
  changes: Partial<Instruction>,
): Instruction[] => list.with(index, { ...list[index], ...changes });

const without = (mask: readonly QueueName[], detail: number): QueueName[] =>
  mask.filter((_, i) => i !== detail % Math.max(1, mask.length));

const MUTATIONS: Readonly<Record<string, Mutation>> = {
  'drop a wait': (list, i, detail) => replaced(list, i, { wait: without(list[i].wait, detail) }),
  'drop a release': (list, i, detail) => replaced(list, i, { release: without(list[i].release, detail) }),
  'drop a wait and a release to balance it': (list, i, detail) => {
    const [from] = list[i].wait.slice(detail % Math.max(1, list[i].wait.length));
    const source = list.findIndex(
      (other) => other.queue === from && other.release.includes(list[i].queue) && other.name !== 'SYNC',
    );
    if (from === undefined || source < 0) return [...list];
    const cut = replaced(list, i, { wait: list[i].wait.filter((queue) => queue !== from) });
    return replaced(cut, source, { release: cut[source].release.filter((queue) => queue !== list[i].queue) });
  },
  'one credit more': (list, i, detail) => {
    const index = i % 2;
    const drain = list.length - 3 + index;
    const count = 2 + (detail % 2);
    return replaced(replaced(list, index, { fields: { count } }), drain, { fields: { count } });
  },
  'swap two instructions': (list, i) => {
    if (i + 1 >= list.length - 1) return [...list];
    return list.with(i, list[i + 1]).with(i + 1, list[i]);
  },
  'move an address': (list, i, detail) => {
    const { fields } = list[i];
    const [name] = ['dst', 'src', 'src0'].filter((key) => key in fields).slice(detail % 2);
    const value = name === undefined ? undefined : fields[name];
    if (value === undefined || typeof value !== 'object' || !('space' in value) || value.space !== 'data')
      return [...list];
    if (typeof value.offset !== 'number') return [...list];
    const offset = (value.offset + [4, 8, 508, 512][detail % 4]) % 1024;
    return replaced(list, i, { fields: { ...fields, [name]: { ...value, offset } } });
  },
};

describe('pipelines with rings', () => {
  it('are accepted as they are', () => {
    fc.assert(
      fc.property(pipelineShape, (shape) => {
        expect(compare(pipeline(shape))).toBe('accepted');
      }),
      { numRuns: 30 },
    );
  });

  it.each(Object.entries(MUTATIONS))('%s: refused, or harmless in every order', (_, mutate) => {
    fc.assert(
      fc.property(pipelineShape, fc.nat(), fc.nat(7), (shape, where, detail) => {
        const list = pipeline(shape);
        compare(mutate(list, where % (list.length - 1), detail));
      }),
      { numRuns: 40 },
    );
  });

  it('are refused after most mutations of tokens', () => {
    const shape = { items: 3, inSlots: 2, outSlots: 1, choices: [0, 0, 0, 1, 0, 0, 0, 0, 0] };
    const list = pipeline(shape);
    const verdicts = list.flatMap((item, i) => [
      ...item.wait.map((_, k) => compare(MUTATIONS['drop a wait'](list, i, k))),
      ...item.release.map((_, k) => compare(MUTATIONS['drop a release'](list, i, k))),
    ]);
    expect(verdicts.length).toBeGreaterThan(20);
    expect(verdicts.filter((code) => code === 'accepted')).toEqual([]);
  });
});

/** Random accesses and tokens: each wait is for a token that program order has, and none is left over. */
const randomProgram: fc.Arbitrary<Instruction[]> = fc
  .array(
    fc.record({
      queue: fc.constantFrom<QueueName>('load', 'vector', 'store'),
      slot: fc.nat(3),
      other: fc.nat(3),
      bytes: fc.constantFrom(8, 16),
      wait: fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
      release: fc.array(fc.nat(3), { minLength: 3, maxLength: 3 }),
    }),
    { minLength: 2, maxLength: 8 },
  )
  .map((steps) => {
    const queues: QueueName[] = ['load', 'vector', 'store'];
    const counters = new Map<string, number>();
    const list = steps.map(({ queue, slot, other, bytes, wait, release }) => {
      const waits = queues.filter((from, i) => wait[i] && (counters.get(`${from}>${queue}`) ?? 0) > 0);
      for (const from of waits) counters.set(`${from}>${queue}`, (counters.get(`${from}>${queue}`) ?? 0) - 1);
      const releases = queues.filter((to, i) => to !== queue && release[i] === 0);
      for (const to of releases) counters.set(`${queue}>${to}`, (counters.get(`${queue}>${to}`) ?? 0) + 1);
      const tokens = { wait: waits, release: releases };
      const [a, b] = [at('data', 8 * slot), at('data', 256 + 8 * other)];
      if (queue === 'load') return load(at('hbm', 0), a, bytes, tokens);
      if (queue === 'store') return store(b, at('hbm', 16_384 + 8 * slot), bytes, tokens);
      return copy(a, b, bytes, tokens);
    });
    const drains = [...counters].flatMap(([name, count]) => {
      const [from, to] = name.split('>') as [QueueName, QueueName];
      return count > 0 ? [sync(to, { wait: [from] }, count)] : [];
    });
    return [...list, ...drains, halt()];
  });

describe('random programs', () => {
  it('are accepted if and only if no order of execution shows a hazard or an overflow', () => {
    const seen = new Map<string, number>();
    fc.assert(
      fc.property(randomProgram, (list) => {
        const code = compare(list);
        seen.set(code, (seen.get(code) ?? 0) + 1);
        expect(['accepted', 'program-hazard', 'program-token-overflow']).toContain(code);
      }),
      { numRuns: 250, seed: 20 },
    );
    // The property would say nothing if one verdict were all there is.
    expect(seen.get('accepted')).toBeGreaterThan(25);
    expect(seen.get('program-hazard')).toBeGreaterThan(25);
  });
});

describe('cut loops', () => {
  const [i0, i1] = [symbol('i0'), symbol('i1')];
  const shape = fc.record({
    slots: fc.integer({ min: 1, max: 6 }),
    step: fc.constantFrom(0, 16, 32),
    outerStep: fc.constantFrom(0, 32, 96),
    outerPhase: fc.nat(2),
    shift: fc.nat(3),
    bytes: fc.constantFrom(16, 32, 64),
  });
  /** A slot of a ring plus what moves with either loop. */
  const place = (part: typeof shape extends fc.Arbitrary<infer T> ? T : never): Expression =>
    add(
      multiply(32, modulo(add(i0, multiply(part.outerPhase, i1), part.shift), part.slots)),
      multiply(part.step, i0),
      multiply(part.outerStep, i1),
    );
  const numbers = fc.record({
    trips: fc.integer({ min: 1, max: 40 }),
    outerTrips: fc.integer({ min: 1, max: 14 }),
    credits: fc.integer({ min: 1, max: 3 }),
    hasBarrier: fc.boolean(),
  });

  it.each([
    ['one loop', false],
    ['two nested loops', true],
  ])('lead to the verdict of whole loops: %s', (_, isNested) => {
    const seen = new Map<string, number>();
    fc.assert(
      fc.property(numbers, shape, shape, (n, a, b) => {
        const body = [
          load(at('hbm', 0), at('data', place(a)), a.bytes, { wait: ['vector'], release: ['vector'] }),
          copy(at('data', place(b)), at('data', 4096), b.bytes, { wait: ['load'], release: ['load'] }),
        ];
        const barrier = n.hasBarrier && isNested ? [instruction('BARRIER', 'system')] : [];
        const inner = loop(0, isNested ? Math.min(14, n.trips) : n.trips, body);
        const list = [
          sync('vector', { release: ['load'] }, n.credits),
          ...loop(1, isNested ? n.outerTrips : 1, [...inner, ...barrier]),
          sync('load', { wait: ['vector'] }, n.credits),
          halt(),
        ];
        const program = tinyProgram(list);
        const cut = verdict(program).code;
        const whole = verdict(program, { maxIterations: 1000 }).code;
        // Iterations that a barrier keeps apart are sampled: that may miss a clash, but never makes one up.
        if (barrier.length === 0 || cut !== 'accepted') expect(cut).toBe(whole);
        seen.set(cut, (seen.get(cut) ?? 0) + 1);
      }),
      { numRuns: 150, seed: 3 },
    );
    expect(seen.get('accepted')).toBeGreaterThan(20);
    expect(seen.get('program-hazard')).toBeGreaterThan(20);
  });

  it('are kept whole where two accesses move differently', () => {
    // The copy overtakes the load in iteration 20 of 100 and meets it nowhere else.
    const list = loop(0, 100, [
      load(at('hbm', 0), at('data', add(320, multiply(16, i0))), 16),
      copy(at('data', multiply(32, i0)), at('data', 4096), 16),
    ]);
    expect(verdict(tinyProgram([...list, halt()])).code).toBe('program-hazard');
  });
});

describe('bounds that intervals prove', () => {
  it('hold at every length', () => {
    const [seq, past, i0] = [symbol('seq'), symbol('past'), symbol('i0')];
    const part = fc.record({
      s: fc.nat(8),
      p: fc.nat(8),
      i: fc.nat(32),
      c: fc.nat(64),
      by: fc.integer({ min: 1, max: 5 }),
    });
    const sum = ({
      s,
      p,
      i,
      c,
      by,
    }: {
      s: number;
      p: number;
      i: number;
      c: number;
      by: number;
    }): Expression => add(multiply(s, seq), multiply(p, past), multiply(4 * i, modulo(i0, by)), c);
    let proved = 0;
    fc.assert(
      fc.property(part, part, fc.integer({ min: 0, max: 5 }), (offset, rows, trips) => {
        const fields = {
          function: 0,
          batch: 1,
          rows: sum(rows),
          cols: 1,
          src0: at('data', 4096),
          dst: at('data', sum(offset)),
          dstRow: 8,
        };
        const list = [...loop(0, trips, [instruction('VEC', 'vector', fields)]), halt()];
        const program = tinyProgram(list, {
          symbols: [lengthSymbol('seq', 1, 5), lengthSymbol('past', 0, 5)],
          capacity: 100,
        });
        const { entry } = verdict(program, { samples: 0 });
        if (entry === undefined || entry.accesses.sampled > 0) return;
        proved++;
        for (let s = 1; s <= 5; s++) {
          for (let p = 0; p <= 5; p++) {
            for (const step of expandStream(program.entries[0].streams[0], { seq: s, past: p })) {
              for (const access of step.spec.accesses(step.fields))
                expect(access.end).toBeLessThanOrEqual(8192);
            }
          }
        }
      }),
      { numRuns: 100, seed: 5 },
    );
    expect(proved).toBeGreaterThan(20);
  });
});
