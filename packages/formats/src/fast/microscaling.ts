/**
 * OCP MX by itself: `quantize(tensor, mxScheme(element, rule))` for a bundle that wants nothing else. Blocks along the
 * last axis under one power of two, elements rounded to nearest even and saturating, at the speed of memory. Where the
 * SIMD functions do not serve, a plain loop gives the same bytes.
 */
import { BitloomError, type ElementFormat, fixedFormat, floatFormat } from '@bitloom/ir';
import { formatRange } from '../elements/element-formats.js';
import { packCodes } from '../layouts/codes.js';
import { checkGroupShape, checkLength } from '../layouts/group-shape.js';
import { blockOf } from '../schemes/block-grid.js';
import { checkShape, elementsOf, type QuantizedTensor, rowsOf, type Tensor } from '../tensor.js';
import { type BlockBuffers, encodeBlocks } from './block-codes.js';
import { type E8m0Rule, e8m0Coding, e8m0Rule, e8m0RuleNames } from './block-scales.js';
import type { BlockShape } from './blocks.js';
import { floatCoding, integerCoding } from './element-coding.js';
import { type EncodeSource, sharedEncodeSource } from './simd-module.js';

/** Elements of OCP MX. */
const ELEMENTS: Readonly<Record<MxElement, () => ElementFormat>> = {
  fp8_e4m3fn: () => floatFormat('fp8_e4m3fn', 4, 3, { specials: 'fn' }),
  fp8_e5m2: () => floatFormat('fp8_e5m2', 5, 2),
  fp6_e2m3: () => floatFormat('fp6_e2m3', 2, 3, { specials: 'none' }),
  fp6_e3m2: () => floatFormat('fp6_e3m2', 3, 2, { specials: 'none' }),
  fp4_e2m1: () => floatFormat('fp4_e2m1', 2, 1, { specials: 'none' }),
  mxint8: () => fixedFormat('mxint8', 8, 6),
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
  const format = ELEMENTS[element]();
  const rule = e8m0Rule(name, format);
  if (rule === undefined) throw unknown('scheme-rule-unknown', e8m0RuleNames(), name);
  checkShape(shape);
  const { rows, cols } = rowsOf(shape);
  const { bits } = format;
  checkGroupShape({ rows, cols, bits, groupSize: blockSize });
  const block = blockOf({ strategy: 'group', groupSize: blockSize }, shape.length);
  checkLength('values', data.length, elementsOf(shape));
  const scales = floatFormat('e8m0', 8, 0, { signed: false, specials: 'nan-only' });
  const coding = format.kind === 'int' ? integerCoding(8, -127, 127) : floatCoding(format);
  const components = {
    codes: new Uint8Array(rows * Math.ceil((cols * bits) / 8)),
    scales: new Uint8Array(rows * Math.ceil(cols / blockSize)),
  };
  const blocks = { rows, cols, group: blockSize };
  if (!encodeBlocks(data, blocks, coding, e8m0Coding(rule, format), components, source)) {
    encodePlainly(data, blocks, format, rule, components);
  }
  return {
    type: {
      kind: 'quantized',
      shape,
      element: format,
      scales: [{ format: scales, block, direction: 'multiply', rule: name }],
      layout: 'canonical',
    },
    components,
  };
}

/** 1.5 · 2^52: added to a float64 that is not too large, it leaves the nearest integer. */
const INTEGER = 6755399441055744;

/** The definition in one loop: for engines without SIMD, blocks that are not bytes, and values that are not finite. */
function encodePlainly(
  values: Float32Array,
  { rows, cols, group }: BlockShape,
  element: ElementFormat,
  { divisor, addend, offset }: E8m0Rule,
  out: BlockBuffers,
): void {
  const { bits, kind, mantissaBits, bias } = element;
  const { max } = formatRange(element);
  const codes = new Uint8Array(values.length);
  const float = new Float32Array(1);
  const word = new Int32Array(float.buffer);
  const bitsOf = (value: number): number => {
    float[0] = value;
    return word[0];
  };
  const codeOf = (quotient: number): number => {
    const size = Math.min(max, Math.abs(quotient));
    const isNegative = bitsOf(quotient) < 0;
    if (kind === 'int') {
      const steps = size * 2 ** bias + INTEGER - INTEGER;
      return isNegative ? -steps : steps;
    }
    const exponent = Math.max((bitsOf(size) >> 23) - 127, 1 - bias);
    const steps = size / 2 ** (exponent - mantissaBits) + INTEGER - INTEGER;
    return (isNegative ? 2 ** (bits - 1) : 0) + (exponent + bias - 1) * 2 ** mantissaBits + steps;
  };
  let cell = 0;
  for (let row = 0; row < rows; row += 1) {
    for (let col = 0; col < cols; col += group, cell += 1) {
      const start = row * cols + col;
      const end = start + Math.min(group, cols - col);
      // The largest bits without sign: those of a NaN are larger than those of infinity.
      let largest = 0;
      for (let i = start; i < end; i += 1) largest = Math.max(largest, bitsOf(Math.abs(values[i])));
      if (largest >= 0x7f800000) {
        out.scales[cell] = NAN_SCALE;
        continue;
      }
      word[0] = largest;
      const quotient = bitsOf(float[0] / divisor);
      const code = quotient <= 0x400000 ? 0 : ((quotient + addend) >>> 23) - offset;
      out.scales[cell] = Math.max(0, Math.min(254, code));
      const scale = 2 ** (out.scales[cell] - 127);
      for (let i = start; i < end; i += 1) codes[i] = codeOf(Math.fround(values[i] / scale));
    }
  }
  out.codes.set(packCodes(codes, rows, cols, bits));
}

function unknown(code: string, expected: readonly string[], got: string): BitloomError {
  return new BitloomError({
    code,
    message: `${code === 'format-unknown' ? 'OCP MX has no element' : 'there is no scale rule'} of this name`,
    expected: expected.join(', '),
    got,
  });
}
