/**
 * Which schemes and types of quantised tensors the block functions serve, as codings of their element and scale. What
 * they do not serve, and what the definition would refuse, has no coding here.
 */
import type { ElementFormat, ScaleLevel, TensorScheme } from '@bitloom/ir';
import { formatRange } from '../elements/element-formats.js';
import { blockGrid, blockOf } from '../schemes/block-grid.js';
import { elementsOf, type FixedQuantizedType, rowsOf } from '../tensor.js';
import { e8m0Coding, fp16Coding, fp32Coding, isE8m0Rule, type ScaleCoding } from './block-scales.js';
import type { BlockShape } from './blocks.js';
import { type ElementCoding, floatCoding, integerCoding } from './element-coding.js';

/** Element, scale and shape of a tensor for the block functions. */
export interface SchemeCoding {
  readonly element: ElementCoding;
  readonly scale: ScaleCoding;
  readonly shape: BlockShape;
}

/** The coding of tensors of `shape` under a scheme, or undefined. */
export function schemeCoding(scheme: TensorScheme, shape: readonly number[]): SchemeCoding | undefined {
  const { element, scales, rounding, saturate, shiftGroups, seed, layout } = scheme;
  if (rounding !== 'nearest-even' || !saturate || seed !== undefined) return undefined;
  if (shiftGroups !== undefined || layout !== 'canonical' || scales.length !== 1) return undefined;
  const [level] = scales;
  const { granularity } = level;
  if (
    granularity.strategy === 'block' ||
    (granularity.strategy === 'group' && !(granularity.groupSize >= 1))
  ) {
    return undefined;
  }
  return coding(element, level, shape, blockOf(granularity, shape.length));
}

/** The coding of a type, or undefined. */
export function typeCoding({
  element,
  scales,
  shape,
  layout,
  indexMap,
  sparsity,
}: FixedQuantizedType): SchemeCoding | undefined {
  if (layout !== 'canonical' || scales.length !== 1 || indexMap !== undefined || sparsity !== undefined)
    return undefined;
  const [level] = scales;
  return coding(element, level, shape, level.block);
}

type Level = Pick<ScaleLevel, 'format' | 'direction' | 'zero' | 'rule'>;

function coding(
  element: ElementFormat,
  level: Level,
  shape: readonly number[],
  block: readonly number[],
): SchemeCoding | undefined {
  if (level.zero !== undefined || level.direction !== 'multiply') return undefined;
  const rows = rowCoding(shape, block);
  const scale = scaleCoding(element, level);
  const codes = elementCoding(element, level.rule);
  return rows === undefined || scale === undefined || codes === undefined
    ? undefined
    : { element: codes, scale, shape: rows };
}

/** Blocks that lie within rows of the last axis. */
function rowCoding(shape: readonly number[], block: readonly number[]): BlockShape | undefined {
  const grid = blockGrid(shape, block);
  // Scales of no elements are the definition's business.
  if (elementsOf(shape) === 0) return undefined;
  if (grid.block.slice(0, -1).some((size) => size !== 1)) return undefined;
  return { ...rowsOf(shape), group: grid.runLength };
}

function elementCoding(element: ElementFormat, rule: string): ElementCoding | undefined {
  const { kind, bits, signed, specials } = element;
  if (kind === 'codebook' || !signed || bits > 8) return undefined;
  if (kind === 'float') return specials === 'fnuz' || bits < 2 ? undefined : floatCoding(element);
  if (bits < 2) return undefined;
  const highest = 2 ** (bits - 1) - 1;
  return integerCoding(bits, rule === 'amax/half-range' ? -highest - 1 : -highest, highest);
}

function scaleCoding(element: ElementFormat, { format, rule }: Level): ScaleCoding | undefined {
  if (isE8m0Rule(rule)) {
    const isE8m0 =
      !format.signed && format.exponentBits === 8 && format.mantissaBits === 0 && format.bias === 127;
    // The step of a fixed-point element must stay a float32 beside the least power of two.
    const isExact = element.kind === 'float' || element.bias <= 16;
    return isE8m0 && isExact ? e8m0Coding(rule, element) : undefined;
  }
  const { min, max, symmetricMax } = formatRange(element);
  const divisor = rule === 'amax/qmax' ? symmetricMax : rule === 'amax/half-range' ? (max - min) / 2 : 0;
  // Below 1 the quotient may overflow where the amax does not.
  if (divisor < 1 || (element.kind === 'int' && element.bias !== 0)) return undefined;
  if (isIeee(format, 5, 10)) return fp16Coding(divisor);
  return isIeee(format, 8, 23) ? fp32Coding(divisor) : undefined;
}

function isIeee(
  { kind, signed, exponentBits, mantissaBits, bias, specials }: ElementFormat,
  exponent: number,
  mantissa: number,
): boolean {
  return (
    kind === 'float' &&
    signed &&
    exponentBits === exponent &&
    mantissaBits === mantissa &&
    bias === 2 ** (exponent - 1) - 1 &&
    specials === 'ieee'
  );
}
