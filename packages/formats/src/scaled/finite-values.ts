/** What the scheme's NaN policy makes of values that are no finite numbers, before any scale is chosen. */
import { BitloomError, type NanPolicy } from '@bitloom/ir';

/**
 * The values with NaN and infinities replaced by the policy; the same array where there are none. An infinity saturates
 * at the largest finite magnitude of the tensor, and so does a NaN under the policy `max`.
 *
 * @throws BitloomError `quantize-not-finite` naming the element, under the policy `throw`
 */
export function finiteValues(data: Float32Array, policy: NanPolicy, shape: readonly number[]): Float32Array {
  const at = firstNotFinite(data);
  if (at === data.length) return data;
  if (policy === 'throw') throw notFinite(data[at], at, shape);
  let largest = 0;
  for (let i = 0; i < data.length; i += 1) {
    const magnitude = Math.abs(data[i]);
    if (magnitude > largest && magnitude < Number.POSITIVE_INFINITY) largest = magnitude;
  }
  const ofNan = policy === 'zero' ? 0 : largest;
  return data.map((value) => (Number.isNaN(value) ? ofNan : Math.max(-largest, Math.min(largest, value))));
}

/** @throws BitloomError `quantize-not-finite` naming the first element that is not */
export function requireAllFinite(data: Float32Array, shape: readonly number[]): void {
  const at = firstNotFinite(data);
  if (at < data.length) throw notFinite(data[at], at, shape);
}

function firstNotFinite(data: Float32Array): number {
  let at = 0;
  while (at < data.length && Number.isFinite(data[at])) at += 1;
  return at;
}

/** Indices along each axis of the element `index` of a row-major array. */
export function positionOf(index: number, shape: readonly number[]): string {
  const position: number[] = [];
  let rest = index;
  for (const dimension of [...shape].reverse()) {
    position.unshift(rest % dimension);
    rest = Math.floor(rest / dimension);
  }
  return `[${position.join(', ')}]`;
}

function notFinite(value: number, index: number, shape: readonly number[]): BitloomError {
  return new BitloomError({
    code: 'quantize-not-finite',
    message: 'a value to quantise is not finite',
    where: `element ${positionOf(index, shape)}`,
    expected: 'a finite float32',
    got: String(value),
    hint: "the checkpoint is damaged or was stored after an overflow; or choose the NaN policy 'zero' or 'max'",
  });
}
