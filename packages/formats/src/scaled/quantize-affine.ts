/**
 * Affine integers by themselves: `quantize(tensor, affineScheme(bits, granularity))` for a bundle that wants nothing else.
 * Unsigned codes under an fp16 scale and a zero point of their own width, by the rule `minmax`.
 */
import type { Granularity } from '@bitloom/ir';
import { decodeFp16, encodeFp16 } from '../elements/half-precision.js';
import { INTEGER } from '../elements/nearest-code.js';
import { codeBytes, packCodes } from '../layouts/codes.js';
import { checkLength } from '../layouts/group-shape.js';
import { blockGrid, blockOf, forSegments } from '../schemes/block-grid.js';
import { checkParameters } from '../schemes/check-scheme.js';
import { affineScheme } from '../schemes/named-schemes.js';
import { affineZero, MINMAX } from '../schemes/rules/range.js';
import { schemeType } from '../schemes/scheme-type.js';
import {
  checkShape,
  elementsOf,
  type QuantizedTensor,
  requireBlocks,
  rowsOf,
  type Tensor,
} from '../tensor.js';
import { requireAllFinite } from './finite-values.js';
import { gatherStatistics, requireFit } from './quantize-scaled.js';

/**
 * A tensor as unsigned integers with zero points.
 *
 * @param bits 1 to 8
 * @param granularity which elements share a scale and a zero point
 * @throws BitloomError `quantize-not-finite`, `quantize-scale-overflow`, `scheme-invalid`, `scheme-rank`,
 *   `format-shape`, `format-length`
 */
export function quantizeAffine(
  { data, shape }: Tensor,
  bits: number,
  granularity: Granularity,
): QuantizedTensor {
  const scheme = affineScheme(bits, granularity);
  checkParameters(scheme);
  checkShape(shape);
  checkLength('values', data.length, elementsOf(shape));
  requireAllFinite(data, shape);
  const { rows, cols } = rowsOf(shape);
  const { element } = scheme;
  const [level] = scheme.scales;
  const grid = blockGrid(shape, blockOf(granularity, shape.length));
  requireBlocks(grid.cells, data.length, shape);
  const statistics = gatherStatistics(data, rows, grid);
  const wanted = new Float32Array(grid.cells);
  for (let cell = 0; cell < grid.cells; cell += 1) wanted[cell] = MINMAX.scale(statistics.of(cell), element);
  const scaleCodes = Uint16Array.from(wanted, (scale) => encodeFp16(scale));
  const scales = Float32Array.from(scaleCodes, decodeFp16);
  requireFit(scales, wanted, level, MINMAX, grid.counts);
  const zeros = new Uint8Array(grid.cells);
  for (let cell = 0; cell < grid.cells; cell += 1) {
    zeros[cell] = affineZero(statistics.of(cell), scales[cell], element);
  }
  const { lowest, highest } = MINMAX.codes(element);
  const codes = new Uint8Array(data.length);
  forSegments(rows, grid, (cell, start, end) => {
    const scale = scales[cell];
    const zero = zeros[cell];
    if (scale === 0) {
      codes.fill(zero, start, end);
      return;
    }
    // Rounded first, then moved, so that the zero point does not decide ties.
    for (let i = start; i < end; i += 1) {
      const quotient = Math.max(lowest - zero, Math.min(highest - zero, Math.fround(data[i] / scale)));
      codes[i] = quotient + INTEGER - INTEGER + zero;
    }
  });
  const components = {
    codes: packCodes(codes, rows, cols, bits),
    scales: codeBytes(scaleCodes),
    zeros: codeBytes(zeros),
  };
  return { type: schemeType(scheme, shape), components };
}
