/**
 * Whether a design fits its budget by the compiler's resource model, and the nearest smaller design that does. Cheap: no
 * model is compiled here.
 */
import { estimateResources, RESOURCE_KINDS, type ResourceKind } from '@bitloom/compiler';
import type { ResourceBudget } from '@bitloom/ir';
import { cardOf, type DesignSpace, type Dimension, settingsAt } from './design-space.js';
import type { Random } from './random.js';

/** A design by the indices of its values. */
export type Indices = readonly number[];

/** What a design takes, and of what there is too little. */
export interface Fit {
  readonly resources: ResourceBudget;
  readonly lacks: readonly ResourceKind[];
  /** By how much it exceeds the limit, as shares of the limit summed over resources; 0: it fits. */
  readonly excess: number;
}

/** @param limit share of each resource that may be used */
export function fitDesign(space: DesignSpace, indices: Indices, limit: number): Fit {
  const device = cardOf(space, settingsAt(space, indices));
  const { total } = estimateResources(device);
  const over = RESOURCE_KINDS.map((kind) => {
    const available = Math.floor(limit * device.resources[kind]);
    return { kind, share: Math.max(0, total[kind] - available) / Math.max(1, available) };
  });
  return {
    resources: total,
    lacks: over.flatMap(({ kind, share }) => (share > 0 ? [kind] : [])),
    excess: over.reduce((sum, { share }) => sum + share, 0),
  };
}

/** Values below one of numbers, the nearest first; of texts, which have no order that holds, all others. */
function turnedDown({ values }: Dimension, index: number): number[] {
  const isText = typeof values[index] === 'string';
  return values.flatMap((_, i) => (i < index || (isText && i !== index) ? [i] : [])).reverse();
}

/**
 * Turns knobs down one at a time, each a random one of those that lower the excess, until the design fits; undefined
 * when nothing helps.
 *
 * @param isHeld dimensions that stay as they are
 */
export function shrinkToFit(
  space: DesignSpace,
  start: Indices,
  limit: number,
  random: Random,
  isHeld: (dimension: number) => boolean = () => false,
): Indices | undefined {
  let indices = start;
  let { excess } = fitDesign(space, indices, limit);
  /** Turns one knob of those that help down; they are tried in random order. */
  const turnOne = (): boolean => {
    const axes = space.dimensions.map((_, axis) => axis).filter((axis) => !isHeld(axis));
    while (axes.length > 0) {
      const [axis] = axes.splice(random.below(axes.length), 1);
      // The nearest value that helps: blocks of memory come whole, so one step down may change nothing.
      for (const value of turnedDown(space.dimensions[axis], indices[axis])) {
        const next = indices.map((old, i) => (i === axis ? value : old));
        const fit = fitDesign(space, next, limit);
        if (fit.excess >= excess) continue;
        [indices, excess] = [next, fit.excess];
        return true;
      }
    }
    return false;
  };
  while (excess > 0) if (!turnOne()) return undefined;
  return indices;
}
