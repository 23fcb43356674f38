/**
 * Placement of short-lived buffers in one block of memory: each buffer is live over a range of steps, and two
 * buffers whose ranges meet never share bytes. Offsets only; whoever owns the memory adds its base.
 */

const ALIGNMENT = 64;

/** A buffer of `bytes` bytes that is live from step `first` to step `last`, both included. */
export interface BufferRequest {
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
}

/** Byte offset of each request, in their order, and the size of the block. */
export interface Placement {
  readonly offsets: readonly number[];
  readonly bytes: number;
}

/** Smallest multiple of `multiple` that is not below `value`. */
export function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}

/** Places buffers, largest first, each at the lowest offset free over its whole range. */
export function placeBuffers(requests: readonly BufferRequest[]): Placement {
  const order = requests
    .map((request, index) => ({ index, request, size: roundUp(request.bytes, ALIGNMENT) }))
    .sort((a, b) => b.size - a.size || a.index - b.index);
  const placed: { start: number; end: number; request: BufferRequest }[] = [];
  const offsets = new Array<number>(requests.length).fill(0);
  let bytes = 0;
  for (const { index, request, size } of order) {
    let start = 0;
    // `placed` stays sorted by start, so one sweep finds the lowest gap that fits.
    for (const other of placed) {
      const meets = other.request.first <= request.last && request.first <= other.request.last;
      if (!meets) continue;
      if (other.start >= start + size) break;
      if (other.end > start) start = other.end;
    }
    offsets[index] = start;
    bytes = Math.max(bytes, start + size);
    const at = placed.findIndex((other) => other.start > start);
    placed.splice(at < 0 ? placed.length : at, 0, { start, end: start + size, request });
  }
  return { offsets, bytes };
}
