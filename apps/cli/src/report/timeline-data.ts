/**
 * A trace made small enough for a page: spans by unit, in order. A short trace keeps every instruction; a longer one
 * joins neighbours of the same tile group, then of the same op, then of the same layer, and at last of the same slice
 * of time, until it fits. A joined span says how many instructions it stands for and for how long they were busy.
 */
import { INSTRUCTION_BY_OPCODE, type Provenance, STALL_CAUSES, type Trace } from '@bitloom/ir';

/** Most spans that a page carries. */
export const MAX_SPANS = 72_000;

/** What a span belongs to; spans point into a table of these. */
export interface SpanLabel {
  readonly op: string;
  readonly node: string;
  readonly layer: number;
  readonly tile: string;
  readonly instruction: string;
}

/** Spans of one unit as columns of equal length; times in cycles. */
export interface Lane {
  readonly unit: string;
  /** Start of each span, as the distance from the start of the one before. */
  readonly start: readonly number[];
  readonly length: readonly number[];
  /** Cycles of `length` in which the unit was busy. */
  readonly busy: readonly number[];
  readonly label: readonly number[];
  readonly waited: readonly number[];
  /** Index into `causes`. */
  readonly cause: readonly number[];
  /** Instructions in the span. */
  readonly count: readonly number[];
}

export interface TimelineData {
  /** Cycle in which the last span ends. */
  readonly cycles: number;
  readonly clockHz: number;
  readonly causes: readonly string[];
  readonly labels: readonly SpanLabel[];
  readonly lanes: readonly Lane[];
  /** What a span stands for. */
  readonly detail: string;
  /** Instructions of the run that are not in it. */
  readonly dropped: number;
}

interface Span {
  start: number;
  end: number;
  busy: number;
  label: SpanLabel;
  waited: number;
  cause: number;
  /** Cycles waited for `cause` alone. */
  causeCycles: number;
  count: number;
}

/** Ways to join neighbours, the finest first: spans with equal keys are one. */
const JOINS: readonly { readonly detail: string; readonly key: (label: SpanLabel) => string }[] = [
  { detail: 'nodes of the graph', key: ({ node, layer }) => `${layer} ${node}` },
  { detail: 'kinds of op in a layer', key: ({ op, layer }) => `${layer} ${op}` },
  { detail: 'layers', key: ({ layer }) => String(layer) },
];

/** @param limit most spans in all */
export function timelineData(trace: Trace, limit = MAX_SPANS): TimelineData {
  let lanes = spansByUnit(trace);
  let detail = 'single instructions';
  for (const join of JOINS) {
    if (total(lanes) <= limit) break;
    lanes = lanes.map((spans) => joinNeighbours(spans, join.key, (label) => ({ ...label, tile: '' })));
    detail = join.detail;
  }
  if (total(lanes) > limit) {
    const used = lanes.filter((spans) => spans.length > 0).length;
    const slice = Math.max(1, Math.ceil((lastEnd(lanes) * used) / limit));
    lanes = lanes.map((spans) => joinSlices(spans, slice));
    detail = `slices of ${slice} cycles`;
  }
  const labels = new Map<string, number>();
  const table: SpanLabel[] = [];
  const labelIndex = (label: SpanLabel): number => {
    const key = JSON.stringify(label);
    const known = labels.get(key);
    if (known !== undefined) return known;
    labels.set(key, table.length);
    return table.push(label) - 1;
  };
  return {
    cycles: lastEnd(lanes),
    clockHz: trace.clockHz,
    causes: STALL_CAUSES,
    lanes: lanes.flatMap((spans, unit) =>
      spans.length === 0 ? [] : [laneOf(trace.units[unit] ?? `unit ${unit}`, spans, labelIndex)],
    ),
    labels: table,
    detail,
    dropped: trace.dropped,
  };
}

const total = (lanes: readonly (readonly Span[])[]): number =>
  lanes.reduce((sum, { length }) => sum + length, 0);
const lastEnd = (lanes: readonly (readonly Span[])[]): number =>
  lanes.reduce((latest, spans) => Math.max(latest, spans.at(-1)?.end ?? 0), 0);

function spansByUnit(trace: Trace): Span[][] {
  const { columns, provenance } = trace;
  const lanes: Span[][] = trace.units.map(() => []);
  const labels = new Map<number, SpanLabel>();
  for (let row = 0; row < trace.rows; row++) {
    const [origin, opcode] = [columns.origin[row], columns.opcode[row]];
    const key = origin * 256 + opcode;
    const label = labels.get(key) ?? labelOf(provenance[origin], opcode);
    labels.set(key, label);
    const start = columns.start[row];
    const end = columns.end[row];
    lanes[columns.unit[row]]?.push({
      start,
      end,
      busy: end - start,
      label,
      waited: columns.waited[row],
      cause: columns.cause[row],
      causeCycles: columns.waited[row],
      count: 1,
    });
  }
  for (const spans of lanes) spans.sort((a, b) => a.start - b.start);
  return lanes;
}

function labelOf(origin: Provenance | undefined, opcode: number): SpanLabel {
  const instruction = INSTRUCTION_BY_OPCODE.get(opcode)?.name ?? `opcode ${opcode}`;
  const { op, node, layer, tile } = origin ?? { op: '', node: '', layer: -1, tile: '' };
  return { op, node, layer, tile, instruction };
}

function joinNeighbours(
  spans: readonly Span[],
  key: (label: SpanLabel) => string,
  joined: (label: SpanLabel) => SpanLabel,
): Span[] {
  const out: Span[] = [];
  let last: Span | undefined;
  let lastKey = '';
  for (const span of spans) {
    const spanKey = key(span.label);
    if (last !== undefined && spanKey === lastKey) {
      absorb(last, span);
      continue;
    }
    last = { ...span, label: joined(span.label) };
    lastKey = spanKey;
    out.push(last);
  }
  return out;
}

/** Spans that start in the same slice of time are one, named after the longest of them. */
function joinSlices(spans: readonly Span[], slice: number): Span[] {
  const out: Span[] = [];
  let longest = 0;
  let at = -1;
  for (const span of spans) {
    const index = Math.floor(span.start / slice);
    const last = out.at(-1);
    if (last === undefined || index !== at) {
      at = index;
      longest = span.busy;
      out.push({ ...span });
      continue;
    }
    if (span.busy > longest) {
      longest = span.busy;
      last.label = span.label;
    }
    absorb(last, span);
  }
  return out;
}

/** The main cause of waiting is the one with the most cycles in a single wait or run of equal waits. */
function absorb(into: Span, span: Span): void {
  into.end = Math.max(into.end, span.end);
  into.busy += span.busy;
  into.waited += span.waited;
  into.count += span.count;
  if (span.cause === into.cause) {
    into.causeCycles += span.causeCycles;
  } else if (span.causeCycles > into.causeCycles) {
    into.cause = span.cause;
    into.causeCycles = span.causeCycles;
  }
}

function laneOf(unit: string, spans: readonly Span[], labelIndex: (label: SpanLabel) => number): Lane {
  return {
    unit,
    start: spans.map(({ start }, i) => start - (i === 0 ? 0 : spans[i - 1].start)),
    length: spans.map(({ start, end }) => end - start),
    busy: spans.map(({ busy }) => busy),
    label: spans.map(({ label }) => labelIndex(label)),
    waited: spans.map(({ waited }) => waited),
    cause: spans.map(({ cause }) => cause),
    count: spans.map(({ count }) => count),
  };
}
