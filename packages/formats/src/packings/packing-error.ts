/** Errors of the checkpoint packings, with the advice that belongs to each code. */
import { BitloomError } from '@bitloom/ir';

type PackingCode = keyof typeof PROBLEMS;

/** What each code says, and what to do about it. */
const PROBLEMS = {
  'packing-shape': {
    message: 'this matrix does not fit its packing',
    hint: 'keep this layer in floating point, or choose another group size or packing',
  },
  'packing-length': {
    message: 'a packed array does not have the length that its shape asks for',
    hint: 'the tensors belong to another layer or another configuration',
  },
  'packing-bits': {
    message: 'the packing does not have codes of this width',
    hint: 'read the width from the configuration that came with the tensors',
  },
  'packing-group-index': {
    message: 'the index of groups (g_idx) is not valid',
    hint: 'the checkpoint is damaged, or its configuration names another group size',
  },
  'packing-code-range': {
    message: 'a code is not one of the packing',
    hint: 'the tensors were written for another width, or are damaged',
  },
  'packing-zero-range': {
    message: 'a zero point cannot be stored in this packing',
    hint: 'zero points are codes themselves: quantise with a zero point inside of the range of the codes',
  },
  'packing-scale-inexact': {
    message: 'a scale or zero point cannot be stored exactly in its format',
    hint: 'round the scales to that format before the codes are chosen',
  },
  'packing-scale-not-finite': {
    message: 'a scale or zero point is not a finite number',
    hint: 'the checkpoint was written after an overflow, or is damaged',
  },
  'packing-ambiguous': {
    message: 'the packed width fits two layouts, dense and padded',
    hint: 'say which layout it is; recent versions of compressed-tensors write the dense one',
  },
  'packing-unsupported': {
    message: 'this variant of the packing is not read or written',
    hint: 'convert the checkpoint with the tool that wrote it',
  },
} as const;

/**
 * The error of a packing.
 * @param where array or field concerned
 */
export function packingError(code: PackingCode, where: string, expected: string, got: string): BitloomError {
  return new BitloomError({ code, ...PROBLEMS[code], where, expected, got });
}

/** @throws BitloomError `packing-length` */
export function requireLength(where: string, got: number, expected: number): void {
  if (got !== expected) throw packingError('packing-length', where, `${expected} elements`, `${got}`);
}

/** @throws BitloomError `packing-shape` unless `value` is an integer of at least 1 */
export function requirePositive(where: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 1) return;
  throw packingError('packing-shape', where, 'a positive integer', String(value));
}

/** @throws BitloomError `packing-bits` */
export function requireBits(bits: number, known: readonly number[]): void {
  if (!known.includes(bits)) throw packingError('packing-bits', 'bits', known.join(', '), String(bits));
}
