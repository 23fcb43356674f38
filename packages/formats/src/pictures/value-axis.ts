/** Axes of pictures: where a value stands, and which values are marked. Coordinates are rounded to 1/100 pixel. */
import { numberLabel } from './value-labels.js';

/** A horizontal axis in pixels. */
export interface Axis {
  /** Coordinate of a value. */
  place(value: number): number;
  /** Labelled places, ascending. */
  readonly marks: readonly { readonly at: number; readonly label: string }[];
  /** What the axis shows. */
  readonly caption: string;
}

/** Least pixels between two labels. */
const LABEL_DISTANCE = 48;

/** Distances are differences. `min` may equal `max`. */
export function linearAxis(min: number, max: number, left: number, right: number): Axis {
  const place = placer((value) => value, min, max, left, right);
  const caption = 'value, linear';
  if (min === max) return { place, marks: marksAt([min], place), caption };
  // Divided first, so that the ends of float64 stay apart by a finite number.
  const pixels = right - left;
  const step = niceStep((max / pixels - min / pixels) * LABEL_DISTANCE * 1.5);
  const values = new Set<number>();
  const first = Math.ceil(min / step);
  for (let i = 0; i < pixels / LABEL_DISTANCE && (first + i) * step <= max; i += 1) {
    values.add((first + i) * step);
  }
  return { place, marks: marksAt([...values], place), caption };
}

/**
 * x = sign(value) · log2(1 + |value| / linearBelow): equal distances are equal ratios far from zero, equal differences
 * close to it. Marked are zero and powers of two, larger ones first where there is little room.
 */
export function symlogAxis(min: number, max: number, linearBelow: number, left: number, right: number): Axis {
  const transform = (value: number): number => {
    const ratio = Math.abs(value) / linearBelow;
    const octaves =
      ratio === Number.POSITIVE_INFINITY
        ? Math.log2(Math.abs(value)) - Math.log2(linearBelow)
        : Math.log2(1 + ratio);
    return Math.sign(value) * octaves;
  };
  const place = placer(transform, min, max, left, right);
  const octave = (right - left) / (transform(max) - transform(min) || 1);
  let stride = 1;
  while (stride * octave < LABEL_DISTANCE) stride *= 2;
  const values = min <= 0 && max >= 0 ? [0] : [];
  const most = Math.floor(Math.log2(Math.max(Math.abs(min), Math.abs(max))) / stride) * stride;
  for (
    let power = most;
    Number.isFinite(power) && 2 ** power >= linearBelow / 2 && power > -1075;
    power -= stride
  ) {
    for (const value of [2 ** power, -(2 ** power)]) {
      const isFree = values.every((other) => Math.abs(place(other) - place(value)) >= LABEL_DISTANCE);
      if (value >= min && value <= max && isFree) values.push(value);
    }
  }
  const near = numberLabel(linearBelow);
  return {
    place,
    marks: marksAt(values, place),
    caption: `value, logarithmic (linear below ${near})`,
  };
}

function marksAt(values: readonly number[], place: (value: number) => number): Axis['marks'] {
  return values.toSorted((a, b) => a - b).map((value) => ({ at: place(value), label: numberLabel(value) }));
}

/** Maps the transformed min..max onto left..right; a single value to the middle. */
function placer(
  transform: (value: number) => number,
  min: number,
  max: number,
  left: number,
  right: number,
): (value: number) => number {
  const start = transform(min) / 2;
  const span = transform(max) / 2 - start;
  return (value) => {
    const part = span === 0 ? 0.5 : (transform(value) / 2 - start) / span;
    return Math.round((left + part * (right - left)) * 100) / 100;
  };
}

/** The least of 1, 2 and 5 times a power of ten that is at least `step`. */
function niceStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step));
  return power * ([1, 2, 5].find((factor) => factor * power >= step) ?? 10);
}
