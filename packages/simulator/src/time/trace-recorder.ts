/**
 * Records executed instructions as columns that grow by doubling, up to a limit; what comes after is counted
 * and left out. Bytes that memories move are kept as a series of time.
 */
import { type Device, type Provenance, QUEUES, type Trace, type TraceColumns } from '@bitloom/ir';
import { ChannelSeries } from './channel-series.js';
import type { MemoryChannels } from './memory-channels.js';
import { MemorySeries } from './memory-series.js';

const DEFAULT_LIMIT = 2_000_000;

function allocate(rows: number): TraceColumns {
  return {
    unit: new Uint8Array(rows),
    core: new Uint8Array(rows),
    start: new Float64Array(rows),
    end: new Float64Array(rows),
    waited: new Float64Array(rows),
    cause: new Uint8Array(rows),
    stalled: new Float64Array(rows),
    blocker: new Int32Array(rows),
    origin: new Uint32Array(rows),
    opcode: new Uint8Array(rows),
  };
}

/** The columns with each array replaced. */
function mapColumns(
  { unit, core, start, end, waited, cause, stalled, blocker, origin, opcode }: TraceColumns,
  bytes: (column: Uint8Array) => Uint8Array,
  times: (column: Float64Array) => Float64Array,
  rows: (column: Int32Array) => Int32Array,
  words: (column: Uint32Array) => Uint32Array,
): TraceColumns {
  return {
    unit: bytes(unit),
    core: bytes(core),
    start: times(start),
    end: times(end),
    waited: times(waited),
    cause: bytes(cause),
    stalled: times(stalled),
    blocker: rows(blocker),
    origin: words(origin),
    opcode: bytes(opcode),
  };
}

export class TraceRecorder {
  private columns = allocate(1024);
  private rows = 0;
  private dropped = 0;
  /** The row that ends last of all so far, -1 before the first: what a later call had to wait for. */
  latest = -1;
  private readonly limit: number;
  private readonly device: Device;
  private readonly series: readonly MemorySeries[];
  private readonly channels: readonly { readonly series: ChannelSeries; readonly scratch: Float64Array }[];

  constructor(device: Device, limit = DEFAULT_LIMIT) {
    this.device = device;
    this.limit = limit;
    this.series = device.memories.map(() => new MemorySeries());
    this.channels = device.memories.map(({ channels }) => ({
      series: new ChannelSeries(channels),
      scratch: new Float64Array(channels),
    }));
  }

  /** @returns the index of the row, -1 when it is left out */
  record(
    core: number,
    unit: number,
    start: number,
    end: number,
    waited: number,
    cause: number,
    stalled: number,
    origin: number,
    opcode: number,
    blocker: number,
  ): number {
    if (this.rows >= this.limit) {
      this.dropped++;
      return -1;
    }
    if (this.rows >= this.columns.unit.length) this.grow();
    const { columns, rows } = this;
    columns.core[rows] = core;
    columns.unit[rows] = unit;
    columns.start[rows] = start;
    columns.end[rows] = end;
    columns.waited[rows] = waited;
    columns.cause[rows] = cause;
    columns.stalled[rows] = stalled;
    columns.origin[rows] = origin;
    columns.opcode[rows] = opcode;
    columns.blocker[rows] = blocker;
    if (this.latest < 0 || end >= columns.end[this.latest]) this.latest = rows;
    this.rows = rows + 1;
    return rows;
  }

  /**
   * Bytes that a memory, by its index in the device, moved in [start, end).
   * @param channels the memory, whose last transfer it was
   */
  moved(memory: number, start: number, end: number, bytes: number, channels: MemoryChannels): void {
    this.series[memory].add(start, end, bytes);
    const { scratch, series } = this.channels[memory];
    channels.channelBytes(scratch);
    series.add(start, end, scratch);
  }

  private grow(): void {
    const rows = this.columns.unit.length;
    const fit = <T extends { set(from: T): void }>(larger: T, column: T): T => {
      larger.set(column);
      return larger;
    };
    this.columns = mapColumns(
      this.columns,
      (column) => fit(new Uint8Array(2 * rows), column),
      (column) => fit(new Float64Array(2 * rows), column),
      (column) => fit(new Int32Array(2 * rows), column),
      (column) => fit(new Uint32Array(2 * rows), column),
    );
  }

  finish(names: { model: string; provenance: readonly Provenance[] }): Trace {
    const { rows, device } = this;
    return {
      kind: 'trace',
      model: names.model,
      device: device.name,
      clockHz: device.clockHz,
      units: [...QUEUES],
      provenance: names.provenance,
      rows,
      dropped: this.dropped,
      memories: device.memories.map(({ space }, i) => this.series[i].finish(space)),
      channels: device.memories.map(({ space }, i) => this.channels[i].series.finish(space)),
      columns: mapColumns(
        this.columns,
        (column) => column.slice(0, rows),
        (column) => column.slice(0, rows),
        (column) => column.slice(0, rows),
        (column) => column.slice(0, rows),
      ),
    };
  }
}
