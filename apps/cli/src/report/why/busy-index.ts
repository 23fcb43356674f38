/** How much of any stretch of time a unit worked, or what share of its peak a memory moved, by prefix sums. */
import type { MemoryActivity, Trace } from '@bitloom/ir';

/** Asked for [from, to) in cycles. */
export type Between = (from: number, to: number) => number;

/** @returns busy cycles of a unit of a core; stalls inside of an instruction are not busy */
export function unitBusy({ columns, rows, units }: Trace, core: number, unit: string): Between {
  const index = units.indexOf(unit);
  const own: number[] = [];
  for (let row = 0; row < rows; row++) {
    if (columns.unit[row] === index && columns.core[row] === core) own.push(row);
  }
  const starts = Float64Array.from(own, (row) => columns.start[row]);
  const sums = new Float64Array(own.length + 1);
  own.forEach((row, i) => {
    sums[i + 1] = sums[i] + columns.end[row] - columns.start[row] - columns.stalled[row];
  });
  const until = (cycle: number): number => {
    let [low, high] = [0, own.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (starts[middle] < cycle) low = middle + 1;
      else high = middle;
    }
    if (low === 0) return 0;
    const [start, end] = [starts[low - 1], columns.end[own[low - 1]]];
    const passed = end > start ? Math.min(1, (cycle - start) / (end - start)) : 1;
    return sums[low - 1] + passed * (sums[low] - sums[low - 1]);
  };
  return (from, to) => until(to) - until(from);
}

/** @returns bytes that a memory moved, spread evenly over each bucket of its series */
export function memoryMoved({ bucketCycles, bytes }: MemoryActivity): Between {
  const sums = new Float64Array(bytes.length + 1);
  bytes.forEach((moved, i) => {
    sums[i + 1] = sums[i] + moved;
  });
  const until = (cycle: number): number => {
    const at = Math.min(bytes.length, Math.max(0, cycle / bucketCycles));
    const whole = Math.floor(at);
    return sums[whole] + (at - whole) * (bytes[whole] ?? 0);
  };
  return (from, to) => until(to) - until(from);
}
