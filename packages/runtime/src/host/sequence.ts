/** What the interpreter knows of one sequence: how far it has come, and where its caches are. */
import type { Segment } from './frame.js';

export interface Sequence {
  /** Its part of a call; only the call in progress reads the lengths. */
  readonly segment: Segment;
  /** Tokens so far. */
  position: number;
  isOpen: boolean;
}

/** An empty sequence over caches at these addresses, one per memory. */
export function newSequence(caches: readonly number[]): Sequence {
  return { segment: { first: 0, rows: 0, past: 0, caches }, position: 0, isOpen: true };
}
