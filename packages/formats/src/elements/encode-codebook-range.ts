/**
 * Fast encoding of float32 arrays by a code book, in the deterministic modes: since the code is monotonic in the value,
 * a threshold between each two neighbours says it all. The thresholds are found by asking the definition, so that
 * they are exact in every mode. One of the ways that `encode-ranges.ts` chooses among.
 */
import type { ElementFormat } from '@bitloom/ir';
import { type EncodePolicy, encodeElement, encodeNan } from './encode-element.js';
import type { EncodeRange } from './encode-ranges.js';

/** The loop for one code book and policy, whose rounding is not stochastic. */
export function encodeCodebookRange(format: ElementFormat, policy: EncodePolicy): EncodeRange {
  const values = [...new Set(format.values)].sort((a, b) => a - b);
  const codes = values.map((value) => encodeElement(value, format, policy));
  const rankOf = (value: number): number => codes.indexOf(encodeElement(value, format, policy));
  const thresholds = Float32Array.from({ length: values.length - 1 }, (_, i) =>
    smallestAbove(values[i], values[i + 1], (value) => rankOf(value) > i),
  );
  return (source, bits, out, start, end) => {
    for (let i = start; i < end; i += 1) {
      const value = source[i];
      if (Number.isNaN(value)) {
        out[i] = encodeNan(bits[i] >>> 31 === 1, format, policy.nan, `element ${i}`);
        continue;
      }
      let low = 0;
      let high = thresholds.length;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (value >= thresholds[middle]) low = middle + 1;
        else high = middle;
      }
      out[i] = codes[low];
    }
  };
}

/** The smallest float32 that is `above`, which is monotonic and changes from `low` to `high`. */
function smallestAbove(low: number, high: number, above: (value: number) => boolean): number {
  // `low` and `high` need not be float32: the next ones outside are certain.
  let below = orderOf(Math.fround(low)) - 1;
  let found = orderOf(Math.fround(high)) + 1;
  while (found - below > 1) {
    const middle = Math.floor((below + found) / 2);
    if (above(valueAt(middle))) found = middle;
    else below = middle;
  }
  return valueAt(found);
}

/** Position of a float32 among all of them in order; both zeros are 0. */
function orderOf(value: number): number {
  const bits = new Int32Array(Float32Array.of(value).buffer)[0];
  return bits < 0 ? -(bits & 0x7fffffff) : bits;
}

function valueAt(order: number): number {
  const magnitude = new Float32Array(Int32Array.of(Math.abs(order)).buffer)[0];
  return order < 0 ? -magnitude : magnitude;
}
