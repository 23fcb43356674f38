/**
 * Base and scaling of rotary positions, from the table of angles that a model stores. A frequency is an angle at
 * position 1, read to within a few units of the last place; the table at other positions decides which float32 it was.
 * The base is the shortest decimal that gives these frequencies, plain or by a known rule of scaling; where no rule
 * does, the rest is kept as divisors, one per frequency.
 */
import { BitloomError, type SectionSource } from '@bitloom/ir';
import { type RopeScaling, ropeFrequencies, ropeTable } from '@bitloom/kernels';
import { nearestFactors } from './rope-factors.js';

/** Positions whose angles are compared; with the last ones, where a difference in the last place shows most. */
const SAMPLES = 48;
/** How far a frequency may be from the one read, relatively, for its table to be worth comparing. */
const NEAR = 1e-6;
/** Units of the last place by which a frequency read from the table may be off. */
const NUDGES = [0, 1, -1, 2, -2, 3, -3, 4, -4];

/**
 * What made the table in a section.
 *
 * @param positions rows of the table, [positions, headDim / 2, 2]
 * @throws BitloomError `export-unsupported` when no frequencies give this table
 */
export function recoverRope(
  model: string,
  sections: SectionSource,
  section: string,
  positions: number,
  headDim: number,
): { theta: number; scaling: RopeScaling } {
  const rows = sampleRows(positions);
  const table = rows.map((row) => readRow(sections, section, row, headDim));
  const frequencies = new Float32Array(headDim / 2);
  for (let i = 0; i < frequencies.length; i++) {
    const found = frequencyOf(rows, table, i);
    if (found === undefined) throw noFrequencies(model, i);
    frequencies[i] = found;
  }
  for (const rule of rulesFor(frequencies, headDim)) {
    if (!Number.isFinite(rule.theta)) continue;
    const guess = ropeFrequencies(headDim, rule.theta, rule.scaling);
    if (!guess.every((frequency, i) => Math.abs(frequency / frequencies[i] - 1) < NEAR)) continue;
    const made = ropeTable(guess, rows);
    if (table.every((row, r) => row.every((value, at) => value === made[r * headDim + at]))) return rule;
  }
  const theta = baseBetween(frequencies, 0, 1, headDim, 6);
  if (!Number.isFinite(theta)) throw noFrequencies(model, 1);
  return {
    theta,
    scaling: { kind: 'factors', factors: Array.from(nearestFactors(headDim, theta, frequencies)) },
  };
}

function sampleRows(positions: number): number[] {
  const rows = new Set<number>();
  for (let i = 0; i < SAMPLES; i++) {
    rows.add(i);
    rows.add(positions - 1 - i);
  }
  return [...rows].filter((row) => row >= 1 && row < positions).sort((a, b) => a - b);
}

function readRow(sections: SectionSource, section: string, row: number, headDim: number): Float32Array {
  const bytes = new Uint8Array(sections.read(section, row * headDim * 4, headDim * 4));
  return new Float32Array(bytes.buffer, 0, headDim);
}

/** The float32 frequency of pair `i`, when one gives the angles of every row. */
function frequencyOf(rows: readonly number[], table: readonly Float32Array[], i: number): number | undefined {
  if (rows[0] !== 1) return undefined;
  const near = Math.fround(Math.atan2(table[0][2 * i + 1], table[0][2 * i]));
  return NUDGES.map((nudge) => nudged(near, nudge)).find((frequency) => {
    if (!(frequency > 0)) return false;
    const angles = ropeTable(Float32Array.of(frequency), rows);
    return rows.every(
      (_, r) => angles[2 * r] === table[r][2 * i] && angles[2 * r + 1] === table[r][2 * i + 1],
    );
  });
}

/** The float32 that lies `steps` representable ones above a positive `value`. */
function nudged(value: number, steps: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer);
  bits[0] += steps;
  return new Float32Array(bits.buffer)[0];
}

/** Rules that may have made these frequencies, simplest first; each is tried. */
function* rulesFor(
  frequencies: Float32Array,
  headDim: number,
): Generator<{ theta: number; scaling: RopeScaling }> {
  const last = frequencies.length - 1;
  if (last === 0) {
    // A single pair turns by 1 whatever the base.
    yield { theta: 10000, scaling: { kind: 'none' } };
    return;
  }
  const linear = Number((1 / frequencies[0]).toPrecision(6));
  for (let digits = 1; digits <= 9; digits++) {
    const theta = baseBetween(frequencies, 0, last, headDim, digits);
    yield { theta, scaling: linear === 1 ? { kind: 'none' } : { kind: 'linear', factor: linear } };
  }
  // Llama 3 keeps the first frequencies and divides the last ones alike: either end tells the base.
  for (const from of [0, last - 1]) {
    for (let digits = 1; digits <= 6; digits++) {
      const theta = baseBetween(frequencies, from, from + 1, headDim, digits);
      const factor = Number((theta ** ((-2 * last) / headDim) / frequencies[last]).toPrecision(4));
      for (let original = 64; original <= 2 ** 20; original *= 2) {
        const fixed = { lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositions: original };
        yield { theta, scaling: { kind: 'llama3', factor, ...fixed } };
      }
    }
  }
}

/** The base that the ratio of two pairs tells, to a number of digits. */
function baseBetween(
  frequencies: Float32Array,
  from: number,
  to: number,
  headDim: number,
  digits: number,
): number {
  const ratio = frequencies[to] / frequencies[from];
  return Number((ratio ** (-headDim / (2 * (to - from)))).toPrecision(digits));
}

function noFrequencies(model: string, pair: number): BitloomError {
  return new BitloomError({
    code: 'export-unsupported',
    message: 'the rotary frequencies of this model cannot be recovered from its table',
    where: `model '${model}', pair ${pair}`,
    expected: 'a table of rotary angles over at least two positions',
    got: 'a table that no frequencies give',
    hint: 'export from the checkpoint the model was made from',
  });
}
