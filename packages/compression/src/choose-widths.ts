/**
 * Which width each matrix of a mixed scheme gets. Weights that are there are measured: all matrices start at the narrowest
 * width, and bits go where they remove most error per bit, until the average is reached. Shapes alone say nothing about
 * errors: then the matrices nearest to both ends of the model get the wider of the two widths next to the average, which
 * is a rule of ours, because the published one is not known.
 *
 * Not for: what a width costs in time (all of them stream through the same expander), or the error of activations.
 */
import { dequantize, ErrorAccumulator, type NmSparsity, quantize } from '@bitloom/formats';
import type { SectionSource, TensorScheme } from '@bitloom/ir';
import { readFloats } from './dense-floats.js';
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

/** Formats by name of matrix, and what they come to. */
export interface ChosenWidths {
  readonly formats: ReadonlyMap<string, TensorScheme>;
  /** Bits per stored code over all matrices; at most the average that was asked for. */
  readonly average: number;
  readonly isMeasured: boolean;
}

/**
 * Chooses widths. Equal input gives the same choice on every machine.
 *
 * @param mix formats from narrow to wide
 * @throws BitloomError `quantize-not-finite` for damaged values in the rows that are measured
 */
export function chooseWidths(
  matrices: readonly MixedMatrix[],
  mix: WidthMix,
  sections: SectionSource,
): ChosenWidths {
  const codes = matrices.map(storedCodes);
  const all = codes.reduce((sum, count) => sum + count, 0);
  const budget = mix.average * all;
  const isMeasured = matrices.every(({ source }) => source !== undefined);
  const widths = mix.formats.map(({ element }) => element.bits);
  const chosen = isMeasured
    ? byError(
        matrices.map((matrix) => mix.formats.map((format) => relativeError(matrix, format, sections))),
        codes,
        widths,
        budget,
      )
    : byPlace(codes, widths, mix.average, budget);
  const bits = chosen.reduce((sum, width, index) => sum + widths[width] * codes[index], 0);
  return {
    formats: new Map(matrices.map(({ name }, index) => [name, mix.formats[chosen[index]]])),
    average: all === 0 ? mix.average : bits / all,
    isMeasured,
  };
}

/** Codes of a matrix that are stored: those that its sparsity keeps. */
function storedCodes({ shape, sparsity }: MixedMatrix): number {
  const [rows, cols] = shape;
  return sparsity === undefined ? rows * cols : (rows * cols * Math.max(...sparsity.keep)) / sparsity.m;
}

/** Rows that are measured at most: blocks of 16, spread evenly. */
const MEASURED_BLOCKS = 4;

/**
 * Squared error of a matrix in a format over its squared values: what a matrix adds to the noise of the value it makes,
 * whatever the scale of either.
 */
function relativeError(matrix: MixedMatrix, format: TensorScheme, sections: SectionSource): number {
  const { name, shape, source, sparsity } = matrix;
  if (source === undefined) return 0;
  const [rows, cols] = shape;
  const blocks = Math.ceil(rows / PRUNED_ROWS);
  const measured = Math.min(MEASURED_BLOCKS, blocks);
  const errors = new ErrorAccumulator();
  for (let i = 0; i < measured; i += 1) {
    const first = Math.floor((i * blocks) / measured) * PRUNED_ROWS;
    const own = [Math.min(PRUNED_ROWS, rows - first), cols];
    const floats = readFloats(sections, source.section, source.dtype, first * cols, own[0] * cols);
    const data = sparsity === undefined ? floats : pruneRows(floats, own, sparsity);
    try {
      errors.add(data, dequantize(quantize({ data, shape: own }, format)));
    } catch (error) {
      throw inTensor(error, name, first);
    }
  }
  return errors.result().relativeRmse ** 2;
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

/** Index of the width of each matrix, by its place: from both ends inwards the wider width, while it fits. */
function byPlace(
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
  const distance = (index: number): number => Math.min(index, codes.length - 1 - index);
  const order = codes.map((_, index) => index).sort((a, b) => distance(a) - distance(b) || a - b);
  let left = budget - codes.reduce((sum, count) => sum + count * widths[narrow], 0);
  for (const index of order) {
    const cost = codes[index] * (widths[narrow + 1] - widths[narrow]);
    if (cost > left) continue;
    chosen[index] = narrow + 1;
    left -= cost;
  }
  return chosen;
}
