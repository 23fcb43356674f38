/**
 * Combinations of fields that have a meaning, as tables: what a field may hold where another one has a certain
 * value. The verifier refuses everything else, and the reference lists the rules. Widths are not repeated here.
 */
import type { Interval } from '../expression.js';
import type { InstructionSpec } from './instruction-fields.js';

export interface FieldRule {
  /** Where the rule holds: a fixed field has one of these values, or names of its enumeration. Absent: always. */
  readonly when?: { readonly field: string; readonly is: readonly (string | number)[] };
  /** The field that is bound, and the integers that it may hold: any of a list, or from `min` to `max`. */
  readonly field: string;
  readonly allowed: readonly number[] | Interval;
}

const inMode = (...is: readonly string[]): FieldRule['when'] => ({ field: 'mode', is });
const ofFunction = (...is: readonly string[]): FieldRule['when'] => ({ field: 'function', is });

/** MM and MV: flags are flags, and each mode takes only what its kernel reads. */
export const MATRIX_RULES: readonly FieldRule[] = [
  { when: inMode('weights'), field: 'bits', allowed: [2, 3, 4, 5, 6, 8] },
  { when: { field: 'keep', is: [2, 4, 8, 16] }, field: 'bits', allowed: [2, 3, 4, 8] },
  { when: inMode('keys', 'values'), field: 'bits', allowed: [4, 8] },
  { when: inMode('weights'), field: 'group', allowed: { min: 1, max: 2 ** 16 - 1 } },
  { when: inMode('weights'), field: 'batch', allowed: [1] },
  { when: inMode('weights'), field: 'keep', allowed: [0, 2, 4, 8, 16] },
  { when: inMode('keys', 'values'), field: 'bShare', allowed: { min: 1, max: 2 ** 16 - 1 } },
  { when: inMode('weights', 'values'), field: 'continue', allowed: { min: 0, max: 1 } },
  { when: inMode('keys'), field: 'continue', allowed: [0] },
  { when: inMode('weights', 'values'), field: 'finish', allowed: { min: 0, max: 1 } },
  { when: inMode('keys'), field: 'finish', allowed: [1] },
];

/** LD: a gather has one level of runs. */
export const LOAD_RULES: readonly FieldRule[] = [
  { when: { field: 'gather', is: [1] }, field: 'count2', allowed: [1] },
];

/** VEC: fields that stand for something else from function to function. */
export const VECTOR_RULES: readonly FieldRule[] = [
  { when: ofFunction('dequantize'), field: 'immediate', allowed: { min: 2, max: 8 } },
  { when: ofFunction('dequantize'), field: 'layout', allowed: { min: 1, max: 2 ** 16 - 1 } },
  { when: ofFunction('rope'), field: 'layout', allowed: [0, 1] },
  { when: ofFunction('maskScores'), field: 'layout', allowed: { min: 0, max: 2 ** 16 - 1 } },
  { when: ofFunction('maskScores'), field: 'validStep', allowed: [1] },
  { when: ofFunction('quantizeBy'), field: 'layout', allowed: { min: 1, max: 2 ** 16 - 1 } },
];

/**
 * The first rule that an instruction breaks for some value in the intervals of its fields.
 *
 * @param interval smallest and largest value of a field; both 0 for one that is absent
 */
export function brokenRule(
  spec: InstructionSpec,
  interval: (field: string) => Interval,
): FieldRule | undefined {
  return spec.rules?.find((rule) => applies(spec, rule, interval) && !holds(rule, interval(rule.field)));
}

function applies(spec: InstructionSpec, { when }: FieldRule, interval: (field: string) => Interval): boolean {
  if (when === undefined) return true;
  const { min: code } = interval(when.field);
  const name = spec.fields.find((field) => field.name === when.field)?.values?.[code];
  return when.is.includes(name ?? code);
}

function holds({ allowed }: FieldRule, { min, max }: Interval): boolean {
  if (isList(allowed)) return min === max && allowed.includes(min);
  // What is not constant is made of integers.
  return Number.isInteger(min) && min >= allowed.min && max <= allowed.max;
}

/** Where a rule holds, in words; empty for everywhere. */
export function ruleCondition({ when }: FieldRule): string {
  return when === undefined ? '' : `${when.field} ${when.is.join(' or ')}`;
}

/** What the field of a rule may be, in words. */
export function ruleText({ field, allowed }: FieldRule): string {
  if (isList(allowed)) return `${field} ${allowed.join(' or ')}`;
  return `${field} an integer in ${allowed.min}..${allowed.max}`;
}

function isList(allowed: FieldRule['allowed']): allowed is readonly number[] {
  return Array.isArray(allowed);
}
