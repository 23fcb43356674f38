/**
 * MLS tensors (arXiv 2006.02804): value = sign · S_t · S_g · X̄, with a float32 per tensor, <8, Mg> per group and
 * <Ex, Mx> per element. In float32, one operation at a time, with s = fround(S_g · S_t) of the group:
 *
 *     code = encode(fround(x / s))     value = fround(X̄ · s)
 *
 * saturating; a scale s of 0 gives codes 0. It is what the generic engine does with the scale levels
 * [<8, Mg> per group, float32 per tensor], as plain functions on typed arrays.
 */
import type { RoundingMode } from '@bitloom/ir';
import { type CodeArray, decode, encodeBy } from '../elements/codes.js';
import { encodeFloats } from '../elements/encode-floats.js';
import { checkLength } from '../layouts/group-shape.js';
import { requireFinite } from '../shift/channel-matrix.js';
import { elementsOf } from '../tensor.js';
import { mlsElementFormat, mlsOptionError } from './mls-formats.js';
import { type MlsGroups, mlsPlanes } from './mls-groups.js';
import { type MlsScaleRule, mlsEffectiveScale, mlsGroupScale, mlsWantedScale } from './mls-scales.js';

const f = Math.fround;

/** What kind of MLS tensor. */
export interface MlsFormat {
  /** Exponent and mantissa bits of the element, [Ex, Mx]. */
  readonly element: readonly [number, number];
  /** Mantissa bits of the group scale. */
  readonly groupScaleMantissa: 0 | 1;
  readonly groups: MlsGroups;
}

/** How values become codes. */
export interface MlsRounding {
  /** Default nearest-even. */
  readonly rounding?: RoundingMode;
  /** Stochastic rounding: element i takes word i of this stream of this seed. Both default to 0. */
  readonly seed?: number;
  readonly stream?: number;
}

export interface QuantizeMlsOptions extends MlsFormat, MlsRounding {
  /** Default `amax/qmax`. */
  readonly scaleRule?: MlsScaleRule;
}

export interface MlsTensor extends MlsFormat {
  readonly shape: readonly number[];
  /** One code per element, row-major: sign, exponent, mantissa. Uint8Array up to 8 bits, else Uint16Array. */
  readonly codes: CodeArray;
  /** Codes of the group scales: [n, c], [n], [c] or [1]. */
  readonly groupScales: Uint16Array;
  /** S_t, a float32. */
  readonly tensorScale: number;
}

/** Everything of an MLS tensor but its elements. */
export type MlsScales = Omit<MlsTensor, 'codes'>;

/**
 * Quantises a tensor of any rank, row-major.
 *
 * @throws BitloomError `quantize-not-finite`, `format-length`, `format-shape`, `mls-option`,
 *   `format-rounding-unknown`
 */
export function quantizeMls(
  values: Float32Array,
  shape: readonly number[],
  options: QuantizeMlsOptions,
): MlsTensor {
  return encodeMls(values, chooseMlsScales(values, shape, options), options);
}

/**
 * The scales that a tensor asks for.
 *
 * @throws BitloomError `quantize-not-finite`, `format-length`, `format-shape`, `mls-option`
 */
export function chooseMlsScales(
  values: Float32Array,
  shape: readonly number[],
  options: Omit<QuantizeMlsOptions, keyof MlsRounding>,
): MlsScales {
  const { element, groupScaleMantissa, groups, scaleRule = 'amax/qmax' } = options;
  if (scaleRule !== 'amax/qmax' && scaleRule !== 'amax') {
    throw mlsOptionError('scale rule', 'amax/qmax or amax', scaleRule);
  }
  const format = mlsElementFormat(...element);
  const maxima = groupMaxima(values, shape, groups);
  const tensorMax = maxima.reduce((most, max) => Math.max(most, max), 0);
  const tensorScale = mlsWantedScale(tensorMax, format, scaleRule);
  const groupScales = Uint16Array.from(maxima, (max) =>
    mlsGroupScale(mlsWantedScale(max, format, scaleRule), tensorScale, groupScaleMantissa),
  );
  return { shape, element, groupScaleMantissa, groups, groupScales, tensorScale };
}

/** Largest magnitude of each group. */
function groupMaxima(values: Float32Array, shape: readonly number[], groups: MlsGroups): Float32Array {
  const layout = mlsPlanes(shape, groups);
  checkLength('values', values.length, elementsOf(shape));
  const maxima = new Float32Array(layout.groups);
  for (let plane = 0; plane < layout.planes; plane += 1) {
    const group = layout.groupOf(plane);
    const end = (plane + 1) * layout.size;
    let most = maxima[group];
    for (let i = plane * layout.size; i < end; i += 1) {
      const magnitude = Math.abs(values[i]);
      // Also true for a NaN, which must not pass unseen.
      if (!(magnitude <= most)) {
        requireFinite(values[i], `element ${i}`);
        most = magnitude;
      }
    }
    maxima[group] = most;
  }
  return maxima;
}

/**
 * Codes under scales that are known already: those of another tensor, or of the step before.
 *
 * @throws BitloomError `quantize-not-finite`, `format-length`, `format-shape`, `mls-option`, `element-code`,
 *   `format-rounding-unknown`
 */
export function encodeMls(values: Float32Array, scales: MlsScales, options: MlsRounding = {}): MlsTensor {
  const { rounding = 'nearest-even', seed = 0, stream = 0 } = options;
  const { shape, element, groupScaleMantissa, groups, groupScales, tensorScale } = scales;
  checkLength('values', values.length, elementsOf(shape));
  const scaled = new Float32Array(values.length);
  forPlanes(scales, (start, end, scale) => {
    for (let i = start; i < end; i += 1) {
      requireFinite(values[i], `element ${i}`);
      if (scale !== 0) scaled[i] = f(values[i] / scale);
    }
  });
  const format = mlsElementFormat(...element);
  // Elements have a sign and at most 16 bits.
  const codes = encodeBy(encodeFloats, scaled, format, {
    rounding,
    saturate: true,
    nan: 'throw',
    seed,
    stream,
  });
  return { shape, element, groupScaleMantissa, groups, codes, groupScales, tensorScale };
}

/**
 * The float32 values of an MLS tensor, row-major.
 *
 * @throws BitloomError `format-length`, `format-shape`, `mls-option`, `element-code`
 */
export function dequantizeMls(tensor: MlsTensor): Float32Array {
  checkLength('codes', tensor.codes.length, elementsOf(tensor.shape));
  const out = decode(tensor.codes, mlsElementFormat(...tensor.element));
  forPlanes(tensor, (start, end, scale) => {
    for (let i = start; i < end; i += 1) out[i] *= scale;
  });
  return out;
}

/** Visits every plane: the range of its elements, and its effective scale. */
function forPlanes(tensor: MlsScales, visit: (start: number, end: number, scale: number) => void): void {
  const { shape, groups, groupScaleMantissa, groupScales, tensorScale } = tensor;
  const layout = mlsPlanes(shape, groups);
  checkLength('group scales', groupScales.length, layout.groups);
  const scales = Float32Array.from(groupScales, (code) =>
    mlsEffectiveScale(code, tensorScale, groupScaleMantissa),
  );
  for (let plane = 0; plane < layout.planes; plane += 1) {
    visit(plane * layout.size, (plane + 1) * layout.size, scales[layout.groupOf(plane)]);
  }
}
