/**
 * The searches of `scale-search` and `iq4` through WebAssembly SIMD: four groups at once, one to a lane, each with the
 * operations of the definition in their order, so the results are the same bits. Where the engine has no SIMD there is
 * no search here, and callers take the definition.
 */
import { type SimdSource, simdSource } from '../../fast/simd-module.js';
import type { EncodeScratch } from '../block-format.js';
import type { RangeSearch } from '../scale-search.js';
import { SEARCH_MEMORY } from './memory.js';
import { SEARCH_MODULE } from './search-module.js';

type SearchName = 'fitRange' | 'fitSymmetric' | 'fitLevels';

/** Gives the functions, or undefined where the engine cannot run them. */
export type SearchSource = SimdSource<SearchName>;

/** The source that encoders take unless they are given another. */
export const sharedSearchSource: SearchSource = /* @__PURE__ */ simdSource(SEARCH_MODULE, [
  'fitRange',
  'fitSymmetric',
  'fitLevels',
]);

/** The functions with a view of their memory. */
export interface GroupSearch {
  /** `fitScaleAndMinimum` for `groups` groups, a multiple of four: codes, scales and minimums to the scratch. */
  readonly ranges: (
    values: Float32Array,
    from: number,
    groups: number,
    search: RangeSearch,
    to: EncodeScratch,
  ) => void;
  /** `fitSymmetric` for 16 groups of 16: codes and scales to the scratch. */
  readonly symmetric: (values: Float32Array, from: number, half: number, to: EncodeScratch) => void;
  /** The scales of 8 groups of 32 in levels of `iq4_xs`, to the scratch. */
  readonly levels: (values: Float32Array, from: number, to: EncodeScratch) => void;
}

/** Opens the functions of `source`. */
export function openGroupSearch(source: SearchSource): GroupSearch | undefined {
  const functions = source();
  if (functions === undefined) return undefined;
  const floats = new Float32Array(functions.memory.buffer);
  const at = {
    values: SEARCH_MEMORY.values / 4,
    codes: SEARCH_MEMORY.codes / 4,
    scales: SEARCH_MEMORY.scales / 4,
    minimums: SEARCH_MEMORY.minimums / 4,
  };

  /** Four groups of `size` neighbours from `from`, side by side. */
  function load(values: Float32Array, from: number, size: number): void {
    for (let lane = 0; lane < 4; lane += 1) {
      const start = from + lane * size;
      for (let i = 0; i < size; i += 1) floats[at.values + 4 * i + lane] = values[start + i];
    }
  }

  function take(group: number, size: number, to: EncodeScratch): void {
    for (let lane = 0; lane < 4; lane += 1) {
      to.scales[group + lane] = floats[at.scales + lane];
      const start = (group + lane) * size;
      for (let i = 0; i < size; i += 1) to.codes[start + i] = floats[at.codes + 4 * i + lane];
    }
  }

  return {
    ranges(values, from, groups, { groupSize, maxCode, first, steps, absolute }, to) {
      for (let group = 0; group < groups; group += 4) {
        load(values, from + group * groupSize, groupSize);
        functions.fitRange(groupSize, maxCode, first, steps, absolute ? 1 : 0);
        take(group, groupSize, to);
        for (let lane = 0; lane < 4; lane += 1) to.minimums[group + lane] = floats[at.minimums + lane];
      }
    },
    symmetric(values, from, half, to) {
      for (let group = 0; group < 16; group += 4) {
        load(values, from + 16 * group, 16);
        functions.fitSymmetric(half);
        take(group, 16, to);
      }
    },
    levels(values, from, to) {
      for (let group = 0; group < 8; group += 4) {
        load(values, from + 32 * group, 32);
        functions.fitLevels();
        for (let lane = 0; lane < 4; lane += 1) to.scales[group + lane] = floats[at.scales + lane];
      }
    },
  };
}
