/**
 * Cuts a stream of text at the first stop string. Text that could still turn out to be the start of a stop string
 * is held back until it cannot.
 */
import { BitloomError } from '@bitloom/ir';

export interface StopFilter {
  /** Text that is now certain; `stopped` once a stop string is complete, which never shows. */
  push(text: string): { readonly text: string; readonly stopped: boolean };
  /** What is still held back, at the end of the stream. */
  end(): string;
}

/** @throws BitloomError `stop-string-empty` */
export function createStopFilter(stops: readonly string[]): StopFilter {
  if (stops.some((stop) => stop.length === 0)) {
    throw new BitloomError({
      code: 'stop-string-empty',
      message: 'a stop string is empty, so it would stop before any text',
      expected: 'stop strings of at least one character',
      got: '""',
      hint: 'leave it out',
    });
  }
  let held = '';
  return {
    push(text) {
      held += text;
      const at = firstMatch(held, stops);
      if (at >= 0) {
        const certain = held.slice(0, at);
        held = '';
        return { text: certain, stopped: true };
      }
      const keep = possibleStart(held, stops);
      const certain = held.slice(0, held.length - keep);
      held = held.slice(held.length - keep);
      return { text: certain, stopped: false };
    },
    end() {
      const rest = held;
      held = '';
      return rest;
    },
  };
}

/** Where the earliest stop string begins, or -1. */
function firstMatch(text: string, stops: readonly string[]): number {
  let first = -1;
  for (const stop of stops) {
    const at = text.indexOf(stop);
    if (at >= 0 && (first < 0 || at < first)) first = at;
  }
  return first;
}

/** Length of the longest end of `text` with which some stop string begins. */
function possibleStart(text: string, stops: readonly string[]): number {
  let longest = 0;
  for (const stop of stops) {
    for (let length = Math.min(stop.length - 1, text.length); length > longest; length -= 1) {
      if (text.endsWith(stop.slice(0, length))) {
        longest = length;
        break;
      }
    }
  }
  return longest;
}
