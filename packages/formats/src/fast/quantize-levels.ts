/**
 * `quantizeScaled` with its two passes over the elements in SIMD, for all schemes whose scales follow from largest
 * magnitudes: any levels, any blocks, any format of scales (NVFP4, FP8 in blocks of 128 x 128, MLS). The scales
 * themselves are made by the definition. Same bytes; undefined where the definition has to do it all.
 */
import type { TensorScheme } from '@bitloom/ir';
import { decode, encode } from '../elements/codes.js';
import { codeBytes } from '../layouts/codes.js';
import { combineScales } from '../scaled/quantize-scaled.js';
import { type BlockGrid, blockGrid, blockOf, outerCells } from '../schemes/block-grid.js';
import { checkScheme } from '../schemes/check-scheme.js';
import { scaleRule } from '../schemes/scale-rules.js';
import { elementsOf, type Tensor } from '../tensor.js';
import { encodeUnder, largestOfBlocks } from './block-codes.js';
import { elementCoding, isPlain } from './scheme-coding.js';
import { largestByBlock, segmentsOf, spreadToSegments } from './segments.js';
import { type EncodeSource, sharedEncodeSource } from './simd-module.js';

/** Rules that ask for nothing but the largest magnitude of a block. */
const AMAX_RULES: ReadonlySet<string> = /* @__PURE__ */ new Set([
  'amax/qmax',
  'amax/half-range',
  'floor',
  'ceil',
  'even',
  'rceil',
  'nvfp4-block',
  'nvfp4-block-divided',
  'amax/(448·6)',
  '448·6/amax',
  'amax',
  'amax/qmax, up',
  'amax, up',
]);

/** A level of scales, chosen. */
interface Level {
  readonly grid: BlockGrid;
  readonly codes: Uint8Array;
  /** Of each block: this level combined with those further out. */
  readonly effective: Float32Array;
}

/** Integers are rounded by a sum that holds quotients below this. */
const LARGEST_QUOTIENT = 2 ** 22;

/**
 * The components of a tensor under a scheme, or undefined.
 *
 * @param source where the SIMD functions come from; another one than the shared is for tests
 * @throws BitloomError `scheme-invalid`, `scheme-rule-unknown`, `scheme-rank`, `scheme-nesting` as `quantizeScaled`
 */
export function quantizeLevels(
  { data, shape }: Tensor,
  scheme: TensorScheme,
  source: EncodeSource = sharedEncodeSource,
): Record<string, Uint8Array> | undefined {
  const { element, scales } = scheme;
  if (data.length === 0 || data.length !== elementsOf(shape) || !isPlain(scheme)) return undefined;
  if (scales.some(({ rule, zero }) => zero !== undefined || !AMAX_RULES.has(rule))) return undefined;
  if (element.kind === 'int' && element.bias !== 0) return undefined;
  checkScheme(scheme);
  const coding = elementCoding(element, scaleRule(scales[0].rule).codes(element).lowest);
  if (coding === undefined) return undefined;

  const grid = blockGrid(shape, blockOf(scales[0].granularity, shape.length));
  const segments = segmentsOf(shape, grid);
  const largest = largestOfBlocks(data, segments, coding.bits, source);
  if (largest === undefined) return undefined;
  const levels: Level[] = [];
  for (let index = scales.length - 1; index >= 0; index -= 1) {
    const own = index === 0 ? grid : blockGrid(shape, blockOf(scales[index].granularity, shape.length));
    const amax = largestByBlock(segments, own, largest);
    const level = chooseLevel(amax, shape, own, scheme, index, levels[0]);
    if (level === undefined) return undefined;
    levels.unshift(level);
  }
  const divisors = spreadToSegments(segments, grid, levels[0].effective);
  const isSafe =
    element.kind === 'float' ||
    largest.every((amax, i) => divisors[i] === 0 || amax / divisors[i] < LARGEST_QUOTIENT);
  const codes = new Uint8Array(segments.rows * Math.ceil((segments.cols * coding.bits) / 8));
  if (!isSafe || !encodeUnder(divisors, data, segments, coding, codes, source)) return undefined;
  const named = levels.map(({ codes: own }, index) => [`scales${index === 0 ? '' : index}`, own]);
  return { codes, ...Object.fromEntries(named) };
}

/** The level `index` over the next one out; undefined where a scale does not fit its format. */
function chooseLevel(
  amax: Float32Array,
  shape: readonly number[],
  grid: BlockGrid,
  { element, scales }: TensorScheme,
  index: number,
  outer: Level | undefined,
): Level | undefined {
  const level = scales[index];
  const rule = scaleRule(level.rule);
  // A level of one block needs no list of who lies in it.
  const parents =
    outer === undefined || outer.grid.cells === 1 ? undefined : outerCells(shape, grid, outer.grid);
  const direction = scales[index + 1]?.direction ?? 'multiply';
  const around = outer === undefined ? [] : Array.from(outer.effective, (value) => ({ value, direction }));
  const wanted = new Float32Array(amax.length);
  const block = { amax: 0, min: 0, max: 0, mean: 0 };
  for (let cell = 0; cell < amax.length; cell += 1) {
    block.amax = amax[cell];
    wanted[cell] = rule.scale(block, element, around[parents === undefined ? 0 : parents[cell]]);
  }
  const rounding = rule.rounding ?? 'nearest-even';
  const codes = encode(wanted, level.format, { rounding, saturate: false, nan: 'throw' });
  const effective = decode(codes, level.format);
  if (!effective.every((value) => value >= 0 && value < Number.POSITIVE_INFINITY)) return undefined;
  if (around.length > 0) {
    for (let cell = 0; cell < effective.length; cell += 1) {
      effective[cell] = combineScales(effective[cell], around[parents === undefined ? 0 : parents[cell]]);
    }
    // Two that fit may overflow together: what is divided by infinity has codes of 0.
    if (!effective.every((value) => value >= 0)) return undefined;
  }
  return { grid, codes: codeBytes(codes), effective };
}
