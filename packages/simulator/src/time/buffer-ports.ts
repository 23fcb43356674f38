/**
 * Ports of the on-chip buffers of one core: an instruction holds one port of each buffer it touches while its bytes
 * pass. With all ports taken it waits for the first that is free.
 */
import type { BufferDecl } from '@bitloom/ir';

export class BufferPorts {
  /** By buffer: cycle from which its first port is free. */
  private readonly earliest: Float64Array;
  /** By port, buffer after buffer: cycle from which it is free, and the trace row that held it last. */
  private readonly free: Float64Array;
  private readonly holder: Int32Array;
  /** First port of each buffer, and one past the last of all. */
  private readonly first: Int32Array;

  constructor(buffers: readonly BufferDecl[]) {
    this.earliest = new Float64Array(buffers.length);
    this.first = new Int32Array(buffers.length + 1);
    buffers.forEach(({ ports }, i) => {
      this.first[i + 1] = this.first[i] + ports;
    });
    this.free = new Float64Array(this.first[buffers.length]);
    this.holder = new Int32Array(this.first[buffers.length]).fill(-1);
  }

  /** First cycle from `at` on at which each of these buffers has a free port. */
  freeFrom(buffers: Int32Array, at: number): number {
    let latest = at;
    for (let i = 0; i < buffers.length; i++) {
      const free = this.earliest[buffers[i]];
      if (free > latest) latest = free;
    }
    return latest;
  }

  /** Takes a port of each of these buffers until `end`. */
  take(buffers: Int32Array, end: number, row: number): void {
    for (let i = 0; i < buffers.length; i++) this.takeOne(buffers[i], end, row);
  }

  /** Trace row that held the port for which a start at `at` had to wait, or -1. */
  holderUntil(buffers: Int32Array, at: number): number {
    for (const buffer of buffers) {
      if (this.earliest[buffer] === at) return this.holder[this.firstFree(buffer)];
    }
    return -1;
  }

  private firstFree(buffer: number): number {
    let best = this.first[buffer];
    for (let port = best + 1; port < this.first[buffer + 1]; port++) {
      if (this.free[port] < this.free[best]) best = port;
    }
    return best;
  }

  private takeOne(buffer: number, end: number, row: number): void {
    const { free, first } = this;
    let best = first[buffer];
    // Of the ports that stay as they are.
    let earliest = end;
    for (let port = best + 1; port < first[buffer + 1]; port++) {
      const staying = free[port] < free[best] ? free[best] : free[port];
      if (free[port] < free[best]) best = port;
      if (staying < earliest) earliest = staying;
    }
    free[best] = end;
    this.holder[best] = row;
    this.earliest[buffer] = earliest;
  }
}
