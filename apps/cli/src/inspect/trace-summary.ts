/** What a trace holds: executions and busy cycles by unit. */
import type { Trace } from '@bitloom/ir';

export interface TraceSummary {
  readonly kind: 'trace';
  readonly model: string;
  readonly device: string;
  readonly clockHz: number;
  readonly rows: number;
  readonly dropped: number;
  /** Cycle in which the last instruction ends. */
  readonly cycles: number;
  readonly units: readonly {
    readonly name: string;
    readonly instructions: number;
    readonly busy: number;
    readonly waited: number;
  }[];
}

export function traceSummary(trace: Trace): TraceSummary {
  const { columns } = trace;
  const units = trace.units.map((name) => ({ name, instructions: 0, busy: 0, waited: 0 }));
  let cycles = 0;
  for (let row = 0; row < trace.rows; row++) {
    const unit = units[columns.unit[row]];
    cycles = Math.max(cycles, columns.end[row]);
    if (unit === undefined) continue;
    unit.instructions += 1;
    // What an instruction stood still for a memory or a port within its time is no work.
    const stalled = columns.stalled[row];
    unit.busy += columns.end[row] - columns.start[row] - stalled;
    unit.waited += columns.waited[row] + stalled;
  }
  return {
    kind: 'trace',
    model: trace.model,
    device: trace.device,
    clockHz: trace.clockHz,
    rows: trace.rows,
    dropped: trace.dropped,
    cycles,
    units: units.filter(({ instructions }) => instructions > 0),
  };
}
