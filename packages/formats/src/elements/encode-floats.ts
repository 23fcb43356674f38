/**
 * Fast encoding of float32 arrays in signed floats of at most 22 mantissa bits whose normal values are normal in
 * float32 too (bias at most 127), by any rounding mode; equal to `encodeElement` for every float32, policy and random
 * word. One of the ways that `encode-ranges.ts` chooses among.
 */
import type { ElementFormat } from '@bitloom/ir';
import { type DeterministicRounding, roundsAway } from '../rounding/rounding.js';
import { isStochastic } from '../rounding/stochastic.js';
import { type EncodePolicy, encodeFloat } from './encode-element.js';
import {
  encodeFloatsToNearest,
  FAR,
  type FloatGrid,
  floatGrid,
  isTableWorth,
  tableLoop,
} from './encode-floats-to-nearest.js';
import type { EncodeRange } from './encode-ranges.js';

/** The loop for one format and policy, as {@link encodeFloatsToNearest}. */
export function encodeFloats(format: ElementFormat, policy: EncodePolicy, count: number): EncodeRange {
  const { rounding } = policy;
  if (rounding === 'nearest-even') return encodeFloatsToNearest(format, policy, count);
  const grid = floatGrid(format, policy);
  if (isStochastic(rounding)) return stochasticLoop(grid, format, policy);
  const loop = roundingLoop(grid, rounding);
  return isTableWorth(format, count) ? tableLoop(grid, loop, format.specials !== 'none') : loop;
}

/** What the modes add to a mantissa before they cut it: nothing, half a step, or all but the least of a step. */
const ADD_NOTHING = 0;
const ADD_HALF = 1;
const ADD_MOST = 2;

/** By mode: what positive and what negative values have added. `to-odd` marks what was cut instead. */
const ADDED: Readonly<Record<Exclude<DeterministicRounding, 'nearest-even'>, readonly [number, number]>> = {
  'nearest-away': [ADD_HALF, ADD_HALF],
  'toward-zero': [ADD_NOTHING, ADD_NOTHING],
  'toward-negative': [ADD_NOTHING, ADD_MOST],
  'toward-positive': [ADD_MOST, ADD_NOTHING],
  'to-odd': [ADD_NOTHING, ADD_NOTHING],
};

function roundingLoop(
  { shifts, offsets, codes, special }: FloatGrid,
  rounding: Exclude<DeterministicRounding, 'nearest-even'>,
): EncodeRange {
  const added = Uint8Array.from(ADDED[rounding]);
  const toOdd = rounding === 'to-odd' ? 1 : 0;
  return (_values, bits, out, start, end) => {
    for (let i = start; i < end; i += 1) {
      const b = bits[i];
      const magnitude = b & 0x7fffffff;
      if (magnitude >= 0x7f800000) {
        out[i] = special(b, i);
        continue;
      }
      const field = magnitude >>> 23;
      const mantissa = field === 0 ? magnitude : (magnitude & 0x7fffff) | 0x800000;
      const shift = shifts[field] > 30 ? 30 : shifts[field];
      const add = added[b >>> 31];
      const carried = mantissa + (add === 0 ? 0 : add === 1 ? 1 << (shift - 1) : (1 << shift) - 1);
      const cut = (mantissa & ((1 << shift) - 1)) === 0 ? 0 : toOdd;
      out[i] = withSign(((carried >>> shift) + offsets[field]) | cut, b, codes);
    }
  };
}

function stochasticLoop(grid: FloatGrid, format: ElementFormat, policy: EncodePolicy): EncodeRange {
  const { shifts, offsets, codes, special } = grid;
  const random = { bits: 32, value: 0 };
  const away = roundsAway(policy.rounding, random);
  return (values, bits, out, start, end, words) => {
    for (let i = start; i < end; i += 1) {
      const b = bits[i];
      const magnitude = b & 0x7fffffff;
      if (magnitude >= 0x7f800000) {
        out[i] = special(b, i);
        continue;
      }
      const field = magnitude >>> 23;
      const shift = shifts[field];
      if (shift > FAR) {
        random.value = words[i - start];
        out[i] = encodeFloat(values[i], format, policy, away);
        continue;
      }
      const mantissa = field === 0 ? magnitude : (magnitude & 0x7fffff) | 0x800000;
      // The dropped bits are fewer than the 32 random ones, so that all three variants are this one: the fraction
      // and the random bits, both cut to `shift` bits, carry.
      const carried = mantissa + (words[i - start] >>> (32 - shift));
      out[i] = withSign((carried >>> shift) + offsets[field], b, codes);
    }
  };
}

/** `codes` are those of {@link FloatGrid}. */
function withSign(code: number, bits: number, codes: Int32Array): number {
  const negative = bits >>> 31;
  if (code > codes[0]) return codes[1 + negative];
  return negative === 0 ? code : code | codes[code === 0 ? 4 : 3];
}
