/** Whether two stored tensors are one, stored twice: read in pieces up to the first difference. */
import { elementCount, readFloatsAsync, type StoredTensor } from './tensor-file.js';

/** Elements read at once. */
const PIECE = 1 << 20;

/** Whether two tensors have the same shape and the same values; NaN is no value, and equal to nothing. */
export async function holdSameValues(a: StoredTensor, b: StoredTensor): Promise<boolean> {
  if (a === b) return true;
  if (a.shape.length !== b.shape.length || a.shape.some((size, axis) => size !== b.shape[axis])) return false;
  const count = elementCount(a.shape);
  for (let start = 0; start < count; start += PIECE) {
    const length = Math.min(PIECE, count - start);
    const [left, right] = await Promise.all([
      readFloatsAsync(a, start, length),
      readFloatsAsync(b, start, length),
    ]);
    if (left.some((value, i) => value !== right[i])) return false;
  }
  return true;
}
