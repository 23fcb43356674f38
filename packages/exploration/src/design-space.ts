/**
 * A design space: a base card and the knobs that may be turned on it. A design is one setting of every knob, as plain
 * data that can be written to a file. What the knobs are is data (`knobs.ts`); nothing here knows a card or a part.
 */
import { BitloomError, type Device, deviceHash } from '@bitloom/ir';
import { KNOBS, type Knob, type Setting } from './knobs.js';

/** One knob of a space with its values, from those that take least of the FPGA to those that take most. */
export interface Dimension {
  readonly knob: Knob;
  readonly values: readonly Setting[];
  /** Index of the value that the base card has. */
  readonly base: number;
}

export interface DesignSpace {
  readonly base: Device;
  readonly dimensions: readonly Dimension[];
}

/** A setting of every knob by name. */
export type Settings = Readonly<Record<string, Setting>>;

/**
 * The space around a base card. Knobs of parts that the card does not have are left out; a value of the card that is not
 * in the table is added, so that the card itself is a design.
 *
 * @throws BitloomError `exploration-space` when no knob is left, or a knob has no value
 */
export function designSpace(base: Device, knobs: readonly Knob[] = KNOBS): DesignSpace {
  const dimensions = knobs.flatMap((knob) => {
    const present = knob.read(base);
    if (present === undefined) return [];
    const values = withValue(knob.values, present);
    return [{ knob, values, base: values.indexOf(present) }];
  });
  if (dimensions.length === 0) {
    throw new BitloomError({
      code: 'exploration-space',
      message: 'there is nothing to turn on this card',
      where: `device '${base.name}'`,
      expected: 'a knob for a part that the card has',
      got: `${knobs.length} knobs, none of which applies`,
      hint: 'give the function designSpace knobs of your own, or start from a card of `bitloom devices`',
    });
  }
  return { base, dimensions };
}

/** Numbers are sorted; a text that is not in the table is taken for the largest. */
function withValue(values: readonly Setting[], present: Setting): readonly Setting[] {
  if (values.includes(present)) return values;
  const place = values.findIndex((value) => typeof value === 'number' && value > Number(present));
  return place < 0 ? [...values, present] : [...values.slice(0, place), present, ...values.slice(place)];
}

/** Settings by indices of values, one for each dimension. */
export function settingsAt({ dimensions }: DesignSpace, indices: readonly number[]): Settings {
  return Object.fromEntries(dimensions.map(({ knob, values }, i) => [knob.name, values[indices[i]]]));
}

/** The card of a design under the name of its base: enough for the resource model. */
export function cardOf({ base, dimensions }: DesignSpace, settings: Settings): Device {
  return dimensions.reduce((card, { knob }) => knob.write(card, settings[knob.name]), base);
}

/** Digits of a design's name: few enough to type, enough to tell thousands apart. */
const NAME_DIGITS = 8;

/**
 * The card of a design. Its name is that of the base and a hash of what was set, so equal designs have equal cards. It
 * is no published configuration, whatever the base is: what does not fit is an error.
 */
export function deviceOf(space: DesignSpace, settings: Settings): Device {
  const { base } = space;
  const bare: Device = {
    ...cardOf(space, settings),
    title: `explored from '${base.name}'`,
    source: `${base.source}; configuration searched within the budget of '${base.name}', not built`,
    calibration: { ...base.calibration, published: false },
  };
  return { ...bare, name: `${base.name}-x${deviceHash(bare).slice(0, NAME_DIGITS)}` };
}
