/**
 * Groups of an MLS tensor: which of the first two axes give every index a group of its own. A plane, everything behind
 * the first two axes (KxK of weights, HxW of activations), always lies in one group.
 */
import { checkShape, elementsOf, requireBlocks } from '../tensor.js';
import { mlsOptionError } from './mls-formats.js';

/** By the first axis, by the second, by both, or one group for all. */
export type MlsGroups = 'n' | 'c' | 'nc' | 'none';

export interface MlsPlanes {
  /** Elements of a plane, and planes of the tensor; plane p holds the elements p · size to (p + 1) · size − 1. */
  readonly size: number;
  readonly planes: number;
  readonly groups: number;
  /** Group of a plane. */
  readonly groupOf: (plane: number) => number;
}

const AXES: Readonly<Record<MlsGroups, number>> = { none: 0, n: 1, c: 2, nc: 2 };

/**
 * The planes of a tensor and their groups.
 *
 * @throws BitloomError `format-shape`; `mls-option` for groups of an axis that the tensor does not have
 */
export function mlsPlanes(shape: readonly number[], groups: MlsGroups): MlsPlanes {
  checkShape(shape);
  if (!Object.hasOwn(AXES, groups)) throw mlsOptionError('groups', 'n, c, nc or none', groups);
  if (shape.length < AXES[groups]) {
    throw mlsOptionError(
      'groups',
      `a tensor of ${AXES[groups]} axes or more for ${groups}`,
      `${shape.length} axes`,
    );
  }
  const [n = 1, c = 1, ...plane] = shape;
  const size = elementsOf(plane);
  // Planes of nothing are none, however many there are.
  const common = { size, planes: size === 0 ? 0 : n * c };
  const { count, groupOf } = groupsOf(groups, n, c);
  requireBlocks(count, elementsOf(shape), shape, 'groups');
  return { ...common, groups: count, groupOf };
}

function groupsOf(groups: MlsGroups, n: number, c: number): { count: number; groupOf: MlsPlanes['groupOf'] } {
  switch (groups) {
    case 'n':
      return { count: n, groupOf: (at) => Math.floor(at / c) };
    case 'c':
      return { count: c, groupOf: (at) => at % c };
    case 'nc':
      return { count: n * c, groupOf: (at) => at };
    case 'none':
      return { count: 1, groupOf: () => 0 };
  }
}
