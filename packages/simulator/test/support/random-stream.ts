/**
 * Random streams that cannot get stuck: in program order no wait stands before its release, and loop bodies give
 * back the tokens they take. They race freely on their data, which time does not mind.
 */
import { type Expression, type Instruction, multiply, type QueueName, symbol } from '@bitloom/ir';
import fc from 'fast-check';
import {
  at,
  copyRows,
  halt,
  instruction,
  load,
  loop,
  store,
  sync,
} from '../../../ir/test/support/tiny-program.js';

const QUEUES = ['load', 'fetch', 'store', 'matrix', 'vector'] as const;
type Unit = (typeof QUEUES)[number];

/** Bits of a seed that decide about one instruction. */
interface Choice {
  readonly queue: Unit;
  readonly size: number;
  readonly place: number;
  readonly takes: boolean;
  readonly gives: boolean;
  readonly partner: Unit;
}

const choice: fc.Arbitrary<Choice> = fc.record({
  queue: fc.constantFrom(...QUEUES),
  size: fc.nat(40),
  place: fc.nat(15),
  takes: fc.boolean(),
  gives: fc.boolean(),
  partner: fc.constantFrom(...QUEUES),
});

type Item =
  | { readonly kind: 'one'; readonly choice: Choice }
  | { readonly kind: 'loop'; readonly trips: Expression; readonly body: readonly Choice[] }
  | { readonly kind: 'barrier' };

const item: fc.Arbitrary<Item> = fc.oneof(
  { weight: 6, arbitrary: choice.map((one): Item => ({ kind: 'one', choice: one })) },
  {
    weight: 2,
    arbitrary: fc
      .record({
        trips: fc.constantFrom<Expression>(0, 1, 3, symbol('past')),
        body: fc.array(choice, { maxLength: 5 }),
      })
      .map((inner): Item => ({ kind: 'loop', ...inner })),
  },
  { weight: 1, arbitrary: fc.constant<Item>({ kind: 'barrier' }) },
);

interface Tokens {
  readonly wait: QueueName[];
  readonly release: QueueName[];
}

function make({ queue, size, place }: Choice, tokens: Tokens, inLoop: boolean): Instruction {
  const shift: Expression = inLoop ? multiply(64, symbol('i0')) : 0;
  const offset = 256 * place;
  switch (queue) {
    case 'load':
      return load(
        at('hbm', offset),
        at('weights', (offset / 4) % 2048),
        inLoop ? multiply(4, symbol('i0')) : 4 * size,
        tokens,
      );
    case 'fetch':
      return { ...load(at('hbm', shift), at('data', offset), 16 * size, tokens), queue: 'fetch' };
    case 'store':
      return store(at('data', offset), at('hbm', 16_384 + offset), 4 * size, tokens);
    case 'matrix':
      return instruction(
        size % 2 === 0 ? 'MM' : 'MV',
        'matrix',
        {
          bits: 8,
          group: 32,
          batch: 1,
          bShare: 1,
          m: 1 + (size % 3),
          n: size,
          k: 32,
          finish: 1,
          aRow: 32,
          outRow: 4 * size,
          a: at('data', offset),
          aScale: at('data', 64),
          b: at('weights', 0),
          out: at('data', 4096),
        },
        tokens,
      );
    case 'vector':
      return copyRows(
        at('data', offset),
        at('data', 4096),
        { rows: 1 + (place % 3), cols: size, srcRow: 4 * size, dstRow: 4 * size },
        tokens,
      );
  }
}

/** A stream as random as the rules allow; counters hold at most 7 tokens. */
export const randomStream: fc.Arbitrary<Instruction[]> = fc.array(item, { maxLength: 30 }).map((items) => {
  const counters = new Map<string, number>();
  const count = (key: string): number => counters.get(key) ?? 0;
  const place = (one: Choice, inLoop: boolean): Instruction => {
    const tokens: Tokens = { wait: [], release: [] };
    const taken = `${one.partner}>${one.queue}`;
    const given = `${one.queue}>${one.partner}`;
    if (one.takes && count(taken) > 0) {
      tokens.wait.push(one.partner);
      counters.set(taken, count(taken) - 1);
    }
    // A token to oneself would wait for one's own end.
    if (one.gives && one.partner !== one.queue && count(given) < 7) {
      tokens.release.push(one.partner);
      counters.set(given, count(given) + 1);
    }
    return make(one, tokens, inLoop);
  };
  const out: Instruction[] = [];
  for (const next of items) {
    if (next.kind === 'barrier') {
      out.push(instruction('BARRIER', 'system'));
    } else if (next.kind === 'one') {
      out.push(place(next.choice, false));
    } else {
      const body = next.body.map((one) => make(one, { wait: [], release: [] }, true));
      // A hand-over inside of the body, balanced by itself.
      if (count('load>vector') < 7)
        body.unshift(sync('load', { release: ['vector'] }), sync('vector', { wait: ['load'] }));
      out.push(...loop(0, next.trips, body));
    }
  }
  return [...out, halt()];
});
