/**
 * N:M pruning by magnitude: of every M columns of a row the N largest magnitudes stay, one N for the whole matrix in
 * blocks of 16 rows. Group scales are those of what stays, and of each group the largest value does.
 *
 * Not for: choices that look at activations, or that correct what stays for what went.
 */
import { magnitudeMask, type NmSparsity, nmSparsity } from '@bitloom/formats';
import { BitloomError, type TensorScheme } from '@bitloom/ir';
import type { Scheme } from './schemes.js';

/** `keep` of each `m` columns. */
export interface KeptOfEach {
  readonly keep: number;
  readonly m: number;
}

/** The sparsities that machines and kernels have: N of 16, and 2:4, whose pairs of groups are 8:16 patterns. */
export const PRUNED_SPARSITIES: readonly KeptOfEach[] = [
  { keep: 2, m: 16 },
  { keep: 4, m: 16 },
  { keep: 8, m: 16 },
  { keep: 2, m: 4 },
];

/** Rows of a block, which is also the least that is packed by itself. */
export const PRUNED_ROWS = 16;

/**
 * The scheme with its linear weights pruned to `keep` of each `m`; embedding and head stay as they are. Its name has the
 * sparsity as a suffix: `W4A8-8:16`.
 *
 * @throws BitloomError `scheme-sparsity` for another sparsity, and for schemes whose linear weights are no symmetric
 *   integers that are rounded row by row
 */
export function withSparsity(scheme: Scheme, { keep, m }: KeptOfEach): Scheme {
  const suffix = `${keep}:${m}`;
  const known = PRUNED_SPARSITIES.some((one) => one.keep === keep && one.m === m);
  if (!known) {
    const expected = PRUNED_SPARSITIES.map((one) => `${one.keep}:${one.m}`).join(', ');
    throw sparsityError(scheme, expected, suffix);
  }
  const linear = scheme.weights?.linear;
  if (linear === undefined || scheme.keepsStored === true || scheme.sparsity !== undefined) {
    throw sparsityError(scheme, 'a scheme that rounds every linear weight, not pruned yet', scheme.name);
  }
  if (!isPrunable(linear)) {
    throw sparsityError(scheme, 'symmetric integers, rounded row by row in groups', linear.element.name);
  }
  const name = `${scheme.name}-${suffix}`;
  return {
    ...scheme,
    name,
    doc: `${scheme.doc}; of each ${m} columns of a linear weight the ${keep} largest`,
    sparsity: { linear: nmSparsity(keep, m) },
    numerics: { ...scheme.numerics, scheme: name },
  };
}

/** Codes of which 0 means 0, made of a row without a look at another one. */
function isPrunable({ element, scales, layout, shiftGroups, rounding, nan, seed }: TensorScheme): boolean {
  const isInteger = element.kind === 'int' && element.signed && element.bias === 0;
  const isByRow = scales.every(
    ({ granularity, zero }) =>
      zero === undefined && (granularity.strategy === 'group' || granularity.strategy === 'token'),
  );
  const isPlain = layout === 'canonical' && shiftGroups === undefined && seed === undefined;
  return isInteger && isByRow && isPlain && nan === 'throw' && rounding === 'nearest-even';
}

/** The matrix [rows, cols] with 0 where a group does not keep a value; `data` stays as it is. */
export function pruneRows(
  data: Float32Array,
  [rows, cols]: readonly number[],
  sparsity: NmSparsity,
): Float32Array {
  const mask = magnitudeMask(data, { rows, cols }, sparsity, Math.max(...sparsity.keep));
  return data.map((value, i) => (mask[i] === 1 ? value : 0));
}

function sparsityError({ name }: Scheme, expected: string, got: string): BitloomError {
  return new BitloomError({
    code: 'scheme-sparsity',
    message: 'this scheme cannot be pruned so',
    where: `scheme '${name}'`,
    expected,
    got,
    hint: 'for example W4A8-8:16, FlightLLM-8:16 or W8A8-2:4',
  });
}
