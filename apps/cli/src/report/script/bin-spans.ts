/**
 * Page script: cycles of the spans of one unit summed by column of pixels, so that any number of them can be drawn.
 * The function is put into the page as text: it may use nothing but its own body.
 */
import type { LaneSpans } from './read-spans.js';

export interface Bins {
  /** Cycles in each column in which the unit worked, and in which an instruction stood in it without work. */
  readonly busy: Float64Array;
  readonly stalled: Float64Array;
  /** Cycles waited, by cause and column: cause * columns + column. */
  readonly waits: Float64Array;
  /** Label of the span with the most work in the column, -1 where there is none. */
  readonly leader: Int32Array;
}

/**
 * @param first first span that ends after `from`
 * @param least spans and waits of at least that many cycles are left out: they are drawn one by one
 * @returns sums by column of [from, to); cycles of a span or wait are spread evenly over it, none is lost
 */
export function binSpans(
  lane: LaneSpans,
  first: number,
  from: number,
  to: number,
  columns: number,
  causes: number,
  least: number,
): Bins {
  const busy = new Float64Array(columns);
  const stalled = new Float64Array(columns);
  const waits = new Float64Array(columns * causes);
  const leader = new Int32Array(columns).fill(-1);
  const most = new Float64Array(columns);
  const perColumn = (to - from) / columns;
  /** Adds `cycles`, spread evenly over [start, end), to the columns that it covers. */
  const spread = (into: Float64Array, offset: number, start: number, end: number, cycles: number): void => {
    if (cycles <= 0 || end <= start) return;
    const low = Math.max(from, start);
    const high = Math.min(to, end);
    if (high <= low) return;
    const last = Math.min(columns - 1, Math.floor((high - from) / perColumn));
    const rate = cycles / (end - start);
    let column = Math.min(last, Math.floor((low - from) / perColumn));
    let at = low;
    for (; column < last; column++) {
      const edge = from + (column + 1) * perColumn;
      if (edge > at) into[offset + column] += rate * (edge - at);
      at = Math.max(at, edge);
    }
    if (high > at) into[offset + last] += rate * (high - at);
  };
  for (let i = first; i < lane.start.length; i++) {
    const start = lane.start[i];
    const end = lane.end[i];
    const gap = i === 0 ? lane.waited[i] : Math.min(lane.waited[i], start - lane.end[i - 1]);
    if (start - gap >= to) break;
    // Waits inside of a joined span are spread over it; the one before it stands before it.
    const inner = lane.waited[i] - gap;
    const offset = lane.cause[i] * columns;
    const worked = lane.occupied[i] - lane.stalled[i];
    const within = Math.min(inner, end - start - lane.occupied[i]);
    const column = Math.min(columns - 1, Math.max(0, Math.floor((start - from) / perColumn)));
    const left = from + column * perColumn;
    if (start - gap >= left && end <= left + perColumn && end - start < least && gap < least) {
      // All of it in one column, as most are where many are shown.
      busy[column] += worked;
      stalled[column] += lane.stalled[i];
      waits[offset + column] += gap + within;
      if (worked > most[column]) {
        most[column] = worked;
        leader[column] = lane.label[i];
      }
      continue;
    }
    if (gap < least) spread(waits, offset, start - gap, start, gap);
    if (end - start >= least) continue;
    spread(busy, 0, start, end, worked);
    spread(stalled, 0, start, end, lane.stalled[i]);
    spread(waits, offset, start, end, within);
    if (start < to && worked > most[column]) {
      most[column] = worked;
      leader[column] = lane.label[i];
    }
  }
  for (let column = 1; column < columns; column++) {
    if (leader[column] < 0 && busy[column] > 0) leader[column] = leader[column - 1];
  }
  return { busy, stalled, waits, leader };
}
