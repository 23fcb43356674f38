/**
 * Rule (c): tokens in program order. One pass proves it for every trip count, because loop bodies leave all
 * counters as they found them.
 *
 * Why program order is enough against deadlock: take the first instruction in program order that has not ended.
 * All before it have ended, so all tokens counted up to it were released; those it waits for can have been taken
 * by its own queue only, which is in order. It is dispatched, too, for whatever fills the queues stands behind it.
 */
import type { Device } from '../../device/device.js';
import { BitloomError } from '../../error.js';
import { QUEUES, type QueueName } from '../instruction-fields.js';
import type { Instruction } from '../program.js';
import type { StreamScope } from './stream-scope.js';

const QUEUE_COUNT = QUEUES.length;

/** Index of the counter of tokens from one queue to another. */
export function counterIndex(from: QueueName, to: QueueName): number {
  return QUEUES.indexOf(from) * QUEUE_COUNT + QUEUES.indexOf(to);
}

/** Name of a counter, as devices and frames write it. */
export function counterName(index: number): string {
  return `${QUEUES[Math.floor(index / QUEUE_COUNT)]}>${QUEUES[index % QUEUE_COUNT]}`;
}

export const COUNTERS = QUEUE_COUNT * QUEUE_COUNT;

const COUNTER_INDICES: ReadonlyMap<string, number> = new Map(
  Array.from({ length: COUNTERS }, (_, i) => [counterName(i), i]),
);

/**
 * Counters from a record of `from>to` names.
 *
 * @throws BitloomError `token-counter-name`
 */
export function parseCounters(record: Readonly<Record<string, number>>, where: string): Int32Array {
  const out = new Int32Array(COUNTERS);
  for (const [name, count] of Object.entries(record)) {
    const index = COUNTER_INDICES.get(name);
    if (index === undefined || !Number.isInteger(count) || count < 0) {
      throw new BitloomError({
        code: 'token-counter-name',
        message: 'a token counter is written as `from>to` with a count',
        where,
        expected: `two of ${QUEUES.join(', ')}, and a count of 0 or more`,
        got: `${name}: ${count}`,
      });
    }
    out[index] = count;
  }
  return out;
}

/** Tokens per masked queue that an instruction waits for and releases. */
export function tokenCount(instruction: Instruction): number {
  const count = instruction.name === 'SYNC' ? instruction.fields.count : 1;
  return typeof count === 'number' ? Math.max(1, count) : 1;
}

/** Most tokens a counter holds. */
export function counterLimit(device: Device): number {
  return 2 ** device.tokens.counterBits - 1;
}

/**
 * Proves the token protocol of a stream; gives the most tokens in each counter in program order.
 *
 * @throws BitloomError `program-token-underflow`, `program-token-overflow`, `program-loop-unbalanced`,
 *   `program-frame-tokens`, `program-halt-tokens`
 */
export function checkTokens(scope: StreamScope): Int32Array {
  const limit = counterLimit(scope.device);
  const counters = parseCounters(scope.device.tokens.initialCredits, `device '${scope.device.name}'`);
  const most = counters.slice();
  const atLoop: Int32Array[] = [];
  for (const [index, instruction] of scope.stream.instructions.entries()) {
    const count = tokenCount(instruction);
    for (const from of instruction.wait) {
      const counter = counterIndex(from, instruction.queue);
      if (counters[counter] < count) failUnderflow(scope, index, counter, count, counters[counter]);
      counters[counter] -= count;
    }
    for (const to of instruction.release) {
      const counter = counterIndex(instruction.queue, to);
      counters[counter] += count;
      if (counters[counter] > limit) failOverflow(scope, index, counter, counters[counter]);
      most[counter] = Math.max(most[counter], counters[counter]);
    }
    if (instruction.name === 'LOOP') atLoop.push(counters.slice());
    if (instruction.name === 'END') checkBalance(scope, index, atLoop.pop() ?? counters, counters);
    if (instruction.name === 'FRAME') checkFrameTokens(scope, index, counters);
    if (instruction.name === 'HALT') {
      failIfDifferent(scope, 'program-halt-tokens', index, new Int32Array(COUNTERS), counters, {
        message: 'tokens are left over at HALT',
        hint: 'let the receiving queue wait for them with a SYNC',
      });
    }
  }
  return most;
}

function failUnderflow(
  scope: StreamScope,
  index: number,
  counter: number,
  want: number,
  have: number,
): never {
  return scope.fail('program-token-underflow', index, {
    message: `waits for a token ${counterName(counter)} that nothing before it releases`,
    expected: `at least ${want}`,
    got: String(have),
    hint: 'release the token before this instruction in program order, or drop the wait',
  });
}

/** More tokens than a counter holds, in program order or (with `when`) in some order of execution. */
export function failOverflow(
  scope: StreamScope,
  index: number,
  counter: number,
  got: number,
  when = '',
): never {
  return scope.fail('program-token-overflow', index, {
    message: `releases more tokens ${counterName(counter)} than the counter holds${when}`,
    expected: `at most ${counterLimit(scope.device)}`,
    got: String(got),
    hint: 'let the receiving queue wait for them sooner, or hold the releasing queue back with a token',
  });
}

function checkBalance(scope: StreamScope, index: number, before: Int32Array, after: Int32Array): void {
  const begin = scope.loops.byIndex.get(index)?.begin ?? index;
  failIfDifferent(scope, 'program-loop-unbalanced', index, before, after, {
    message: `the body of the loop at instruction ${begin} does not leave the token counters as it found them`,
    hint: 'take each token in the iteration that releases it, and start skewed loops with credits before LOOP',
  });
}

function checkFrameTokens(scope: StreamScope, index: number, counters: Int32Array): void {
  const id = scope.stream.instructions[index].fields.frame ?? 0;
  const frame = typeof id === 'number' ? scope.entry.frames[id] : undefined;
  // A frame that is not in the table is reported by check-frames.
  if (frame === undefined) return;
  failIfDifferent(
    scope,
    'program-frame-tokens',
    index,
    parseCounters(frame.entryTokens, `frame '${frame.name}'`),
    counters,
    { message: `the token counters at frame '${frame.name}' are not those it declares` },
  );
}

function failIfDifferent(
  scope: StreamScope,
  code: string,
  index: number,
  expected: Int32Array,
  got: Int32Array,
  details: { message: string; hint?: string },
): void {
  const different = [...expected.keys()].filter((counter) => expected[counter] !== got[counter]);
  if (different.length === 0) return;
  const text = (counters: Int32Array): string =>
    different.map((counter) => `${counterName(counter)} = ${counters[counter]}`).join(', ');
  scope.fail(code, index, { ...details, expected: text(expected), got: text(got) });
}
