/**
 * The rows of a trace as spans for a page. A trace of up to `limit` rows keeps each instruction as a span of its own.
 * Of a longer one the last rows do; the rows before them are joined with their neighbours on the same unit, by node,
 * then by op, then by layer, and at last by slice of time, until all of it fits. Spans are in the order of rows, which
 * is the order of time; nothing is lost: counts, occupied cycles, stalls and waits of a joined span are sums.
 */
import { INSTRUCTION_BY_OPCODE, type Trace } from '@bitloom/ir';

/** Most spans that a page carries. */
export const MAX_SPANS = 400_000;

/** Share of the spans that single instructions get where not all can be single. */
const SINGLE_SHARE = 0.75;

/** What a span belongs to; spans point into a table of these. */
export interface SpanLabel {
  readonly op: string;
  readonly node: string;
  readonly layer: number;
  /** Empty for a joined span. */
  readonly tile: string;
  readonly instruction: string;
}

/** A unit of a core. */
export interface LaneName {
  readonly core: number;
  readonly unit: string;
}

/** Columns of equal length; times in cycles. */
export interface SpanTable {
  readonly lanes: readonly LaneName[];
  readonly labels: readonly SpanLabel[];
  readonly lane: readonly number[];
  readonly start: readonly number[];
  readonly end: readonly number[];
  /** Cycles of the span in which an instruction stood in the unit, stalls included. */
  readonly occupied: readonly number[];
  /** Cycles of `occupied` in which it stood for memory channels or a narrow port. */
  readonly stalled: readonly number[];
  /** Cycles the unit waited before its instructions, and the main cause. */
  readonly waited: readonly number[];
  readonly cause: readonly number[];
  readonly label: readonly number[];
  /** The span that it waited for, -1 without one. */
  readonly blocker: readonly number[];
  /** Instructions in the span. */
  readonly count: readonly number[];
  /** How earlier instructions were joined; undefined when all are single. */
  readonly joined?: { readonly by: string; readonly until: number };
}

/** Units of a core from top to bottom; others follow in the order of the trace. */
const UNIT_ORDER: readonly string[] = ['load', 'fetch', 'matrix', 'vector', 'store', 'exchange'];

/** @param limit most spans, up to one per unit and slice more */
export function spanTable(trace: Trace, limit = MAX_SPANS): SpanTable {
  const lanes = usedLanes(trace);
  const rows = new Rows(trace, lanes);
  if (trace.rows <= limit) {
    rows.single(0);
    return rows.finish();
  }
  const cut = Math.max(0, trace.rows - Math.floor(limit * SINGLE_SHARE));
  const room = limit - (trace.rows - cut);
  const join = finestJoin(trace, cut, room, lanes.length);
  rows.joined(cut, join.key);
  rows.single(cut);
  return { ...rows.finish(), joined: { by: join.by, until: trace.columns.start[cut] ?? 0 } };
}

const laneKey = (core: number, unit: number): number => core * 256 + unit;

/** Units that executed something, with their place in the table of lanes by {@link laneKey}. */
function usedLanes({ columns, rows, units }: Trace): readonly (LaneName & { readonly key: number })[] {
  const used = new Set<number>();
  for (let row = 0; row < rows; row++) used.add(laneKey(columns.core[row], columns.unit[row]));
  const place = (unit: string): number => {
    const index = UNIT_ORDER.indexOf(unit);
    return index < 0 ? UNIT_ORDER.length : index;
  };
  return [...used]
    .map((key) => ({ key, core: key >> 8, unit: units[key & 255] ?? `unit ${key & 255}` }))
    .sort((a, b) => a.core - b.core || place(a.unit) - place(b.unit) || a.key - b.key);
}

/** What makes neighbours one span: rows of a unit that follow each other with the same key. */
type JoinKey = (row: number) => number;

interface Join {
  readonly by: string;
  readonly key: JoinKey;
}

function finestJoin(trace: Trace, cut: number, room: number, lanes: number): Join {
  const { columns, provenance } = trace;
  const byOrigin = (by: string, name: (origin: number) => string): Join => {
    const ids = new Map<string, number>();
    const keys = provenance.map((_, origin) => {
      const text = name(origin);
      const id = ids.get(text) ?? ids.size;
      ids.set(text, id);
      return id;
    });
    return { by, key: (row) => keys[columns.origin[row]] ?? -1 };
  };
  const joins = [
    byOrigin('nodes of the graph', (o) => `${provenance[o].layer} ${provenance[o].node}`),
    byOrigin('kinds of op in a layer', (o) => `${provenance[o].layer} ${provenance[o].op}`),
    byOrigin('layers', (o) => String(provenance[o].layer)),
  ];
  const fitting = joins.find((join) => countJoined(trace, cut, join.key) <= room);
  if (fitting !== undefined) return fitting;
  const until = columns.start[cut] ?? columns.end[cut - 1] ?? 1;
  const slice = Math.max(1, Math.ceil((until * lanes) / Math.max(1, room)));
  return { by: `slices of ${slice} cycles`, key: (row) => Math.floor(columns.start[row] / slice) };
}

function countJoined({ columns }: Trace, cut: number, key: JoinKey): number {
  const last = new Map<number, number>();
  let spans = 0;
  for (let row = 0; row < cut; row++) {
    const lane = laneKey(columns.core[row], columns.unit[row]);
    const own = key(row);
    if (last.get(lane) !== own) spans++;
    last.set(lane, own);
  }
  return spans;
}

/** Turns rows into spans, in the order of rows. */
class Rows {
  private readonly trace: Trace;
  private readonly lanes: readonly LaneName[];
  private readonly laneOf: Map<number, number>;
  private readonly labels: SpanLabel[] = [];
  private readonly labelOf = new Map<string, number>();
  private readonly known = new Map<number, number>();
  /** Span of each row. */
  private readonly spanOf: Int32Array;
  private readonly lane: number[] = [];
  private readonly start: number[] = [];
  private readonly end: number[] = [];
  private readonly occupied: number[] = [];
  private readonly stalled: number[] = [];
  private readonly waited: number[] = [];
  private readonly cause: number[] = [];
  private readonly label: number[] = [];
  private readonly blocker: number[] = [];
  private readonly count: number[] = [];

  constructor(trace: Trace, lanes: readonly (LaneName & { readonly key: number })[]) {
    this.trace = trace;
    this.lanes = lanes.map(({ core, unit }) => ({ core, unit }));
    this.laneOf = new Map(lanes.map(({ key }, i) => [key, i]));
    this.spanOf = new Int32Array(trace.rows).fill(-1);
  }

  single(from: number): void {
    for (let row = from; row < this.trace.rows; row++) this.open(row, true);
  }

  joined(until: number, key: JoinKey): void {
    const { columns } = this.trace;
    const open = this.lanes.map(() => ({ span: -1, key: -1, longest: 0, mostWaited: 0 }));
    for (let row = 0; row < until; row++) {
      const own = key(row);
      const current = open[this.laneOf.get(laneKey(columns.core[row], columns.unit[row])) ?? 0];
      const length = columns.end[row] - columns.start[row];
      if (current.span < 0 || current.key !== own) {
        const span = this.open(row, false);
        Object.assign(current, { span, key: own, longest: length, mostWaited: columns.waited[row] });
        continue;
      }
      const { span } = current;
      this.spanOf[row] = span;
      this.end[span] = Math.max(this.end[span], columns.end[row]);
      this.occupied[span] += length;
      this.stalled[span] += columns.stalled[row];
      this.waited[span] += columns.waited[row];
      this.count[span]++;
      if (length > current.longest) {
        current.longest = length;
        this.label[span] = this.labelIndex(row, false);
      }
      // The main cause is that of the longest wait in it, and so is what it waited for.
      if (columns.waited[row] > current.mostWaited) {
        current.mostWaited = columns.waited[row];
        this.cause[span] = columns.cause[row];
        this.blocker[span] = this.blockerOf(row);
      }
    }
  }

  finish(): SpanTable {
    const { lanes, labels, lane, start, end, occupied, stalled, waited, cause, label, blocker, count } = this;
    return { lanes, labels, lane, start, end, occupied, stalled, waited, cause, label, blocker, count };
  }

  private open(row: number, isSingle: boolean): number {
    const { columns } = this.trace;
    const span = this.lane.length;
    this.spanOf[row] = span;
    this.lane.push(this.laneOf.get(laneKey(columns.core[row], columns.unit[row])) ?? 0);
    this.start.push(columns.start[row]);
    this.end.push(columns.end[row]);
    this.occupied.push(columns.end[row] - columns.start[row]);
    this.stalled.push(columns.stalled[row]);
    this.waited.push(columns.waited[row]);
    this.cause.push(columns.cause[row]);
    this.label.push(this.labelIndex(row, isSingle));
    this.blocker.push(this.blockerOf(row));
    this.count.push(1);
    return span;
  }

  /** Blockers come before what they block, so their spans are known. */
  private blockerOf(row: number): number {
    const blocker = this.trace.columns.blocker[row] ?? -1;
    return blocker < 0 || blocker >= row ? -1 : this.spanOf[blocker];
  }

  private labelIndex(row: number, withTile: boolean): number {
    const origin = this.trace.columns.origin[row];
    const opcode = this.trace.columns.opcode[row];
    const quick = (origin * 256 + opcode) * 2 + (withTile ? 1 : 0);
    const known = this.known.get(quick);
    if (known !== undefined) return known;
    const instruction = INSTRUCTION_BY_OPCODE.get(opcode)?.name ?? `opcode ${opcode}`;
    const { op, node, layer, tile } = this.trace.provenance[origin] ?? {
      op: '',
      node: '',
      layer: -1,
      tile: '',
    };
    const label = { op, node, layer, tile: withTile ? tile : '', instruction };
    const text = JSON.stringify(label);
    const index = this.labelOf.get(text) ?? this.labels.push(label) - 1;
    this.labelOf.set(text, index);
    this.known.set(quick, index);
    return index;
  }
}
