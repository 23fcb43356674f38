/**
 * A trace as Chrome trace events, which Perfetto opens: one thread per unit of a core with an event for each executed
 * instruction and for each wait before one, and a thread with the phases. Times are microseconds of card time.
 *
 * Source of the format: the "Trace Event Format" document of the Chromium project (complete and metadata events).
 */
import { INSTRUCTION_BY_OPCODE, type Report, STALL_CAUSES, type Trace } from '@bitloom/ir';

const PROCESS = 1;
/** Thread of the phases; units follow. */
const PHASES = 0;
/** Rows that are turned into text at a time. */
const BATCH = 4096;

/**
 * @param isOneCall whether the trace is of one call, so that phases of the run stand nowhere in it
 * @returns the JSON document in pieces, so that a long trace need not be one string
 */
export function* chromeTrace(trace: Trace, report: Report, isOneCall = false): Generator<string> {
  const microseconds = 1e6 / trace.clockHz;
  const events = [...metadata(trace), ...(isOneCall ? [] : phaseEvents(report, microseconds))];
  yield `{"displayTimeUnit":"ns","otherData":${JSON.stringify(facts(trace, report))},"traceEvents":[\n`;
  yield events.map((event) => JSON.stringify(event)).join(',\n');
  for (let first = 0; first < trace.rows; first += BATCH) {
    yield rows(trace, first, Math.min(trace.rows, first + BATCH), microseconds);
  }
  yield '\n]}\n';
}

function facts(trace: Trace, report: Report): Record<string, string | number> {
  const { model, device, clockHz, rows: recorded, dropped } = trace;
  return { model, device, scheme: report.scheme, clockHz, recorded, dropped };
}

function metadata(trace: Trace): object[] {
  const name = (kind: string, tid: number, value: string): object => ({
    name: kind,
    ph: 'M',
    pid: PROCESS,
    tid,
    args: { name: value },
  });
  const order = (tid: number): object => ({
    name: 'thread_sort_index',
    ph: 'M',
    pid: PROCESS,
    tid,
    args: { sort_index: tid },
  });
  return [
    name('process_name', PHASES, `${trace.model} on ${trace.device}`),
    name('thread_name', PHASES, 'phases'),
    order(PHASES),
    ...usedThreads(trace).flatMap(([thread, called]) => [name('thread_name', thread, called), order(thread)]),
  ];
}

/** Thread of a unit of a core. */
const threadOf = ({ units }: Trace, core: number, unit: number): number => 1 + core * units.length + unit;

/** Threads of the units that executed something, with their names; the core is named where there are several. */
function usedThreads(trace: Trace): [thread: number, name: string][] {
  const { core, unit } = trace.columns;
  const used = new Map<number, [core: number, unit: number]>();
  for (let row = 0; row < trace.rows; row++) {
    used.set(threadOf(trace, core[row], unit[row]), [core[row], unit[row]]);
  }
  const several = [...used.values()].some(([own]) => own > 0);
  return [...used]
    .sort(([a], [b]) => a - b)
    .map(([thread, [own, index]]) => {
      const name = trace.units[index] ?? `unit ${index}`;
      return [thread, several ? `core ${own} ${name}` : name];
    });
}

function phaseEvents(report: Report, microseconds: number): object[] {
  let start = 0;
  return report.phases.flatMap(({ name, cycles, tokens, joules }) => {
    if (name === 'total' || cycles === 0) return [];
    const ts = start * microseconds;
    start += cycles;
    return [
      { name, ph: 'X', pid: PROCESS, tid: PHASES, ts, dur: cycles * microseconds, args: { tokens, joules } },
    ];
  });
}

function rows(trace: Trace, first: number, end: number, microseconds: number): string {
  const { columns, provenance } = trace;
  const lines: string[] = [];
  for (let row = first; row < end; row++) {
    const origin = provenance[columns.origin[row]];
    const tid = threadOf(trace, columns.core[row], columns.unit[row]);
    const start = columns.start[row];
    const cycles = columns.end[row] - start;
    const waited = columns.waited[row];
    const cause = STALL_CAUSES[columns.cause[row]] ?? 'none';
    if (waited > 0 && cause !== 'none') {
      lines.push(
        JSON.stringify({
          name: `wait: ${cause}`,
          cat: 'stall',
          ph: 'X',
          pid: PROCESS,
          tid,
          ts: (start - waited) * microseconds,
          dur: waited * microseconds,
          args: { cycles: waited, for: origin?.node ?? '' },
        }),
      );
    }
    lines.push(
      JSON.stringify({
        name: origin?.op ?? 'instruction',
        cat: trace.units[columns.unit[row]] ?? 'unit',
        ph: 'X',
        pid: PROCESS,
        tid,
        ts: start * microseconds,
        dur: cycles * microseconds,
        args: {
          instruction: INSTRUCTION_BY_OPCODE.get(columns.opcode[row])?.name ?? String(columns.opcode[row]),
          node: origin?.node ?? '',
          layer: origin?.layer ?? -1,
          tile: origin?.tile ?? '',
          cycles,
          waited,
          cause,
        },
      }),
    );
  }
  return lines.length === 0 ? '' : `,\n${lines.join(',\n')}`;
}
