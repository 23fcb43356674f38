/** Decode steps by themselves: each starts on an idle card, so any of them can be counted anywhere, in any order. */
import type { Device, Program } from '@bitloom/ir';
import { checkLengths, compileEntry, type EncodedLength, findEntry } from './compiled-stream.js';
import { type Counters, createCounters } from './time/counters.js';
import { TimedCard } from './time/timed-run.js';

/** `count` decode steps, the first of which reads a cache of `past` tokens. */
export interface StepRange {
  readonly past: number;
  readonly count: number;
}

/**
 * Counts ranges of decode steps of one program.
 * @throws BitloomError `program-entry-unknown`; the function it gives: `context-full`, `program-length`,
 *   `simulator-deadlock`
 */
export function stepCounter(
  program: Program,
  device: Device,
  encodedLength: EncodedLength,
): (range: StepRange) => Counters {
  const declared = findEntry(program, 'decode');
  const entry = compileEntry(program, declared, device, encodedLength);
  const card = new TimedCard(device);
  return ({ past, count }) => {
    const counters = createCounters(device);
    for (let i = 0; i < count; i++) {
      const lengths = { seq: 1, past: past + i };
      checkLengths(program, declared, lengths);
      card.run(entry, lengths, counters);
      counters.tokens += 1;
    }
    return counters;
  };
}
