/**
 * Quasi-affine expressions from outside. The depth is measured before the recursive schema runs, so that hostile
 * nesting never reaches it.
 */
import * as z from 'zod';
import type { Expression } from '../expression.js';
import {
  EXPRESSION_DEPTH,
  EXPRESSION_OPERANDS,
  EXPRESSION_TABLE,
  SYMBOL_BYTES,
} from '../expression-limits.js';
import { integer, positive } from './pieces.js';

const inner: z.ZodType<Expression> = z.lazy(() => expressionForms);
const operands = z.array(inner).min(1).max(EXPRESSION_OPERANDS);
const divided = z.tuple([inner, positive]);

/**
 * Every form of an expression. Strict, unlike other objects: an operator with a field that is not understood does
 * not mean what it seems to mean.
 */
export const expressionForms = z.union([
  integer,
  z.strictObject({ sym: z.string().min(1).max(SYMBOL_BYTES) }),
  z.strictObject({ add: operands }),
  z.strictObject({ mul: z.tuple([integer, inner]) }),
  z.strictObject({ floorDiv: divided }),
  z.strictObject({ ceilDiv: divided }),
  z.strictObject({ mod: divided }),
  z.strictObject({ min: operands }),
  z.strictObject({ max: operands }),
  z.strictObject({ lookup: z.tuple([inner, z.array(integer).min(1).max(EXPRESSION_TABLE)]) }),
]);

export const expressionSchema: z.ZodType<Expression> = z.preprocess((value, context) => {
  if (!isDeeper(value, EXPRESSION_DEPTH)) return value;
  context.addIssue({ code: 'custom', message: `an expression nests at most ${EXPRESSION_DEPTH} operators` });
  return z.NEVER;
}, expressionForms);

function isDeeper(value: unknown, left: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (left === 0) return true;
  return Object.values(value).some(
    (list) => Array.isArray(list) && list.some((item) => isDeeper(item, left - 1)),
  );
}
