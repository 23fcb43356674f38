/**
 * Whether a declared type can be: dimensions, element format, scale levels, index map, sparsity. Says nothing of
 * what an operation makes of it.
 */
import { bounds, type Expression, formatExpression, type Interval, symbolsOf } from '../../expression.js';
import { bandMatrices } from '../bands.js';
import type { ElementFormat } from '../element-format.js';
import {
  BANDED_LAYOUT,
  type Band,
  MAX_BANDS,
  type QuantizedType,
  type ScaleLevel,
  type Sparsity,
  type ValueType,
} from '../types.js';

/** Throws the caller's error. */
export type Fail = (message: string, expected: string, got: string) => never;

/**
 * Checks a type whose dimensions may use the symbols of `intervals`; with none, dimensions are numbers.
 * Calls `fail` for the first thing that is wrong.
 */
export function checkType(type: ValueType, intervals: Readonly<Record<string, Interval>>, fail: Fail): void {
  for (const dimension of type.shape) checkDimension(dimension, intervals, fail);
  if (type.kind === 'quantized') checkQuantized(type, fail);
}

function checkDimension(
  dimension: Expression,
  intervals: Readonly<Record<string, Interval>>,
  fail: Fail,
): void {
  const known = Object.keys(intervals);
  const unknown = [...symbolsOf(dimension)].find((name) => !Object.hasOwn(intervals, name));
  if (unknown !== undefined) {
    const expected = known.length === 0 ? 'a number' : `an expression of ${known.join(', ')}`;
    fail('a dimension uses a symbol that has no bounds here', expected, unknown);
  }
  const { min, max } = bounds(dimension, intervals);
  const isNumber = typeof dimension === 'number';
  if (max < 1 || (isNumber && !Number.isSafeInteger(dimension))) {
    fail(
      'a dimension is not a positive integer',
      'at least 1',
      `${formatExpression(dimension)} in ${min}..${max}`,
    );
  }
}

function checkQuantized(type: QuantizedType, fail: Fail): void {
  checkFormat(type.element, fail);
  const rank = type.shape.length;
  for (const level of type.scales) {
    checkFormat(level.format, fail);
    if (level.zero !== undefined) checkFormat(level.zero.format, fail);
    checkBlock(level.block, 'scale block', rank, 0, fail);
  }
  if (type.layout === '') fail('a quantised type has no layout', 'a layout id, e.g. canonical', "''");
  const { indexMap } = type;
  if (indexMap !== undefined) {
    const isAxis = Number.isInteger(indexMap.axis) && indexMap.axis >= 0 && indexMap.axis < rank;
    if (!isAxis)
      fail('the index map is on an axis that is not there', `0..${rank - 1}`, String(indexMap.axis));
    if (!(Number.isInteger(indexMap.groups) && indexMap.groups >= 1)) {
      fail('the index map has no groups', 'at least 1', String(indexMap.groups));
    }
  }
  if (type.sparsity !== undefined) checkSparsity(type.sparsity, rank, fail);
  if (type.bands !== undefined || type.layout === BANDED_LAYOUT) checkBands(type, type.bands ?? [], fail);
}

/** Bands are matrices side by side, in groups of as many columns. */
function checkBands(type: QuantizedType, bands: readonly Band[], fail: Fail): void {
  const { shape, scales, layout, sparsity, indexMap } = type;
  const isMatrix = shape.length === 2 && sparsity === undefined && indexMap === undefined;
  const isSane = isMatrix && layout === BANDED_LAYOUT && bands.length >= 1 && bands.length <= MAX_BANDS;
  if (!isSane) {
    fail(
      'a type in bands is no matrix that has nothing but bands',
      `1 to ${MAX_BANDS} bands of two axes in layout ${BANDED_LAYOUT}`,
      `${bands.length} bands of ${shape.length} axes in layout ${layout}`,
    );
  }
  const columns = bands.map(({ cols }) => cols);
  const sum = columns.reduce((all, cols) => all + cols, 0);
  if (sum !== shape[1]) {
    fail('the bands of a matrix are not its columns', formatExpression(shape[1]), columns.join(' + '));
  }
  const blocks = (levels: readonly ScaleLevel[]): string =>
    levels.map(({ block }) => block.join('x')).join(' ');
  for (const [index, { type: band, cols }] of bandMatrices(type).entries()) {
    if (band.layout === BANDED_LAYOUT) fail('a band has bands', 'a layout of a matrix', band.layout);
    checkQuantized(band, fail);
    if (blocks(band.scales) !== blocks(scales)) {
      fail('bands of a matrix are in different groups', blocks(scales), blocks(band.scales));
    }
    // Sums go on from group to group, and a group ends with its band.
    const torn = scales.find(({ block }) => block[1] === 0 || cols % block[1] !== 0);
    if (torn !== undefined && index < bands.length - 1) {
      const [, group] = torn.block;
      const isRow = group === 0;
      fail(
        'a band of a matrix is no whole number of groups',
        isRow ? 'groups of columns' : `multiples of ${group} columns`,
        isRow ? 'one group per row' : `${cols} in band ${index}`,
      );
    }
  }
}

function checkBlock(block: readonly number[], what: string, rank: number, least: number, fail: Fail): void {
  const isSane = block.length === rank && block.every((size) => Number.isSafeInteger(size) && size >= least);
  if (!isSane) fail(`a ${what} does not fit the rank`, `${rank} sizes of ${least} or more`, block.join('x'));
}

function checkSparsity(sparsity: Sparsity, rank: number, fail: Fail): void {
  checkBlock(sparsity.block, 'sparsity block', rank, 1, fail);
  if (sparsity.kind === 'block-mask') return;
  const { keep, m } = sparsity;
  const isKept = (n: number): boolean => Number.isInteger(n) && n >= 0 && n <= m;
  if (!(Number.isInteger(m) && m >= 1) || keep.length === 0 || !keep.every(isKept)) {
    fail('an N:M sparsity keeps more than there is', '0..m values of each m', `${keep.join(', ')} of ${m}`);
  }
  const { indexBits } = sparsity;
  if (!(Number.isInteger(indexBits) && indexBits >= 0 && 2 ** indexBits >= m)) {
    fail(
      'an index of the sparsity cannot name each of m values',
      `at least ${Math.ceil(Math.log2(m))} bits`,
      `${indexBits}`,
    );
  }
}

/** Bits add up, integers have no exponent, and a code book names a value for each code it uses. */
function checkFormat(format: ElementFormat, fail: Fail): void {
  const { name, kind, bits, signed, exponentBits, mantissaBits, values } = format;
  const where = `element format '${name}' contradicts itself`;
  const isWidth = Number.isInteger(bits) && bits >= 1 && bits <= 32;
  const sum = (signed ? 1 : 0) + exponentBits + mantissaBits;
  const isConsistent = kind === 'float' ? sum === bits : exponentBits === 0 && mantissaBits === 0;
  if (!isWidth || !isConsistent) {
    const expected =
      kind === 'float' ? 'sign, exponent and mantissa that add up to 1..32 bits' : 'an integer of 1..32 bits';
    fail(where, expected, `${bits} bits: ${exponentBits} + ${mantissaBits}`);
  }
  const isBook = values !== undefined;
  if (isBook !== (kind === 'codebook')) fail(where, 'values for a code book, and only there', kind);
  if (isBook && (values.length === 0 || values.length > 2 ** bits)) {
    fail(where, `1..${2 ** bits} values`, String(values.length));
  }
}
