/** ShiftQuant as a layout: codes, one scale per tensor, and the group of every channel of the last axis. */
import type { TensorScheme } from '@bitloom/ir';
import { codeBytes, packCodes } from '../layouts/codes.js';
import { checkLength } from '../layouts/group-shape.js';
import { rankError } from '../schemes/block-grid.js';
import { checkScheme } from '../schemes/check-scheme.js';
import { schemeType } from '../schemes/scheme-type.js';
import { quantizeShift } from '../shift/quantize-shift.js';
import { checkShape, type QuantizedTensor, rowsOf, type Tensor } from '../tensor.js';
import { finiteValues } from './finite-values.js';
import type { QuantizeOptions } from './quantize-scaled.js';

/**
 * Quantises a tensor by a scheme with shift groups.
 *
 * @throws BitloomError `scheme-invalid`, `scheme-rank`, `quantize-not-finite`, `format-shape`, `format-length`
 */
export function quantizeShifted(
  tensor: Tensor,
  scheme: TensorScheme,
  groups: number,
  options: QuantizeOptions = {},
): QuantizedTensor {
  checkScheme(scheme);
  const { data, shape } = tensor;
  checkShape(shape);
  if (shape.length === 0) throw rankError('shift groups of the last axis', 0);
  const { rows, cols } = rowsOf(shape);
  checkLength('values', data.length, rows * cols);
  const values = finiteValues(data, scheme.nan, shape);
  const { element, rounding, seed = 0 } = scheme;
  const { codes, index, scale } = quantizeShift(values, {
    // However many empty rows there are.
    rows: cols === 0 ? 0 : rows,
    cols,
    axis: 1,
    bits: element.bits,
    groups,
    rounding,
    seed,
    stream: options.stream ?? scheme.stream ?? 0,
  });
  const mask = 2 ** element.bits - 1;
  const raw = new Uint8Array(codes.length);
  for (let i = 0; i < raw.length; i += 1) raw[i] = codes[i] & mask;
  return {
    type: schemeType(scheme, shape),
    components: {
      codes: packCodes(raw, rows, cols, element.bits),
      scales: codeBytes(new Uint32Array(Float32Array.of(scale).buffer)),
      index,
    },
  };
}
