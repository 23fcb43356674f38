/**
 * Records executed instructions as columns that grow by doubling, up to a limit; what comes after is counted
 * and left out.
 */
import { type Provenance, QUEUES, type Trace, type TraceColumns } from '@bitloom/ir';

const DEFAULT_LIMIT = 2_000_000;

function allocate(rows: number): TraceColumns {
  return {
    unit: new Uint8Array(rows),
    start: new Float64Array(rows),
    end: new Float64Array(rows),
    waited: new Float64Array(rows),
    cause: new Uint8Array(rows),
    origin: new Uint32Array(rows),
    opcode: new Uint8Array(rows),
  };
}

export class TraceRecorder {
  private columns = allocate(1024);
  private rows = 0;
  private dropped = 0;
  private readonly limit: number;

  constructor(limit = DEFAULT_LIMIT) {
    this.limit = limit;
  }

  record(
    unit: number,
    start: number,
    end: number,
    waited: number,
    cause: number,
    origin: number,
    opcode: number,
  ): void {
    if (this.rows >= this.limit) {
      this.dropped++;
      return;
    }
    if (this.rows >= this.columns.unit.length) this.grow();
    const { columns, rows } = this;
    columns.unit[rows] = unit;
    columns.start[rows] = start;
    columns.end[rows] = end;
    columns.waited[rows] = waited;
    columns.cause[rows] = cause;
    columns.origin[rows] = origin;
    columns.opcode[rows] = opcode;
    this.rows++;
  }

  private grow(): void {
    const larger = allocate(this.columns.unit.length * 2);
    larger.unit.set(this.columns.unit);
    larger.start.set(this.columns.start);
    larger.end.set(this.columns.end);
    larger.waited.set(this.columns.waited);
    larger.cause.set(this.columns.cause);
    larger.origin.set(this.columns.origin);
    larger.opcode.set(this.columns.opcode);
    this.columns = larger;
  }

  finish(names: {
    model: string;
    device: string;
    clockHz: number;
    provenance: readonly Provenance[];
  }): Trace {
    const { rows, columns } = this;
    return {
      kind: 'trace',
      ...names,
      units: [...QUEUES],
      rows,
      dropped: this.dropped,
      columns: {
        unit: columns.unit.slice(0, rows),
        start: columns.start.slice(0, rows),
        end: columns.end.slice(0, rows),
        waited: columns.waited.slice(0, rows),
        cause: columns.cause.slice(0, rows),
        origin: columns.origin.slice(0, rows),
        opcode: columns.opcode.slice(0, rows),
      },
    };
  }
}
