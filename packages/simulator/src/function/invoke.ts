/**
 * Calls with their arguments spelled out, by number of arguments. Spreading an array into a call costs several
 * times what the call itself costs, and cards make thousands of calls per token.
 */
import { internalError } from '@bitloom/ir';

export type NumericFunction = (...args: number[]) => void;

type Invoke = (f: NumericFunction, v: readonly number[]) => void;

const BY_ARITY: ReadonlyMap<number, Invoke> = new Map<number, Invoke>([
  [9, (f, v) => f(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8])],
  [11, (f, v) => f(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9], v[10])],
  [12, (f, v) => f(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9], v[10], v[11])],
  [13, (f, v) => f(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9], v[10], v[11], v[12])],
  [
    16,
    (f, v) =>
      f(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9], v[10], v[11], v[12], v[13], v[14], v[15]),
  ],
  [
    17,
    (f, v) =>
      f(
        v[0],
        v[1],
        v[2],
        v[3],
        v[4],
        v[5],
        v[6],
        v[7],
        v[8],
        v[9],
        v[10],
        v[11],
        v[12],
        v[13],
        v[14],
        v[15],
        v[16],
      ),
  ],
  [
    18,
    (f, v) =>
      f(
        v[0],
        v[1],
        v[2],
        v[3],
        v[4],
        v[5],
        v[6],
        v[7],
        v[8],
        v[9],
        v[10],
        v[11],
        v[12],
        v[13],
        v[14],
        v[15],
        v[16],
        v[17],
      ),
  ],
  [
    19,
    (f, v) =>
      f(
        v[0],
        v[1],
        v[2],
        v[3],
        v[4],
        v[5],
        v[6],
        v[7],
        v[8],
        v[9],
        v[10],
        v[11],
        v[12],
        v[13],
        v[14],
        v[15],
        v[16],
        v[17],
        v[18],
      ),
  ],
  [
    21,
    (f, v) =>
      f(
        v[0],
        v[1],
        v[2],
        v[3],
        v[4],
        v[5],
        v[6],
        v[7],
        v[8],
        v[9],
        v[10],
        v[11],
        v[12],
        v[13],
        v[14],
        v[15],
        v[16],
        v[17],
        v[18],
        v[19],
        v[20],
      ),
  ],
]);

/** The caller for that many arguments. */
export function invokeWith(count: number): Invoke {
  const invoke = BY_ARITY.get(count);
  if (invoke === undefined) throw internalError(`no call with ${count} arguments`);
  return invoke;
}
