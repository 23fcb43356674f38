/**
 * Page script: the packed spans of a timeline as typed arrays by lane, see `timeline/timeline-data.ts` for the other
 * side. The function is put into the page as text: it may use nothing but its own body and the browser.
 */
import type { SpanLabel } from '../timeline/span-table.js';

/** Spans of one unit in the order of time, which do not overlap; times in cycles. */
export interface LaneSpans {
  readonly start: Float64Array;
  readonly end: Float64Array;
  readonly occupied: Float64Array;
  readonly stalled: Float64Array;
  readonly waited: Float64Array;
  readonly cause: Uint8Array;
  readonly label: Int32Array;
  /** Number in the whole timeline of the span that it waited for, -1 without one. */
  readonly blocker: Int32Array;
  readonly count: Int32Array;
}

export interface Timeline {
  readonly labels: readonly SpanLabel[];
  readonly lanes: readonly LaneSpans[];
  /** Lane of each span of the whole timeline, and its place there. */
  readonly laneOf: Uint8Array;
  readonly placeOf: Int32Array;
}

/** Undefined where the bytes end too early: a page has no typed errors to throw. */
export function readSpans(bytes: Uint8Array, spans: number, lanes: number): Timeline | undefined {
  let at = 0;
  let endsEarly = false;
  const unsigned = (): number => {
    let value = 0;
    let scale = 1;
    for (;;) {
      if (at >= bytes.length) {
        endsEarly = true;
        return 0;
      }
      const byte = bytes[at++];
      value += (byte % 128) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
  };
  const signed = (): number => {
    const value = unsigned();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  };
  const labelBytes = unsigned();
  if (endsEarly || at + labelBytes > bytes.length) return undefined;
  const labels: SpanLabel[] = JSON.parse(new TextDecoder().decode(bytes.subarray(at, at + labelBytes)));
  at += labelBytes;

  const laneOf = new Uint8Array(spans);
  const placeOf = new Int32Array(spans);
  const sizes = new Int32Array(lanes);
  for (let i = 0; i < spans; i++) {
    laneOf[i] = unsigned();
    placeOf[i] = sizes[laneOf[i]]++;
  }
  const all = Array.from(sizes, (size) => ({
    start: new Float64Array(size),
    end: new Float64Array(size),
    occupied: new Float64Array(size),
    stalled: new Float64Array(size),
    waited: new Float64Array(size),
    cause: new Uint8Array(size),
    label: new Int32Array(size),
    blocker: new Int32Array(size),
    count: new Int32Array(size),
  }));
  const fill = (put: (lane: (typeof all)[number], place: number, span: number) => void): void => {
    for (let i = 0; i < spans; i++) put(all[laneOf[i]], placeOf[i], i);
  };
  // Kept as differences until lengths are known: starts as gaps, waits as what they are more than the gap.
  fill((lane, i) => {
    lane.start[i] = signed();
  });
  fill((lane, i) => {
    lane.waited[i] = lane.start[i] + signed();
  });
  fill((lane, i) => {
    lane.start[i] += i === 0 ? 0 : lane.end[i - 1];
    lane.end[i] = lane.start[i] + unsigned();
  });
  fill((lane, i) => {
    lane.occupied[i] = lane.end[i] - lane.start[i] - unsigned();
  });
  fill((lane, i) => {
    lane.stalled[i] = unsigned();
  });
  fill((lane, i) => {
    lane.cause[i] = unsigned();
  });
  fill((lane, i) => {
    lane.label[i] = unsigned();
  });
  fill((lane, i, span) => {
    const distance = signed();
    lane.blocker[i] = distance === 0 ? -1 : span - distance;
  });
  fill((lane, i) => {
    lane.count[i] = unsigned() + 1;
  });
  return endsEarly ? undefined : { labels, lanes: all, laneOf, placeOf };
}
