/** The error of an export whose settings fit no layer of a model, with the group size that would. */
import { BitloomError } from '@bitloom/ir';

/** A layer that the settings do not fit. */
export interface Unfit {
  readonly module: string;
  readonly shape: readonly number[];
  readonly error: BitloomError;
}

/** Smallest group that is worth its scale. */
const LEAST_GROUP = 8;
/** What most formats take where nothing is asked for. */
const DEFAULT_GROUP = 128;
/** Largest group that is advised where a smaller one was asked for. */
const USUAL_GROUP = 32;

/** Nothing would be quantised: said with the first layer that does not fit, and a group size that does. */
export function fitsNothing(
  format: string,
  groupSize: number | undefined,
  unfit: readonly Unfit[],
): BitloomError {
  const [first] = unfit;
  const group = fittingGroup(unfit, Math.max(groupSize ?? DEFAULT_GROUP, USUAL_GROUP));
  return new BitloomError({
    code: 'export-settings',
    message: `these settings of ${format} fit no linear layer of the model`,
    where: first === undefined ? 'options' : `layer '${first.module}', ${first.error.where}`,
    expected: first?.error.expected ?? 'a model with linear layers',
    got: first?.error.got ?? 'none',
    hint:
      group === undefined || group === groupSize
        ? 'choose another type'
        : `choose groups that divide the rows: --group-size ${group}`,
  });
}

/** The largest power of two up to `most` that divides the commonest width; undefined where it is too small. */
function fittingGroup(unfit: readonly Unfit[], most: number): number | undefined {
  const counts = new Map<number, number>();
  for (const { shape } of unfit) counts.set(shape[1], (counts.get(shape[1]) ?? 0) + 1);
  const [commonest] = [...counts].sort(([, a], [, b]) => b - a);
  if (commonest === undefined) return undefined;
  let group = LEAST_GROUP;
  if (commonest[0] % group !== 0) return undefined;
  while (2 * group <= most && commonest[0] % (2 * group) === 0) group *= 2;
  return group;
}
