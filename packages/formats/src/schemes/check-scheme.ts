/** Whether a scheme makes sense, checked at every border by hand: a browser bundle carries no schema library. */
import {
  BitloomError,
  type ElementFormat,
  type Granularity,
  type ScaleScheme,
  type TensorScheme,
} from '@bitloom/ir';
import { formatRange } from '../elements/element-formats.js';
import { isStochastic } from '../rounding/stochastic.js';
import { formatFault } from './format-fault.js';
import { type ScaleRule, scaleRule } from './scale-rules.js';

/** Says that a field is not what it should be. */
type Fail = (where: string, expected: string, got: unknown) => never;

/** Codes under a zero point are float32 numbers on the way, and so are their differences from it. */
const ZERO_POINT_BITS = 22;

/**
 * Checks a scheme of the layout `canonical`.
 *
 * @throws BitloomError `scheme-invalid` with the field, `scheme-rule-unknown`
 */
export function checkScheme(scheme: TensorScheme): void {
  const { element, scales, rounding, seed, stream, quotient, shiftGroups } = scheme;
  const fail = failOf(scheme);
  checkFormat(element, 'element', fail);
  if (scales.length === 0) fail('scales', 'at least one level', 'none');
  scales.forEach((level, index) => {
    checkLevel(level, index, element, fail);
  });
  if (isStochastic(rounding) && seed === undefined) fail('seed', 'a seed for stochastic rounding', seed);
  if (seed !== undefined && !(Number.isSafeInteger(seed) && seed >= 0)) fail('seed', 'a whole number', seed);
  if (stream !== undefined && !isWhole(stream, 0)) fail('stream', 'a whole number', stream);
  if (quotient !== undefined && quotient !== 'divide' && quotient !== 'reciprocal') {
    fail('quotient', 'divide or reciprocal', quotient);
  }
  if (shiftGroups !== undefined) checkShift(shiftGroups, scheme, fail);
}

/** Checks the width of the codes and the granularities of a scheme that is otherwise known to make sense. */
export function checkParameters(scheme: TensorScheme): void {
  const fail = failOf(scheme);
  const { bits } = scheme.element;
  if (!(isWhole(bits, 1) && bits <= 8)) fail('element', 'codes of 1 to 8 bits', bits);
  scheme.scales.forEach(({ granularity }, index) => {
    checkGranularity(granularity, `scales[${index}].granularity`, fail);
  });
}

function failOf({ name }: TensorScheme): Fail {
  return (where, expected, got) => {
    throw new BitloomError({
      code: 'scheme-invalid',
      message: `the scheme '${name}' contradicts itself`,
      where,
      expected,
      got: String(got),
    });
  };
}

function checkFormat(format: ElementFormat, where: string, fail: Fail): void {
  const fault = formatFault(format);
  if (fault !== undefined) fail(where, fault, format.name);
}

function checkLevel(level: ScaleScheme, index: number, element: ElementFormat, fail: Fail): void {
  const where = `scales[${index}]`;
  const rule = scaleRule(level.rule);
  const { granularity, format, zero, direction } = level;
  checkFormat(format, `${where}.format`, fail);
  if (format.kind !== 'float') fail(`${where}.format`, 'a float format', format.name);
  if (rule.nanScale === true && !isPowerOfTwo(format)) fail(`${where}.format`, 'e8m0', format.name);
  // A scale next to the codes always multiplies; further out the rule says what its numbers mean.
  const wanted = index === 0 ? 'multiply' : (rule.direction ?? 'multiply');
  if (direction !== wanted) fail(`${where}.direction`, `${wanted} for the rule ${level.rule}`, direction);
  if (index === 0 && rule.direction !== undefined)
    fail(`${where}.rule`, 'a rule for multipliers', level.rule);
  if (index > 0 && (zero !== undefined || rule.zero !== undefined)) {
    fail(`${where}.zero`, 'a zero at the first level only', level.rule);
  }
  checkZero(zero, rule, level.rule, `${where}.zero`, element, fail);
  checkGranularity(granularity, `${where}.granularity`, fail);
}

function isPowerOfTwo({ signed, mantissaBits }: ElementFormat): boolean {
  return !signed && mantissaBits === 0;
}

function checkZero(
  zero: ScaleScheme['zero'],
  rule: ScaleRule,
  name: string,
  where: string,
  element: ElementFormat,
  fail: Fail,
): void {
  if (zero?.kind !== rule.zeroKind) {
    fail(where, `${rule.zeroKind ?? 'none'} for the rule ${name}`, zero?.kind ?? 'none');
  }
  if (zero === undefined) return;
  checkFormat(zero.format, `${where}.format`, fail);
  if (zero.kind === 'minimum') {
    if (element.kind !== 'int' || element.signed)
      fail(where, 'unsigned codes above the minimum', element.name);
    if (zero.format.kind !== 'float') fail(`${where}.format`, 'a float format', zero.format.name);
    return;
  }
  if (element.kind !== 'int' || element.bias !== 0 || element.bits > ZERO_POINT_BITS) {
    fail(where, `an integer element of at most ${ZERO_POINT_BITS} bits`, element.name);
  }
  const codes = formatRange(element);
  const zeros = formatRange(zero.format);
  if (zeros.min > codes.min || zeros.max < codes.max) {
    fail(`${where}.format`, `a format that holds ${codes.min} to ${codes.max}`, zero.format.name);
  }
}

function checkGranularity(granularity: Granularity, where: string, fail: Fail): void {
  if (granularity.strategy === 'group') {
    const { groupSize } = granularity;
    if (!isWhole(groupSize, 1)) fail(where, 'a group of at least 1', groupSize);
  } else if (granularity.strategy === 'block') {
    const { blockShape } = granularity;
    if (!blockShape.every((size) => isWhole(size, 0)))
      fail(where, 'whole numbers', `[${blockShape.join(', ')}]`);
  } else if (granularity.strategy === 'axis') {
    const { axes } = granularity;
    if (!axes.every((axis) => isWhole(axis, 0))) fail(where, 'axes counted from 0', `[${axes.join(', ')}]`);
  }
}

function isWhole(value: number, least: number): boolean {
  return Number.isSafeInteger(value) && value >= least;
}

/** Shift groups have one quantiser, whose only choices are bits, groups and rounding. */
function checkShift(groups: number, { element, scales, saturate, quotient }: TensorScheme, fail: Fail): void {
  if (!(isWhole(groups, 1) && groups <= 64)) fail('shiftGroups', '1 to 64', groups);
  if (element.kind !== 'int' || !element.signed || element.bias !== 0 || element.bits > 8) {
    fail('element', 'a signed integer of 2 to 8 bits under shift groups', element.name);
  }
  const [{ granularity, format, rule }] = scales;
  const isPlain = scales.length === 1 && granularity.strategy === 'tensor' && rule === 'amax/qmax';
  if (!isPlain || format.kind !== 'float' || format.bits !== 32) {
    fail('scales', 'one fp32 per tensor by the rule amax/qmax under shift groups', rule);
  }
  if (!saturate) fail('saturate', 'true under shift groups', saturate);
  if (quotient === 'reciprocal') fail('quotient', 'divide under shift groups', quotient);
}
