/**
 * The generic quantiser of the layout `canonical`: any element format under any levels of scales. It is the
 * definition; faster ways to the same bytes are chosen by `quantize`.
 *
 * Levels are worked from the outermost in: statistics of each block, the rule's scale, its code in the format of the
 * level. The scales of an element are then combined from the inside out into one float32, the effective scale s, and
 *
 *     code = encode(fround(x / s))                       symmetric
 *     code = clamp(round(fround(x / s)) + zero)          with a zero point
 *     code = encode(fround(fround(x − minimum) / s))     with a minimum
 *
 * where codes outside those of the rule are clamped, and x / s is x · (1 / s) under the quotient `reciprocal`. A scale of 0 gives the code nearest 0 (the zero point).
 */
import { BitloomError, type ElementFormat, type ScaleScheme, type TensorScheme } from '@bitloom/ir';
import { type CodeArray, decode, encode, newCodes } from '../elements/codes.js';
import { codeBytes, packCodes } from '../layouts/codes.js';
import { checkLength } from '../layouts/group-shape.js';
import { type BlockGrid, blockGrid, blockOf, forSegments, outerCells } from '../schemes/block-grid.js';
import { checkScheme } from '../schemes/check-scheme.js';
import {
  type BlockStatistics,
  type CodeRange,
  type OuterScale,
  type ScaleRule,
  scaleRule,
} from '../schemes/scale-rules.js';
import { schemeType } from '../schemes/scheme-type.js';
import { checkShape, type QuantizedTensor, requireBlocks, rowsOf, type Tensor } from '../tensor.js';
import { finiteValues, positionOf } from './finite-values.js';

const f = Math.fround;

/** What a call of a quantiser may say beside the scheme. */
export interface QuantizeOptions {
  /** Stream of the random bits of stochastic rounding, in place of the scheme's: tensors have different ones. */
  readonly stream?: number;
}

/** A level of scales, chosen. */
interface ChosenLevel {
  readonly grid: BlockGrid;
  readonly codes: CodeArray;
  /** Effective scale of each block: this level combined with those further out. */
  readonly effective: Float32Array;
  /** What values are multiplied by instead of divided by `effective`, where the scheme says so. */
  readonly reciprocals?: Float32Array;
  readonly zeros?: Float32Array;
  readonly zeroCodes?: CodeArray;
}

/**
 * Quantises a tensor by a scheme of the layout `canonical` without shift groups.
 *
 * @throws BitloomError `scheme-invalid`, `scheme-rule-unknown`, `scheme-rank`, `scheme-nesting`, `format-shape`,
 *   `format-length`; `quantize-not-finite` for a NaN or an infinity where the policy is `throw` and the scales have no
 *   NaN; `quantize-scale-overflow` when a scale does not fit its format
 */
export function quantizeScaled(
  tensor: Tensor,
  scheme: TensorScheme,
  options: QuantizeOptions = {},
): QuantizedTensor {
  checkScheme(scheme);
  checkShape(tensor.shape);
  const { data, shape } = tensor;
  const { rows, cols } = rowsOf(shape);
  checkLength('values', data.length, rows * cols);
  // Scales that can all say NaN keep it to their blocks.
  const isOwn = scheme.scales.every(({ rule }) => scaleRule(rule).nanScale === true);
  const values = isOwn ? data : finiteValues(data, scheme.nan, shape);

  const levels: ChosenLevel[] = [];
  for (let index = scheme.scales.length - 1; index >= 0; index -= 1) {
    levels.unshift(chooseLevel(values, shape, index, scheme, levels[0]));
  }
  const [first] = levels;
  const [{ rule }] = scheme.scales;
  const codes = encodeElements(
    values,
    rows,
    first,
    scaleRule(rule),
    scheme,
    options.stream ?? scheme.stream ?? 0,
  );
  const components: Record<string, Uint8Array> = { codes: packCodes(codes, rows, cols, scheme.element.bits) };
  levels.forEach((level, index) => {
    const suffix = index === 0 ? '' : String(index);
    components[`scales${suffix}`] = codeBytes(level.codes);
    if (level.zeroCodes !== undefined) components[`zeros${suffix}`] = codeBytes(level.zeroCodes);
  });
  return { type: schemeType(scheme, shape), components };
}

function chooseLevel(
  values: Float32Array,
  shape: readonly number[],
  index: number,
  scheme: TensorScheme,
  outer: ChosenLevel | undefined,
): ChosenLevel {
  const { element, scales } = scheme;
  const level = scales[index];
  const rule = scaleRule(level.rule);
  const grid = blockGrid(shape, blockOf(level.granularity, shape.length));
  requireBlocks(grid.cells, values.length, shape);
  const { rows } = rowsOf(shape);
  const statistics = gatherStatistics(values, rows, grid);
  const parents = outer === undefined ? undefined : outerCells(shape, grid, outer.grid);
  const outerOf = (cell: number): OuterScale | undefined =>
    outer === undefined || parents === undefined
      ? undefined
      : { value: outer.effective[parents[cell]], direction: scales[index + 1].direction };

  const wanted = new Float32Array(grid.cells);
  for (let cell = 0; cell < grid.cells; cell += 1) {
    wanted[cell] = rule.scale(statistics.of(cell), element, outerOf(cell));
  }
  const rounding = rule.rounding ?? 'nearest-even';
  const codes = encode(wanted, level.format, { rounding, saturate: false, nan: 'throw' });
  const effective = decode(codes, level.format);
  requireFit(effective, wanted, level, rule, grid.counts);
  const reciprocals = scheme.quotient === 'reciprocal' ? new Float32Array(grid.cells) : undefined;
  for (let cell = 0; cell < grid.cells; cell += 1) {
    const around = outerOf(cell);
    if (reciprocals !== undefined) {
      const parent = parents === undefined ? 1 : (outer?.reciprocals?.[parents[cell]] ?? 1);
      reciprocals[cell] = (around?.direction === 'divide' ? around.value : parent) / effective[cell];
    }
    if (around !== undefined) effective[cell] = combineScales(effective[cell], around);
  }
  const zeros = level.zero === undefined ? undefined : new Float32Array(grid.cells);
  let zeroCodes: CodeArray | undefined;
  if (zeros !== undefined && level.zero !== undefined && rule.zero !== undefined) {
    for (let cell = 0; cell < grid.cells; cell += 1) {
      zeros[cell] = rule.zero(statistics.of(cell), effective[cell], element);
    }
    zeroCodes = encode(zeros, level.zero.format, { saturate: level.zero.kind === 'zero-point' });
    const stored = decode(zeroCodes, level.zero.format);
    requireFit(stored, zeros, { ...level, format: level.zero.format }, rule, grid.counts);
    zeros.set(stored);
  }
  return {
    grid,
    codes,
    effective,
    ...(reciprocals === undefined ? {} : { reciprocals }),
    ...(zeros === undefined ? {} : { zeros }),
    ...(zeroCodes === undefined ? {} : { zeroCodes }),
  };
}

/** A scale in units of the next level as a scale by itself. */
export function combineScales(inner: number, outer: OuterScale): number {
  return outer.direction === 'multiply' ? f(inner * outer.value) : f(inner / outer.value);
}

/** Statistics of every block; one object is filled again for each question. */
export function gatherStatistics(
  values: Float32Array,
  rows: number,
  grid: BlockGrid,
): { of: (cell: number) => BlockStatistics } {
  const { cells } = grid;
  const low = new Float32Array(cells).fill(Number.POSITIVE_INFINITY);
  const high = new Float32Array(cells).fill(Number.NEGATIVE_INFINITY);
  const sum = new Float64Array(cells);
  const count = new Float64Array(cells);
  const hasNan = new Uint8Array(cells);
  forSegments(rows, grid, (cell, start, end) => {
    let min = low[cell];
    let max = high[cell];
    let total = sum[cell];
    let nan = false;
    for (let i = start; i < end; i += 1) {
      const value = values[i];
      if (value < min) min = value;
      if (value > max) max = value;
      if (Number.isNaN(value)) nan = true;
      total += Math.abs(value);
    }
    low[cell] = min;
    high[cell] = max;
    sum[cell] = total;
    count[cell] += end - start;
    if (nan) hasNan[cell] = 1;
  });
  const answer = { amax: 0, min: 0, max: 0, mean: 0 };
  return {
    of(cell) {
      const empty = count[cell] === 0;
      answer.min = empty ? 0 : low[cell];
      answer.max = empty ? 0 : high[cell];
      answer.amax = hasNan[cell] === 1 ? Number.NaN : Math.max(Math.abs(answer.min), Math.abs(answer.max));
      answer.mean = empty ? 0 : f(sum[cell] / count[cell]);
      return answer;
    },
  };
}

/** Refuses a scale that overflowed its format. */
export function requireFit(
  stored: Float32Array,
  wanted: Float32Array,
  level: ScaleScheme,
  rule: ScaleRule,
  counts: readonly number[],
): void {
  const at = stored.findIndex((scale) =>
    rule.nanScale === true ? scale === Number.POSITIVE_INFINITY : !Number.isFinite(scale),
  );
  if (at < 0) return;
  throw new BitloomError({
    code: 'quantize-scale-overflow',
    message: `a scale does not fit ${level.format.name}`,
    where: `block ${positionOf(at, counts)} of the rule ${level.rule}`,
    expected: `a scale that ${level.format.name} can hold`,
    got: String(wanted[at]),
    hint: 'choose a wider format for the scales, or keep this tensor in floating point',
  });
}

/** Codes of all elements, clamped to those of the rule. */
function encodeElements(
  values: Float32Array,
  rows: number,
  level: ChosenLevel,
  rule: ScaleRule,
  scheme: TensorScheme,
  stream: number,
): CodeArray {
  const { element, rounding, saturate, nan, seed = 0 } = scheme;
  const { grid, effective, reciprocals, zeros } = level;
  const zeroKind = scheme.scales[0].zero?.kind;
  const isPoint = zeroKind === 'zero-point';
  const { lowest, highest } = codeRange(rule, scheme);
  const scaled = new Float32Array(values.length);
  forSegments(rows, grid, (cell, start, end) => {
    const scale = effective[cell];
    const minimum = zeroKind === 'minimum' && zeros !== undefined ? zeros[cell] : 0;
    // Clamped before rounding, as a subnormal scale may lie far below what the rule asked for. A zero point shifts
    // the range of what is rounded.
    const shift = isPoint && zeros !== undefined ? zeros[cell] : 0;
    const [low, high] = [lowest - shift, highest - shift];
    // Without a scale (0, or NaN for a block that is not a number) every code is that of 0.
    if (!(scale !== 0) || Number.isNaN(scale)) return;
    // A scale so small that its reciprocal overflows is divided by after all.
    const factor = reciprocals === undefined ? Number.POSITIVE_INFINITY : reciprocals[cell];
    const divides = factor === Number.POSITIVE_INFINITY;
    for (let i = start; i < end; i += 1) {
      const difference = f(values[i] - minimum);
      const quotient = divides ? f(difference / scale) : f(difference * factor);
      scaled[i] = quotient > high ? high : quotient < low ? low : quotient;
    }
  });
  if (!isPoint || zeros === undefined) {
    return encode(scaled, element, { rounding, saturate, nan, seed, stream });
  }
  return encodeShifted(scaled, rows, grid, zeros, element, scheme, stream);
}

/** Where values are clamped: nowhere for a float that may overflow. */
function codeRange(rule: ScaleRule, { element, saturate }: TensorScheme): CodeRange {
  if (saturate || element.kind !== 'float') return rule.codes(element);
  return { lowest: Number.NEGATIVE_INFINITY, highest: Number.POSITIVE_INFINITY };
}

/** Integer codes under zero points: rounded first, then moved, so that the zero point does not decide ties. */
function encodeShifted(
  scaled: Float32Array,
  rows: number,
  grid: BlockGrid,
  zeros: Float32Array,
  element: ElementFormat,
  scheme: TensorScheme,
  stream: number,
): CodeArray {
  const { rounding, seed = 0 } = scheme;
  // One bit more than the element, and a sign: holds every code minus every zero point.
  const wide: ElementFormat = { ...element, name: 'rounded', bits: element.bits + 2, signed: true };
  const rounded = encode(scaled, wide, { rounding, saturate: true, nan: 'throw', seed, stream });
  const out = newCodes(element, scaled.length);
  const mask = 2 ** element.bits - 1;
  const sign = 32 - wide.bits;
  forSegments(rows, grid, (cell, start, end) => {
    for (let i = start; i < end; i += 1) out[i] = (((rounded[i] << sign) >> sign) + zeros[cell]) & mask;
  });
  return out;
}
