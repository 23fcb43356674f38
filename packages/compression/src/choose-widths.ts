/**
 * Which width each matrix of a mixed scheme gets, or each band of its columns. Weights that are there are measured: all start at the narrowest
 * width, and bits go where they remove most error per bit, until the average is reached. Shapes alone say nothing about
 * errors: then the matrices nearest to both ends of the model get the wider of the two widths next to the average, which
 * is a rule of ours, because the published one is not known.
 *
 * Not for: what a width costs in time (all of them stream through the same expander), or the error of activations.
 */
import { dequantize, ErrorAccumulator, type NmSparsity, quantize } from '@bitloom/formats';
import { BitloomError, type ScaleScheme, type SectionSource, type TensorScheme } from '@bitloom/ir';
import { readFloats, takeColumns } from './dense-floats.js';
import { type FloatSource, inTensor } from './lazy-sections.js';
import { PRUNED_ROWS, pruneRows } from './prune-nm.js';
import type { WidthMix } from './schemes.js';

/** A matrix that takes part. */
export interface MixedMatrix {
  readonly name: string;
  readonly shape: readonly number[];
  /** Where its floats are; undefined for a shape-only constant. */
  readonly source?: FloatSource;
  readonly sparsity?: NmSparsity;
}

/** Columns of a matrix next to each other, and their format. */
export interface BandFormat {
  readonly start: number;
  readonly cols: number;
  readonly format: TensorScheme;
}

/** Formats by name of matrix, and what they come to. */
export interface ChosenWidths {
  /** From the first column to the last; neighbours differ. */
  readonly formats: ReadonlyMap<string, readonly BandFormat[]>;
  /** Bits per stored code over all matrices; at most the average that was asked for. */
  readonly average: number;
  readonly isMeasured: boolean;
}

/** What gets a width: columns of a matrix. */
interface Unit extends Columns {
  /** Index of the matrix, and of the band in it. */
  readonly matrix: number;
  readonly band: number;
}

interface Columns {
  readonly start: number;
  readonly cols: number;
}

/**
 * Chooses widths. Equal input gives the same choice on every machine.
 *
 * @param mix formats from narrow to wide
 * @throws BitloomError `quantize-not-finite` for damaged values in the rows that are measured, `scheme-mix` for bands of
 *   formats that are not all rounded in groups of as many columns
 */
export function chooseWidths(
  matrices: readonly MixedMatrix[],
  mix: WidthMix,
  sections: SectionSource,
): ChosenWidths {
  const columns = matrices.map(({ shape }) => columnsOf(shape[1], mix));
  const units = columns.flatMap((own, matrix) => own.map((one, band): Unit => ({ ...one, matrix, band })));
  const codes = units.map((unit) => storedCodes(matrices[unit.matrix], unit));
  const all = codes.reduce((sum, count) => sum + count, 0);
  const budget = mix.average * all;
  const isMeasured = matrices.every(({ source }) => source !== undefined);
  const widths = mix.formats.map(({ element }) => element.bits);
  const chosen = isMeasured
    ? byError(
        matrices.flatMap((matrix, index) => errorsOf(matrix, columns[index], mix.formats, sections)),
        codes,
        widths,
        budget,
      )
    : byPlace(units, matrices.length, codes, widths, mix.average, budget);
  const bits = chosen.reduce((sum, width, index) => sum + widths[width] * codes[index], 0);
  const formats = new Map(matrices.map(({ name }): [string, BandFormat[]] => [name, []]));
  for (const [index, { matrix, start, cols }] of units.entries()) {
    const format = mix.formats[chosen[index]];
    const bands = formats.get(matrices[matrix].name) ?? [];
    const before = bands.at(-1);
    if (before?.format !== format) bands.push({ start, cols, format });
    else bands[bands.length - 1] = { ...before, cols: before.cols + cols };
  }
  return { formats, average: all === 0 ? mix.average : bits / all, isMeasured };
}

/** The columns that have widths of their own: bands of as many whole groups each, the last one fewer. */
function columnsOf(cols: number, { bands, formats }: WidthMix): readonly Columns[] {
  if (bands === undefined) return [{ start: 0, cols }];
  const [group, ...others] = new Set(formats.flatMap(({ scales }) => scales.map(groupOf)));
  if (group === undefined || others.length > 0 || !(Number.isInteger(bands) && bands >= 1)) {
    throw new BitloomError({
      code: 'scheme-mix',
      message: 'these formats cannot stand side by side in a matrix',
      expected: 'a whole number of bands of formats in groups of as many columns',
      got: `${bands} bands of ${formats.map(({ name }) => name).join(', ')}`,
    });
  }
  const step = Math.ceil(Math.ceil(cols / group) / bands) * group;
  return Array.from({ length: Math.ceil(cols / step) }, (_, band) => ({
    start: band * step,
    cols: Math.min(step, cols - band * step),
  }));
}

/** Columns of a group; undefined for other granularities. */
function groupOf({ granularity }: ScaleScheme): number | undefined {
  return granularity.strategy === 'group' ? granularity.groupSize : undefined;
}

/** Codes of columns that are stored: those that the sparsity keeps. */
function storedCodes({ shape, sparsity }: MixedMatrix, { cols }: Columns): number {
  const [rows] = shape;
  return sparsity === undefined ? rows * cols : (rows * cols * Math.max(...sparsity.keep)) / sparsity.m;
}

/** Rows that are measured at most: blocks of 16, spread evenly. */
const MEASURED_BLOCKS = 4;

/**
 * Squared error of columns in each format over the squared values of the matrix [columns, formats]: what they add to the
 * noise of the value that the matrix makes, whatever the scale of either.
 */
function errorsOf(
  matrix: MixedMatrix,
  columns: readonly Columns[],
  formats: readonly TensorScheme[],
  sections: SectionSource,
): number[][] {
  const { name, shape, source, sparsity } = matrix;
  if (source === undefined) return columns.map(() => formats.map(() => 0));
  const [rows, cols] = shape;
  const blocks = Math.ceil(rows / PRUNED_ROWS);
  const measured = Math.min(MEASURED_BLOCKS, blocks);
  const errors = columns.map(() => formats.map(() => new ErrorAccumulator()));
  const squares = columns.map(() => 0);
  for (let i = 0; i < measured; i += 1) {
    const first = Math.floor((i * blocks) / measured) * PRUNED_ROWS;
    const count = Math.min(PRUNED_ROWS, rows - first);
    const floats = readFloats(sections, source.section, source.dtype, first * cols, count * cols);
    const kept = sparsity === undefined ? floats : pruneRows(floats, [count, cols], sparsity);
    for (const [index, own] of columns.entries()) {
      const data = takeColumns(kept, cols, own.start, own.cols);
      for (const value of data) squares[index] += value * value;
      for (const [at, format] of formats.entries()) {
        try {
          errors[index][at].add(data, dequantize(quantize({ data, shape: [count, own.cols] }, format)));
        } catch (error) {
          throw inTensor(error, name, first);
        }
      }
    }
  }
  const all = squares.reduce((sum, square) => sum + square, 0);
  return errors.map((own, index) => {
    const share = columns.length === 1 || all === 0 ? 1 : squares[index] / all;
    return own.map((one) => one.result().relativeRmse ** 2 * share);
  });
}

/**
 * Index of the width of each matrix, by errors [matrices, widths]: the step to any wider width that removes most error
 * per bit and still fits, again and again; of equal ones the first.
 */
function byError(
  errors: readonly (readonly number[])[],
  codes: readonly number[],
  widths: readonly number[],
  budget: number,
): number[] {
  const chosen = errors.map(() => 0);
  let left = budget - codes.reduce((sum, count) => sum + count * widths[0], 0);
  for (;;) {
    let best: { matrix: number; width: number; cost: number; gain: number } | undefined;
    for (const [matrix, own] of errors.entries()) {
      for (let width = chosen[matrix] + 1; width < widths.length; width += 1) {
        const cost = codes[matrix] * (widths[width] - widths[chosen[matrix]]);
        const gain = (own[chosen[matrix]] - own[width]) / cost;
        if (cost <= left && gain > (best?.gain ?? 0)) best = { matrix, width, cost, gain };
      }
    }
    if (best === undefined) return chosen;
    chosen[best.matrix] = best.width;
    left -= best.cost;
  }
}

/**
 * Index of the width of each unit, by its place: from both ends of the model inwards the wider width, while it fits; where
 * matrices have bands, the first band of every matrix before the second of any.
 */
function byPlace(
  units: readonly Unit[],
  matrices: number,
  codes: readonly number[],
  widths: readonly number[],
  average: number,
  budget: number,
): number[] {
  const narrow = Math.max(
    0,
    widths.findLastIndex((bits) => bits <= average),
  );
  const chosen = codes.map(() => narrow);
  if (narrow + 1 === widths.length) return chosen;
  const distance = ({ matrix }: Unit): number => Math.min(matrix, matrices - 1 - matrix);
  const order = units
    .map((unit, index) => ({ unit, index }))
    .sort((a, b) => a.unit.band - b.unit.band || distance(a.unit) - distance(b.unit) || a.index - b.index);
  let left = budget - codes.reduce((sum, count) => sum + count * widths[narrow], 0);
  for (const { index } of order) {
    const cost = codes[index] * (widths[narrow + 1] - widths[narrow]);
    if (cost > left) continue;
    chosen[index] = narrow + 1;
    left -= cost;
  }
  return chosen;
}
