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
  private readonly ports = new Map<string, { readonly buffer: BufferDecl; readonly free: Float64Array }>();

  constructor(device: Device) {
    for (const buffer of device.buffers)
      this.ports.set(buffer.space, { buffer, free: new Float64Array(buffer.ports) });
  }

  /** Claims of the accesses of one instruction: one per buffer, reads and writes together. */
  claims(accesses: readonly Access[]): PortClaim[] {
    const bytes = new Map<string, number>();
    for (const access of accesses) {
      if (this.ports.has(access.space) && access.bytes > 0)
        bytes.set(access.space, (bytes.get(access.space) ?? 0) + access.bytes);
    }
    const out: PortClaim[] = [];
    for (const [space, amount] of bytes) {
      const found = this.ports.get(space);
      if (found === undefined) continue;
      out.push({
        buffer: found.buffer,
        free: found.free,
        cycles: Math.ceil(amount / found.buffer.bytesPerCyclePerPort),
      });
    }
    return out;
  }

  reset(): void {
    for (const { free } of this.ports.values()) free.fill(0);
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
