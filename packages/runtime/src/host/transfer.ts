/**
 * Values that go from one memory of a model to another: mostly the residual stream, once per pass. The workspaces are
 * laid out the same, so a value has the same offset on both sides.
 */
import type { ShardMemory } from './compile-entry.js';
import type { RowCount } from './frame.js';
import type { Step } from './operations.js';
import type { PlannedValue } from './plan.js';

/** The step that copies the live rows of a value, and their scales where it has some. */
export function transferStep(value: PlannedValue, rows: RowCount, from: ShardMemory, to: ShardMemory): Step {
  const copy = (offset: number, rowBytes: number): Step => {
    const [source, target] = [from.kernels.arena, to.kernels.arena];
    const [start, at] = [from.workspace + offset, to.workspace + offset];
    return () => target.u8.set(source.u8.subarray(start, start + rows.rows * rowBytes), at);
  };
  const values = copy(value.offset, value.rowBytes);
  if (value.kind !== 'int8') return values;
  const scales = copy(value.scalesOffset, 4);
  return () => {
    values();
    scales();
  };
}
