/**
 * Lengths of the call in progress. Compiled steps hold a reference and read the numbers when they run, so that one
 * list of steps serves every length and every number of sequences. The rows of all sequences lie one after the
 * other; ops that look at one token at a time take them together, the others go segment by segment.
 */

/** Number of rows of a value: of the call for values with a row per token or per sequence, constant for others. */
export interface RowCount {
  readonly rows: number;
}

/** The part of a call that belongs to one sequence. */
export interface Segment {
  /** Its first row among those of the call. */
  first: number;
  /** Its tokens in this call. */
  rows: number;
  /** Its tokens already cached. */
  past: number;
  /** Address of its caches in each memory of the model. */
  readonly caches: readonly number[];
}

/** The live lengths of the interpreter of a model. */
export class Frame {
  /** Tokens of all sequences together. */
  readonly tokens = { rows: 0 };
  /** Sequences in the call; as many segments are live. */
  readonly sequences = { rows: 0 };
  readonly segments: Segment[] = [];

  /** The call is `rows` tokens of one sequence. */
  setSingle(segment: Segment, past: number, rows: number): void {
    segment.first = 0;
    segment.rows = rows;
    segment.past = past;
    this.segments[0] = segment;
    this.sequences.rows = 1;
    this.tokens.rows = rows;
  }

  /** The call has no rows yet; {@link append} adds them. */
  clear(): void {
    this.sequences.rows = 0;
    this.tokens.rows = 0;
  }

  /** Adds `rows` tokens of another sequence behind those already there. */
  append(segment: Segment, past: number, rows: number): void {
    segment.first = this.tokens.rows;
    segment.rows = rows;
    segment.past = past;
    this.segments[this.sequences.rows] = segment;
    this.sequences.rows += 1;
    this.tokens.rows += rows;
  }
}

/** A count that never changes. */
export function constantRows(rows: number): RowCount {
  return Object.freeze({ rows });
}
