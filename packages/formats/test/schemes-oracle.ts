/**
 * A second definition of `quantize` and `dequantize` for the layout `canonical`, written for reading: per element the
 * block it lies in, per block the list of its values, everything in plain arrays. It shares with the engine the codes
 * of single values (`encodeElement`, `decodeElement`), which have tests of their own, and nothing else. Not for empty
 * tensors and not for values that are not finite.
 */
import type { ElementFormat, Granularity, TensorScheme } from '@bitloom/ir';
import { decodeElement } from '../src/elements/decode-element.js';
import { encodeElement } from '../src/elements/encode-element.js';
import { randomWords } from '../src/rounding/philox.js';
import { roundsAway } from '../src/rounding/rounding.js';
import type { RandomBits } from '../src/rounding/stochastic.js';

const f = Math.fround;

/** The number of the block of every element, blocks counted in the order in which a row-major walk meets them. */
export function blocksOf(granularity: Granularity, shape: readonly number[]): number[] {
  const count = shape.reduce((product, size) => product * size, 1);
  const numbers = new Map<string, number>();
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
  return Array.from({ length: count }, (_, element) => {
    const position = strides.map((stride, axis) => Math.floor(element / stride) % shape[axis]);
    const block = blockIndices(granularity, position).join();
    const number = numbers.get(block) ?? numbers.size;
    numbers.set(block, number);
    return number;
  });
}

function blockIndices(granularity: Granularity, position: readonly number[]): number[] {
  const outer = position.slice(0, -1);
  switch (granularity.strategy) {
    case 'tensor':
      return [];
    case 'token':
      return outer;
    case 'axis':
      return position.filter((_, axis) => granularity.axes.includes(axis));
    case 'group':
      return [...outer, Math.floor(position[position.length - 1] / granularity.groupSize)];
    case 'block': {
      const { blockShape } = granularity;
      const skipped = position.length - blockShape.length;
      return position.map((index, axis) => {
        if (axis < skipped) return index;
        const size = blockShape[axis - skipped];
        return size === 0 ? 0 : Math.floor(index / size);
      });
    }
  }
}

/** Largest magnitude, ends and mean magnitude of some values. */
export interface Statistics {
  readonly amax: number;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
}

/** Statistics of each block, given the block of each element. */
export function statisticsOf(data: Float32Array, blocks: readonly number[]): Statistics[] {
  const members: number[][] = [];
  blocks.forEach((block, element) => {
    members[block] ??= [];
    members[block].push(data[element]);
  });
  return members.map((values) => ({
    amax: Math.max(...values.map(Math.abs)),
    min: Math.min(...values),
    max: Math.max(...values),
    mean: f(values.reduce((sum, value) => sum + Math.abs(value), 0) / values.length),
  }));
}

/** Lowest and highest value of an element's codes, and the highest that has a mirror image. */
export function endsOf(element: ElementFormat): { low: number; high: number; mirrored: number } {
  const count = element.values?.length ?? 2 ** element.bits;
  const values = Array.from({ length: count }, (_, code) => decodeElement(code, element));
  const finite = values.filter(Number.isFinite);
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  return { low, high, mirrored: low < 0 ? Math.min(-low, high) : high };
}

/** e of 2^e ≤ x < 2^(e+1), read from the bits of a float64. */
export function exponentOf(x: number): number {
  const high = new DataView(Float64Array.of(x).buffer).getUint32(4, true);
  return ((high >>> 20) & 2047) - 1023;
}

const isPower = (x: number): boolean => 2 ** exponentOf(x) === x;

interface RuleInput extends Statistics {
  readonly low: number;
  readonly high: number;
  readonly mirrored: number;
  readonly element: ElementFormat;
  /** Brings a scale into units of the level outside. */
  readonly inUnits: (scale: number) => number;
}

/** A power of two as the MX rules store it. `amax` is in units of the level outside. */
function power(input: RuleInput, exponent: (amax: number, top: number) => number): number {
  const amax = input.inUnits(input.amax);
  if (amax === 0) return 2 ** -127;
  return 2 ** Math.min(127, Math.max(-127, exponent(amax, exponentOf(input.high))));
}

const largest = ({ amax, mirrored, inUnits }: RuleInput): number =>
  inUnits(Math.min(f(amax / mirrored), 3.4028234663852886e38));

/** The scale each rule asks for. */
const WANTED: Readonly<Record<string, (input: RuleInput) => number>> = {
  'amax/qmax': largest,
  'amax/qmax, up': largest,
  amax: ({ amax, inUnits }) => inUnits(amax),
  'amax, up': ({ amax, inUnits }) => inUnits(amax),
  'amax/half-range': ({ amax, low, high, inUnits }) => inUnits(f(amax / ((high - low) / 2))),
  '2amax/levels': ({ amax, low, high, inUnits }) => inUnits(f((2 * amax) / (high - low))),
  minmax: ({ min, max, low, high, inUnits }) =>
    inUnits(f(f(Math.max(max, 0) - Math.min(min, 0)) / (high - low))),
  'min+range': ({ min, max, low, high, inUnits }) => inUnits(f(f(max - min) / (high - low))),
  mean: ({ mean, inUnits }) => inUnits(mean),
  floor: (input) => power(input, (amax, top) => exponentOf(amax) - top),
  ceil: (input) => power(input, (amax, top) => exponentOf(amax) + (isPower(amax) ? 0 : 1) - top),
  even: (input) =>
    power(input, (amax, top) => {
      const { kind, mantissaBits, bits } = input.element;
      const dropped = kind === 'float' ? mantissaBits : bits - 2;
      return exponentOf(amax + 2 ** (Math.max(exponentOf(amax), -126) - dropped - 1)) - top;
    }),
  rceil: (input) =>
    power(input, (amax) => {
      const quotient = f(amax / input.high);
      if (quotient === 0) return -127;
      return exponentOf(quotient) + (isPower(quotient) ? 0 : 1);
    }),
  'nvfp4-block': ({ amax, high, inUnits }) => Math.min(448, Math.max(2 ** -6, inUnits(f(amax / high)))),
  'nvfp4-block-divided'({ amax, high, inUnits }) {
    const scale = Math.min(448, inUnits(f(amax / high)));
    return scale <= 2 ** -10 ? 0.125 : scale;
  },
  'amax/(448·6)': ({ amax, high }) => f(amax / (448 * high)),
  '448·6/amax': ({ amax, high }) =>
    amax === 0 ? 1 : Math.min(3.4028234663852886e38, f((448 * high) / amax)),
};

/** Names of the rules the oracle knows. */
export const ORACLE_RULES: readonly string[] = Object.keys(WANTED);

const ROUNDED_UP = new Set(['amax/qmax, up', 'amax, up']);
/** Rules that leave out the lowest code of two's complement. */
const MIRRORED = new Set([
  'amax/qmax',
  'amax/qmax, up',
  'amax',
  'amax, up',
  'floor',
  'ceil',
  'even',
  'rceil',
]);

/** What {@link quantizeSlowly} finds. */
export interface OracleResult {
  /** Block of each element, of each level. */
  readonly blocks: readonly (readonly number[])[];
  /** Codes of the scales of each level. */
  readonly scaleCodes: readonly (readonly number[])[];
  /** Codes of the zeros or minimums of the first level. */
  readonly zeroCodes: readonly number[];
  /** Effective scale of each block of the first level. */
  readonly effective: readonly number[];
  readonly codes: readonly number[];
  readonly values: Float32Array;
}

/** Quantises and dequantises a tensor by a canonical scheme without shift groups. */
export function quantizeSlowly(
  data: Float32Array,
  shape: readonly number[],
  scheme: TensorScheme,
  stream = 0,
): OracleResult {
  const { element, scales } = scheme;
  const ends = endsOf(element);
  const blocks = scales.map(({ granularity }) => blocksOf(granularity, shape));
  const scaleCodes: number[][] = scales.map(() => []);
  // From the outermost level in: the effective scale around each element.
  let around = Array.from(data, (): number | undefined => undefined);
  let effective: number[] = [];
  // 1 / scale as torchao forms it: the tensor's reciprocal over the stored scale, rounded at each step.
  let inverseAround = Array.from(data, () => 1);
  let inverses: number[] = [];
  for (let level = scales.length - 1; level >= 0; level -= 1) {
    const { format, rule } = scales[level];
    const direction = scales[level + 1]?.direction;
    const outers: (number | undefined)[] = [];
    blocks[level].forEach((block, i) => {
      outers[block] = around[i];
    });
    effective = statisticsOf(data, blocks[level]).map((statistics, block) => {
      const outer = outers[block];
      const inUnits = (scale: number): number => {
        if (outer === undefined) return scale;
        if (outer === 0) return 0;
        return direction === 'multiply' ? f(scale / outer) : f(scale * outer);
      };
      const wanted = f(WANTED[rule]({ ...statistics, ...ends, element, inUnits }));
      const rounding = ROUNDED_UP.has(rule) ? 'toward-positive' : 'nearest-even';
      const code = encodeElement(wanted, format, { rounding, saturate: false, nan: 'throw' });
      scaleCodes[level][block] = code;
      const stored = f(decodeElement(code, format));
      if (outer === undefined) return stored;
      return direction === 'multiply' ? f(stored * outer) : f(stored / outer);
    });
    const own = effective;
    const outerInverse: number[] = [];
    blocks[level].forEach((block, i) => {
      outerInverse[block] = direction === 'divide' ? (outers[block] ?? 1) : inverseAround[i];
    });
    inverses = scaleCodes[level].map((code, block) =>
      f(outerInverse[block] / f(decodeElement(code, format))),
    );
    const ownInverses = inverses;
    around = blocks[level].map((block) => own[block]);
    inverseAround = blocks[level].map((block) => ownInverses[block]);
  }

  const { zero, rule } = scales[0];
  const statistics = statisticsOf(data, blocks[0]);
  const zeroCodes =
    zero === undefined ? [] : effective.map((scale, i) => zeroCode(rule, scale, statistics[i]));
  function zeroCode(name: string, scale: number, { min }: Statistics): number {
    let wanted = min === 0 ? 0 : min;
    if (name === '2amax/levels') wanted = ends.low + (ends.high - ends.low + 1) / 2;
    if (name === 'minmax') {
      const exact = scale === 0 ? 0 : f(ends.low - f(Math.min(0, min) / scale));
      wanted = Math.min(ends.high, Math.max(ends.low, roundToEven(exact)));
    }
    return encodeElement(wanted, zero?.format ?? element);
  }

  const words = scheme.rounding.startsWith('stochastic')
    ? randomWords(scheme.seed ?? 0, stream, 0, new Uint32Array(data.length))
    : undefined;
  const codes: number[] = [];
  const values = new Float32Array(data.length);
  const mirrored = MIRRORED.has(rule);
  const lowest = mirrored ? Math.max(ends.low, -ends.mirrored) : ends.low;
  const highest = mirrored ? ends.mirrored : ends.high;
  data.forEach((value, i) => {
    const scale = effective[blocks[0][i]];
    const random = words === undefined ? undefined : { bits: 32, value: words[i] };
    const origin = zero === undefined ? 0 : decodeElement(zeroCodes[blocks[0][i]], zero.format);
    const minimum = zero?.kind === 'minimum' ? origin : 0;
    const shifted = f(value - minimum);
    const exact = scheme.quotient === 'reciprocal' ? f(shifted * inverses[blocks[0][i]]) : f(shifted / scale);
    const quotient = scale === 0 ? 0 : exact;
    if (zero?.kind === 'zero-point') {
      const code = clamp(roundBy(scheme, quotient, random) + origin, lowest, highest);
      codes[i] = encodeElement(code, element);
      values[i] = (code - origin) * scale;
      return;
    }
    const nearest = encodeElement(clamp(quotient, lowest, highest), element, scheme, random);
    codes[i] = nearest;
    const product = f(decodeElement(nearest, element) * scale);
    values[i] = zero === undefined ? product : product + minimum;
  });
  return { blocks, scaleCodes, zeroCodes, effective, codes, values };
}

const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));

function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest === 0.5) return floor % 2 === 0 ? floor : floor + 1;
  return rest > 0.5 ? floor + 1 : floor;
}

function roundBy({ rounding }: TensorScheme, value: number, random: RandomBits | undefined): number {
  const floor = Math.floor(Math.abs(value));
  const rest = Math.abs(value) - floor;
  const away = rest > 0 && roundsAway(rounding, random)(floor % 2 === 1, rest, value < 0);
  return (away ? floor + 1 : floor) * (value < 0 ? -1 : 1);
}
