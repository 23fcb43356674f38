/**
 * The chain of executions that made a recorded session as long as it is: from the last row of a trace back from blocker
 * to blocker. Only what is on it can make the session shorter. A pure function of the trace.
 */
import { STALL_CAUSES, type Trace } from '@bitloom/ir';

/**
 * What a stretch of the path is: `work` of a unit; `memory`, time in which the instruction stood for channels or a narrow
 * port; `latency` until its result was there for the next; `dispatch`, decoding; `barrier`, what a
 * barrier costs beyond the drain.
 */
export const PATH_CAUSES = ['work', 'memory', 'latency', 'dispatch', 'barrier'] as const;
export type PathCause = (typeof PATH_CAUSES)[number];

/** Cycles [start, end) of the path, in the order of time without gaps. */
export interface PathSegment {
  /** Row of the trace to which it is accounted. */
  readonly row: number;
  /** Index into the trace's units, and the core. */
  readonly unit: number;
  readonly core: number;
  /** Index into the trace's provenance. */
  readonly origin: number;
  readonly cause: PathCause;
  readonly start: number;
  readonly end: number;
}

/** Cycles of the path that have something in common. */
export interface PathShare {
  readonly name: string;
  readonly cause: PathCause;
  readonly cycles: number;
}

export interface CriticalPath {
  /** Cycles from the start of the session to the end of the last row. */
  readonly cycles: number;
  readonly segments: readonly PathSegment[];
  /** By unit, by layer (`layer 3`, `outside`) and by op, each with its cause; the largest first. */
  readonly units: readonly PathShare[];
  readonly layers: readonly PathShare[];
  readonly ops: readonly PathShare[];
}

/** The critical path of a trace. Where rows were dropped, it is that of the recorded part. */
export function criticalPath(trace: Trace): CriticalPath {
  const segments = walkBack(trace).reverse();
  const { provenance, units } = trace;
  const layerOf = (origin: number): string => {
    const layer = provenance[origin]?.layer ?? -1;
    return layer < 0 ? 'outside' : `layer ${layer}`;
  };
  return {
    cycles: segments.at(-1)?.end ?? 0,
    segments,
    units: shares(segments, ({ unit }) => units[unit]),
    layers: shares(segments, ({ origin }) => layerOf(origin)),
    ops: shares(segments, ({ origin }) => provenance[origin]?.op ?? 'unknown'),
  };
}

function walkBack({ rows, columns, units }: Trace): PathSegment[] {
  const { unit, core, origin, start, end, cause, waited, stalled, blocker } = columns;
  const out: PathSegment[] = [];
  const add = (row: number, what: PathCause, from: number, to: number): void => {
    if (to <= from) return;
    out.push({
      row,
      unit: unit[row],
      core: core[row],
      origin: origin[row],
      cause: what,
      start: from,
      end: to,
    });
  };
  let row = -1;
  for (let i = 0; i < rows; i++) if (row < 0 || end[i] >= end[row]) row = i;
  if (row < 0) return out;
  let until = end[row];
  let gap: PathCause = 'latency';
  for (;;) {
    const done = Math.min(end[row], until);
    const worked = done - Math.min(stalled[row], Math.max(0, done - start[row]));
    add(row, gap, done, until);
    add(row, 'memory', Math.max(worked, start[row]), done);
    add(row, 'work', start[row], worked);
    until = Math.min(until, start[row]);
    const before = blocker[row];
    const why = waited[row] > 0 ? STALL_CAUSES[cause[row]] : 'none';
    if (before < 0) {
      add(row, 'dispatch', 0, until);
      return out;
    }
    // What an exchange waits for is the last core's own chain.
    const isBarrier = why === 'barrier' && units[unit[row]] !== 'exchange';
    gap = why === 'dispatch' ? 'dispatch' : isBarrier ? 'barrier' : 'latency';
    // A dispatcher that went on when `before` was taken from its queue did not wait for its end.
    if (why === 'dispatch' && end[before] > until) {
      add(row, 'dispatch', start[before], until);
      until = start[before];
    }
    row = before;
  }
}

function shares(segments: readonly PathSegment[], nameOf: (segment: PathSegment) => string): PathShare[] {
  const cycles = new Map<string, { name: string; cause: PathCause; cycles: number }>();
  for (const segment of segments) {
    const name = nameOf(segment);
    const key = `${segment.cause} ${name}`;
    const known = cycles.get(key) ?? { name, cause: segment.cause, cycles: 0 };
    known.cycles += segment.end - segment.start;
    cycles.set(key, known);
  }
  return [...cycles.values()].sort((a, b) => b.cycles - a.cycles || (a.name < b.name ? -1 : 1));
}
