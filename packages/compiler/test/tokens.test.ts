/** Token insertion: the edges it adds, those it leaves out, and an oracle over random sequences. */
import { type Instruction, type QueueName, symbol } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Draft, InstructionDraft, LoopDraft, Touch } from '../src/draft.js';
import { type ResolvedItem, TokenPass } from '../src/tokens.js';
import { errorOf } from './support/errors.js';
import { type Executed, orderOf } from './support/order.js';

const NO_RINGS = { ringPairs: new Set<string>() };

const read = (start: number, end: number): Touch => ({ space: 'data', start, end, write: false });
const write = (start: number, end: number): Touch => ({ space: 'data', start, end, write: true });

function draft(queue: QueueName, ...touches: Touch[]): InstructionDraft {
  return {
    kind: 'instruction',
    name: 'VEC',
    queue,
    fields: {},
    touches,
    ringWait: [],
    ringRelease: [],
    origin: 0,
  };
}

function loop(...body: InstructionDraft[]): LoopDraft {
  return { kind: 'loop', variable: 1, trips: symbol('seq'), body, origin: 0 };
}

function instructions(items: readonly ResolvedItem[]): Instruction[] {
  return items.flatMap((item) => (item.kind === 'emitted' ? [item.instruction] : []));
}

/** `queue <waits >releases` of each instruction; control by name. */
function text(drafts: readonly Draft[], options = NO_RINGS): string[] {
  return instructions(new TokenPass(options).run(drafts)).map(({ name, queue, wait, release }) => {
    const head = name === 'VEC' ? queue : name === 'SYNC' ? `sync ${queue}` : name;
    return [head, ...wait.map((q) => `<${q}`), ...release.map((q) => `>${q}`)].join(' ');
  });
}

describe('edges', () => {
  it('orders a read behind a write, a write behind a read, and a write behind a write', () => {
    expect(text([draft('fetch', write(0, 64)), draft('vector', read(0, 64))])).toEqual([
      'fetch >vector',
      'vector <fetch',
    ]);
    expect(text([draft('vector', read(0, 64)), draft('fetch', write(63, 65))])).toEqual([
      'vector >fetch',
      'fetch <vector',
    ]);
    expect(text([draft('vector', write(0, 64)), draft('matrix', write(0, 4))])).toEqual([
      'vector >matrix',
      'matrix <vector',
    ]);
  });

  it('adds none between reads, disjoint ranges, spaces, empty ranges, or within a queue', () => {
    const other: Touch = { space: 'accumulator', start: 0, end: 64, write: true };
    for (const [first, second] of [
      [draft('fetch', read(0, 64)), draft('vector', read(0, 64))],
      [draft('fetch', write(0, 64)), draft('vector', read(64, 128))],
      [draft('fetch', write(0, 64)), draft('vector', other)],
      [draft('fetch', write(32, 32)), draft('vector', read(0, 64))],
    ]) {
      expect(text([first, second])).toEqual(['fetch', 'vector']);
    }
    expect(text([draft('vector', write(0, 64)), draft('vector', write(0, 64))])).toEqual([
      'vector',
      'vector',
    ]);
  });

  it('follows chains: what an earlier token implies needs none', () => {
    // matrix learns of fetch through vector.
    expect(
      text([
        draft('fetch', write(0, 64)),
        draft('vector', read(0, 64), write(64, 128)),
        draft('matrix', read(0, 128)),
      ]),
    ).toEqual(['fetch >vector', 'vector <fetch >matrix', 'matrix <vector']);
    // Both waits are needed: fetch's second write is later than the one vector knew.
    expect(
      text([
        draft('fetch', write(0, 64)),
        draft('vector', read(0, 64), write(64, 128)),
        draft('fetch', write(128, 192)),
        draft('matrix', read(64, 192)),
      ]),
    ).toEqual(['fetch >vector', 'vector <fetch >matrix', 'fetch >matrix', 'matrix <fetch <vector']);
  });

  it('gives one token for several accesses, and a second only for a later producer', () => {
    const [a, b] = [draft('fetch', write(0, 64)), draft('fetch', write(64, 128))];
    expect(text([a, b, draft('vector', read(64, 128)), draft('vector', read(0, 64))])).toEqual([
      'fetch',
      'fetch >vector',
      'vector <fetch',
      'vector',
    ]);
    expect(text([a, b, draft('vector', read(0, 64)), draft('vector', read(64, 128))])).toEqual([
      'fetch >vector',
      'fetch >vector',
      'vector <fetch',
      'vector <fetch',
    ]);
  });

  it('remembers what a write of another queue covers only in part', () => {
    expect(
      text([draft('fetch', write(0, 128)), draft('matrix', write(0, 64)), draft('vector', read(64, 128))]),
    ).toEqual(['fetch >matrix >vector', 'matrix <fetch', 'vector <fetch']);
    // Of its own queue: the rest of the older write still stands.
    expect(
      text([draft('fetch', write(0, 128)), draft('fetch', write(0, 64)), draft('vector', read(64, 128))]),
    ).toEqual(['fetch >vector', 'fetch', 'vector <fetch']);
  });

  it('waits for every reader before a write', () => {
    expect(
      text([
        draft('fetch', write(0, 64)),
        draft('vector', read(0, 32)),
        draft('matrix', read(32, 64)),
        draft('store', read(0, 64)),
        draft('fetch', write(0, 64)),
      ]),
    ).toEqual([
      'fetch >store >matrix >vector',
      'vector <fetch >fetch',
      'matrix <fetch >fetch',
      'store <fetch >fetch',
      'fetch <store <matrix <vector',
    ]);
  });
});

describe('loops', () => {
  it('stand as one block between SYNCs; their insides keep their ring tokens', () => {
    const inner: InstructionDraft = {
      ...draft('matrix', read(0, 64), write(64, 128)),
      ringWait: ['load'],
      ringRelease: ['load'],
    };
    const producer: InstructionDraft = { ...draft('load'), ringWait: ['matrix'], ringRelease: ['matrix'] };
    const ringPairs = new Set(['load>matrix', 'matrix>load']);
    expect(
      text([draft('vector', write(0, 64)), loop(producer, inner), draft('store', read(64, 128))], {
        ringPairs,
      }),
    ).toEqual([
      'vector >matrix',
      'sync matrix <vector',
      'LOOP',
      'load <matrix >matrix',
      'matrix <load >load',
      'END',
      'sync matrix >store',
      'store <matrix',
    ]);
  });

  it('may hold several queues, each with waits and releases of its own', () => {
    expect(
      text([
        draft('vector', write(0, 64)),
        loop(draft('fetch', write(64, 128)), draft('matrix', read(0, 64))),
        draft('vector', write(0, 128)),
      ]),
    ).toEqual([
      'vector >matrix',
      'sync matrix <vector',
      'LOOP',
      'fetch',
      'matrix',
      'END',
      'sync fetch >vector',
      'sync matrix >vector',
      'vector <fetch <matrix',
    ]);
  });

  it('refuses a body whose queues touch the same bytes: nothing would order its iterations', () => {
    const run = (): unknown => text([loop(draft('fetch', write(0, 64)), draft('vector', read(0, 64)))]);
    expect(errorOf(run)).toMatchObject({ code: 'internal' });
  });

  it('puts no token on a pair that a ring owns', () => {
    const ringPairs = new Set(['fetch>matrix']);
    const run = (): unknown =>
      text([draft('fetch', write(0, 64)), draft('matrix', read(0, 64))], { ringPairs });
    expect(errorOf(run)).toMatchObject({ code: 'internal' });
    expect(errorOf(run).message).toContain('fetch>matrix');
  });
});

it('leaves frames where they stand', () => {
  const frame = { kind: 'frame', name: 'norm', layer: 1, live: [] } as const;
  const items = new TokenPass(NO_RINGS).run([
    draft('fetch', write(0, 64)),
    frame,
    draft('vector', read(0, 64)),
  ]);
  expect(items.map((item) => item.kind)).toEqual(['emitted', 'frame', 'emitted']);
});

describe('against an oracle', () => {
  const QUEUES = ['fetch', 'store', 'matrix', 'vector'] as const;
  const touch = fc
    .tuple(
      fc.constantFrom('data', 'accumulator', 'hbm') as fc.Arbitrary<Touch['space']>,
      fc.nat(30),
      fc.integer({ min: 0, max: 12 }),
      fc.boolean(),
    )
    .map(([space, start, length, isWrite]): Touch => ({ space, start, end: start + length, write: isWrite }));
  const anyDraft = fc
    .tuple(fc.constantFrom(...QUEUES), fc.array(touch, { minLength: 1, maxLength: 3 }))
    .map(([queue, touches]) => draft(queue, ...touches));
  const anyBlock = fc.oneof(
    { weight: 4, arbitrary: anyDraft },
    {
      weight: 1,
      arbitrary: fc
        .array(anyDraft, { minLength: 1, maxLength: 3 })
        .filter(isFree)
        .map((body) => loop(...body)),
    },
  );

  /** Whether the queues of a body have no bytes in common that one of them writes. */
  function isFree(body: readonly InstructionDraft[]): boolean {
    const executed = body.map(
      ({ queue, touches }, block): Executed => ({ queue, wait: [], release: [], touches, block }),
    );
    return orderOf(executed).unordered.length === 0;
  }

  /** Everything executed when each loop runs `trips` times. */
  function execute(drafts: readonly (InstructionDraft | LoopDraft)[], trips: number): Executed[] {
    const marked = drafts.map((item, block): InstructionDraft | LoopDraft => {
      const mark = (inner: InstructionDraft, i: number): InstructionDraft => ({
        ...inner,
        name: `${block}/${i}`,
      });
      return item.kind === 'loop' ? { ...item, body: item.body.map(mark) } : mark(item, 0);
    });
    const touchesOf = new Map<string, readonly Touch[]>();
    for (const item of marked)
      for (const inner of item.kind === 'loop' ? item.body : [item]) touchesOf.set(inner.name, inner.touches);
    const out: Executed[] = [];
    let body: Executed[] | undefined;
    for (const { name, queue, wait, release } of instructions(new TokenPass(NO_RINGS).run(marked))) {
      if (name === 'LOOP') body = [];
      else if (name === 'END') {
        for (let i = 0; i < trips; i++) out.push(...(body ?? []));
        body = undefined;
      } else {
        (body ?? out).push({
          queue,
          wait,
          release,
          touches: touchesOf.get(name) ?? [],
          block: Number.parseInt(name, 10),
        });
      }
    }
    return out;
  }

  it('orders every pair of conflicting accesses, whatever loops do, and leaves no token', () => {
    fc.assert(
      fc.property(fc.array(anyBlock, { maxLength: 24 }), fc.integer({ min: 0, max: 2 }), (drafts, trips) => {
        expect(orderOf(execute(drafts, trips))).toEqual({ unordered: [], left: 0 });
      }),
      { numRuns: 300 },
    );
  });

  it('adds no token that a straight sequence could do without', () => {
    fc.assert(
      fc.property(fc.array(anyDraft, { maxLength: 16 }), (drafts) => {
        const executed = execute(drafts, 1);
        executed.forEach((consumer, j) => {
          for (const from of consumer.wait) {
            const { producer, without } = withoutToken(executed, j, from);
            const { unordered } = orderOf(without);
            expect(unordered.length, `token ${producer} -> ${j}`).toBeGreaterThan(0);
          }
        });
      }),
      { numRuns: 100 },
    );
  });

  /** The sequence without the token that execution `j` takes from `from`. */
  function withoutToken(
    executed: readonly Executed[],
    j: number,
    from: QueueName,
  ): { producer: number; without: Executed[] } {
    const to = executed[j].queue;
    const rank = executed.slice(0, j).filter((step) => step.queue === to && step.wait.includes(from)).length;
    const producers = executed.flatMap((step, i) =>
      step.queue === from && step.release.includes(to) ? [i] : [],
    );
    const producer = producers[rank];
    const without = executed.map((step, i) => ({
      ...step,
      wait: i === j ? step.wait.filter((q) => q !== from) : step.wait,
      release: i === producer ? step.release.filter((q) => q !== to) : step.release,
    }));
    return { producer, without };
  }

  it('stays right once old accesses are pruned', () => {
    // One small range per draft, and now and then a queue that asks for all of them.
    const drafts = Array.from({ length: 900 }, (_, i) => {
      const queue = QUEUES[(i * 7) % 4];
      const start = (i * 37) % 600;
      if (i % 211 === 210) return draft(queue, read(0, 700));
      return draft(queue, i % 3 === 0 ? read(start, start + 3) : write(start, start + 2));
    });
    const executed = execute(drafts, 1);
    expect(orderOf(executed)).toEqual({ unordered: [], left: 0 });
  });
});
