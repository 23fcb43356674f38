/**
 * Ports of on-chip buffers: an instruction holds one port of each buffer it touches while its bytes pass. With
 * all ports taken it waits for the first that is free.
 */
import type { Access, BufferDecl, Device } from '@bitloom/ir';

export interface PortClaim {
  readonly buffer: BufferDecl;
  readonly free: Float64Array;
  /** Cycles its bytes need on one port. */
  readonly cycles: number;
}

export class BufferPorts {
  private readonly ports: readonly { readonly buffer: BufferDecl; readonly free: Float64Array }[];

  constructor(device: Device) {
    this.ports = device.buffers.map((buffer) => ({ buffer, free: new Float64Array(buffer.ports) }));
  }

  /** Claims of the accesses of one instruction: one per buffer, reads and writes together. */
  claims(accesses: readonly Access[]): PortClaim[] {
    const out: PortClaim[] = [];
    for (const { buffer, free } of this.ports) {
      let bytes = 0;
      for (const access of accesses) if (access.space === buffer.space) bytes += access.bytes;
      if (bytes > 0) out.push({ buffer, free, cycles: Math.ceil(bytes / buffer.bytesPerCyclePerPort) });
    }
    return out;
  }

  reset(): void {
    for (const { free } of this.ports) free.fill(0);
  }
}

/** First cycle at which every claim finds a free port. */
export function earliestPorts(claims: readonly PortClaim[]): number {
  let at = 0;
  for (const { free } of claims) {
    let first = Number.POSITIVE_INFINITY;
    for (let i = 0; i < free.length; i++) first = Math.min(first, free[i] ?? 0);
    at = Math.max(at, first);
  }
  return at;
}

/** Takes a port of each claimed buffer until `end`. */
export function takePorts(claims: readonly PortClaim[], end: number): void {
  for (const { free } of claims) {
    let best = 0;
    for (let i = 1; i < free.length; i++) if ((free[i] ?? 0) < (free[best] ?? 0)) best = i;
    free[best] = end;
  }
}
