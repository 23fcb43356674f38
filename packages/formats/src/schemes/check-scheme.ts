/** Whether a scheme makes sense, checked at every border by hand: a browser bundle carries no schema library. */
import { BitloomError, type ElementFormat, type TensorScheme } from '@bitloom/ir';
import { isStochastic } from '../rounding/stochastic.js';
import { scaleRule } from './scale-rules.js';

function invalid(scheme: TensorScheme, where: string, expected: string, got: string): BitloomError {
  return new BitloomError({
    code: 'scheme-invalid',
    message: `the scheme '${scheme.name}' contradicts itself`,
    where,
    expected,
    got,
  });
}

/**
 * Checks a scheme of the layout `canonical`.
 *
 * @throws BitloomError `scheme-invalid` with the field, `scheme-rule-unknown`
 */
export function checkScheme(scheme: TensorScheme): void {
  const { element, scales, rounding, seed, shiftGroups } = scheme;
  const fail = (where: string, expected: string, got: unknown): never => {
    throw invalid(scheme, where, expected, String(got));
  };
  if (element.bits > 32 || element.bits < 1) fail('element', '1 to 32 bits', element.bits);
  if (scales.length === 0) fail('scales', 'at least one level', 'none');
  scales.forEach((level, index) => {
    const where = `scales[${index}]`;
    const rule = scaleRule(level.rule);
    const { granularity, format, zero } = level;
    if (format.kind !== 'float') fail(`${where}.format`, 'a float format', format.name);
    if (index === 0 && level.direction !== 'multiply')
      fail(`${where}.direction`, 'multiply', level.direction);
    if (index > 0 && (zero !== undefined || rule.zero !== undefined)) {
      fail(`${where}.zero`, 'a zero at the first level only', level.rule);
    }
    if ((zero !== undefined) !== (rule.zero !== undefined)) {
      fail(
        `${where}.zero`,
        `${rule.zero === undefined ? 'none' : 'one'} for the rule ${level.rule}`,
        zero?.kind,
      );
    }
    if (zero !== undefined && zero.kind === 'zero-point' && element.kind !== 'int') {
      fail(`${where}.zero`, 'an integer element', element.name);
    }
    if (rule.nanScale === true && !isPowerOfTwo(format)) fail(`${where}.format`, 'e8m0', format.name);
    if (granularity.strategy === 'group' && !(granularity.groupSize >= 1)) {
      fail(`${where}.granularity`, 'a group of at least 1', granularity.groupSize);
    }
  });
  if (isStochastic(rounding) && seed === undefined) fail('seed', 'a seed for stochastic rounding', seed);
  if (seed !== undefined && !(Number.isSafeInteger(seed) && seed >= 0)) fail('seed', 'a whole number', seed);
  if (shiftGroups !== undefined) {
    if (!(Number.isInteger(shiftGroups) && shiftGroups >= 1 && shiftGroups <= 64)) {
      fail('shiftGroups', '1 to 64', shiftGroups);
    }
    const [level] = scales;
    if (element.kind !== 'int' || scales.length !== 1 || level.granularity.strategy !== 'tensor') {
      fail('shiftGroups', 'an integer element and one scale per tensor', element.name);
    }
  }
}

function isPowerOfTwo({ signed, mantissaBits }: ElementFormat): boolean {
  return !signed && mantissaBits === 0;
}
