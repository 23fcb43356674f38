/** A scheme in figures and words: what its codes cost and what they can say. */
import type { Granularity, ScaleScheme, TensorScheme } from '@bitloom/ir';
import { formatRange } from '../elements/element-formats.js';
import { GGML_BLOCK_SIZES } from '../ggml/block-sizes.js';
import { elementsOf } from '../tensor.js';
import { blockGrid, blockOf } from './block-grid.js';
import { ggmlLayoutName } from './ggml-scheme.js';
import { scaleRule } from './scale-rules.js';

/** What {@link describe} says. */
export interface SchemeDescription {
  readonly name: string;
  /** Name and bits of one code. */
  readonly element: string;
  readonly elementBits: number;
  /** Lowest and highest value of the codes in use, at scale 1. */
  readonly range: readonly [number, number];
  /**
   * Bits per element with scales and zeros, as the format defines them: for the shape given, or for a tensor without
   * end, where scales of whole rows or tensors cost nothing.
   */
  readonly bitsPerWeight: number;
  /** One line: element, levels of scales, rounding. */
  readonly text: string;
}

/**
 * Describes a scheme, for tensors of `shape` where it is given.
 *
 * @throws BitloomError `scheme-rank` when the granularity does not fit the rank
 */
export function describe(scheme: TensorScheme, shape?: readonly number[]): SchemeDescription {
  const { name, element, scales, shiftGroups, rounding } = scheme;
  const levels = scales.map((level) => `${level.format.name} ${sharing(level.granularity)} (${level.rule})`);
  const shift = shiftGroups === undefined ? [] : [`channels in ${shiftGroups} groups of powers of two`];
  return {
    name,
    element: element.name,
    elementBits: element.bits,
    range: codesInUse(scheme),
    bitsPerWeight: bitsPerWeight(scheme, shape),
    text: [`${element.name} under ${[...levels, ...shift].join(', ')}`, `rounded ${rounding}`].join('; '),
  };
}

function codesInUse({ element, scales, layout }: TensorScheme): [number, number] {
  if (layout !== 'canonical') {
    const { min, max } = formatRange(element);
    return [min, max];
  }
  const { lowest, highest } = scaleRule(scales[0].rule).codes(element);
  return [lowest, highest];
}

function sharing(granularity: Granularity): string {
  switch (granularity.strategy) {
    case 'tensor':
      return 'per tensor';
    case 'token':
      return 'per row';
    case 'axis':
      return `per index of axis ${granularity.axes.join(' and ')}`;
    case 'group':
      return `per ${granularity.groupSize}`;
    case 'block':
      return `per block of ${granularity.blockShape.join(' x ')}`;
  }
}

function bitsPerWeight(scheme: TensorScheme, shape: readonly number[] | undefined): number {
  const block = ggmlLayoutName(scheme.layout);
  // Blocks of GGML hold bits that their levels do not show: padding, codes of base 3, two scales in one byte.
  if (block !== undefined) return GGML_BLOCK_SIZES[block].bitsPerWeight;
  const { element, scales, shiftGroups } = scheme;
  if (shape === undefined) {
    return scales.reduce(
      (bits, level) => bits + levelBits(level) / blockElements(level.granularity),
      element.bits,
    );
  }
  const elements = elementsOf(shape);
  if (elements === 0) return element.bits;
  const extra = scales.reduce(
    (bits, level) =>
      bits + levelBits(level) * blockGrid(shape, blockOf(level.granularity, shape.length)).cells,
    shiftGroups === undefined ? 0 : shape[shape.length - 1] * Math.ceil(Math.log2(shiftGroups)),
  );
  return element.bits + extra / elements;
}

function levelBits({ format, zero }: ScaleScheme): number {
  return format.bits + (zero?.format.bits ?? 0);
}

/** Elements that share a scale, without end where the shape alone says. */
function blockElements(granularity: Granularity): number {
  if (granularity.strategy === 'group') return granularity.groupSize;
  if (granularity.strategy === 'block') {
    return granularity.blockShape.reduce(
      (product, size) => product * (size === 0 ? Number.POSITIVE_INFINITY : size),
      1,
    );
  }
  return Number.POSITIVE_INFINITY;
}
