/**
 * Bound on the work of an entry: loops multiply, so a short stream can ask for more than anyone can wait for.
 * Counts what the dispatcher meets at most, with trips at the upper ends of their intervals, in one pass over the
 * stream. Says nothing about cycles: one instruction may be long.
 */
import { bounds } from '../../expression.js';
import { isAddress } from '../instruction-fields.js';
import type { Intervals, StreamScope } from './stream-scope.js';

/** Most instructions that the streams of an entry may execute in one call. */
export const MOST_EXECUTED = 2 ** 30;

/**
 * Adds the instructions that a stream executes at most, LOOP and HALT once and END once per iteration.
 *
 * @param before instructions of the streams of the entry that were counted already
 * @returns the sum
 * @throws BitloomError `program-work`, at the loop that passes the bound
 */
export function checkWork(
  scope: StreamScope,
  intervals: readonly (Intervals | undefined)[],
  before: number,
): number {
  // Instructions of one turn of each open loop; the outermost is the entry itself.
  const turns: number[] = [before];
  const trips: number[] = [];
  for (const [index, { name, fields }] of scope.stream.instructions.entries()) {
    const names = intervals[index];
    const top = turns.length - 1;
    if (name === 'END') {
      const most = trips.pop() ?? 0;
      const body = (turns.pop() ?? 0) + 1;
      turns[top - 1] += most * body;
      const begin = scope.loops.byIndex.get(index)?.begin ?? index;
      if (turns[top - 1] > MOST_EXECUTED) failWork(scope, begin, most, body);
      continue;
    }
    if (names !== undefined) turns[top]++;
    if (name !== 'LOOP') continue;
    const value = fields.trips ?? 0;
    turns.push(0);
    trips.push(names === undefined || isAddress(value) ? 0 : Math.max(0, bounds(value, names).max));
  }
  return turns[0];
}

function failWork(scope: StreamScope, index: number, trips: number, body: number): never {
  return scope.fail('program-work', index, {
    message:
      'the entry may execute more instructions than a call is allowed, and passes the bound in this LOOP',
    expected: `at most ${MOST_EXECUTED} instructions in an entry`,
    got: `up to ${trips} trips of up to ${body} instructions`,
    hint: 'use larger tiles, or bound the symbols and the trips of the loops more tightly',
  });
}
