/**
 * OCP MX by itself: `quantize(tensor, mxScheme(element, rule))` for a bundle that wants nothing else. Blocks along the
 * last axis under one power of two, elements rounded to nearest even and saturating, at the speed of memory. Where the
 * SIMD functions do not serve, a plain loop gives the same bytes.
 */
import { BitloomError, type ElementFormat } from '@bitloom/ir';
import {
  E8M0,
  FP4_E2M1,
  FP6_E2M3,
  FP6_E3M2,
  FP8_E4M3FN,
  FP8_E5M2,
  MXINT8,
} from '../elements/format-records.js';
import { checkGroupShape, checkLength } from '../layouts/group-shape.js';
import { blockOf } from '../schemes/block-grid.js';
import { checkShape, elementsOf, type QuantizedTensor, rowsOf, type Tensor } from '../tensor.js';
import { type BlockBuffers, encodeBlocks } from './block-codes.js';
import { type E8m0Rule, e8m0Coding, e8m0Rule, e8m0RuleNames } from './block-scales.js';
import type { BlockShape } from './blocks.js';
import { floatCoding, integerCoding } from './element-coding.js';
import { encodePlainly, largestPlainly } from './plain-blocks.js';
import { type EncodeSource, sharedEncodeSource } from './simd-module.js';

/** Elements of OCP MX. */
const ELEMENTS: Readonly<Record<MxElement, ElementFormat>> = {
  fp8_e4m3fn: FP8_E4M3FN,
  fp8_e5m2: FP8_E5M2,
  fp6_e2m3: FP6_E2M3,
  fp6_e3m2: FP6_E3M2,
  fp4_e2m1: FP4_E2M1,
  mxint8: MXINT8,
};

/** Name of an element of OCP MX. */
export type MxElement = 'fp8_e4m3fn' | 'fp8_e5m2' | 'fp6_e2m3' | 'fp6_e3m2' | 'fp4_e2m1' | 'mxint8';

/** What {@link quantizeMx} may be told. */
export interface MxOptions {
  /** `floor` (default, as the specification), `rceil`, `ceil` or `even`. */
  readonly rule?: string;
  /** Elements of a block; 32 by default. The last block of a row may be short. */
  readonly blockSize?: number;
}

/** Code of a scale that is not a number. */
const NAN_SCALE = 0xff;

/**
 * A tensor as MXFP8, MXFP6, MXFP4 or MXINT8. A NaN or an infinity makes the scale of its block NaN and the codes 0.
 *
 * @param source where the SIMD functions come from; another one than the shared is for tests
 * @throws BitloomError `format-unknown`, `scheme-rule-unknown`, `scheme-rank`, `format-shape`, `format-length`
 */
export function quantizeMx(
  { data, shape }: Tensor,
  element: MxElement,
  { rule: name = 'floor', blockSize = 32 }: MxOptions = {},
  source: EncodeSource = sharedEncodeSource,
): QuantizedTensor {
  if (!Object.hasOwn(ELEMENTS, element)) throw unknown('format-unknown', Object.keys(ELEMENTS), element);
  const format = ELEMENTS[element];
  const rule = e8m0Rule(name, format);
  if (rule === undefined) throw unknown('scheme-rule-unknown', e8m0RuleNames(), name);
  checkShape(shape);
  const { rows, cols } = rowsOf(shape);
  const { bits } = format;
  checkGroupShape({ rows, cols, bits, groupSize: blockSize });
  const block = blockOf({ strategy: 'group', groupSize: blockSize }, shape.length);
  checkLength('values', data.length, elementsOf(shape));
  const coding = format.kind === 'int' ? integerCoding(8, -127, 127) : floatCoding(format);
  const components = {
    codes: new Uint8Array(rows * Math.ceil((cols * bits) / 8)),
    scales: new Uint8Array(rows * Math.ceil(cols / blockSize)),
  };
  const blocks = { rows, cols, group: blockSize };
  if (!encodeBlocks(data, blocks, coding, e8m0Coding(rule, format), components, source)) {
    encodeByDefinition(data, blocks, format, rule, components);
  }
  return {
    type: {
      kind: 'quantized',
      shape,
      element: format,
      scales: [{ format: E8M0, block, direction: 'multiply', rule: name }],
      layout: 'canonical',
    },
    components,
  };
}

/** The definition, for what the SIMD functions do not serve. */
function encodeByDefinition(
  values: Float32Array,
  shape: BlockShape,
  element: ElementFormat,
  { divisor, addend, offset }: E8m0Rule,
  out: BlockBuffers,
): void {
  const largest = largestPlainly(values, shape);
  const bits = new Int32Array(Float32Array.from(largest, (amax) => amax / divisor).buffer);
  const scales = largest.map((amax, block) => {
    if (!(amax < Number.POSITIVE_INFINITY)) {
      out.scales[block] = NAN_SCALE;
      return Number.NaN;
    }
    const code = bits[block] <= 0x400000 ? 0 : ((bits[block] + addend) >>> 23) - offset;
    out.scales[block] = Math.max(0, Math.min(254, code));
    return 2 ** (out.scales[block] - 127);
  });
  out.codes.set(encodePlainly(values, scales, shape, element));
}

function unknown(code: string, expected: readonly string[], got: string): BitloomError {
  return new BitloomError({
    code,
    message: `${code === 'format-unknown' ? 'OCP MX has no element' : 'there is no scale rule'} of this name`,
    expected: expected.join(', '),
    got,
  });
}
