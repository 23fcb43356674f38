/**
 * iq4_nl and iq4_xs: four-bit codes into 16 unevenly spaced levels, dense around 0. iq4_nl has one fp16 scale per 32
 * elements; iq4_xs groups 256 elements, with a six-bit scale per 32 and one fp16 unit.
 * Source of the rules: ggml `quantize_row_iq4_nl_ref` (scale fitted once), `quantize_row_iq4_xs_ref` (15 candidates)
 * and their `dequantize_row` mates.
 */
import { codebookFormat, type ElementFormat, FP16, intFormat } from '@bitloom/ir';
import {
  blockType,
  type EncodeScratch,
  type GgmlBlock,
  readHalf,
  scaleLevel,
  writeHalf,
} from './block-format.js';
import { nearestInt } from './c-conversions.js';
import { IQ4_LEVELS } from './iq4-levels.js';
import { clamp, GROUP_EPSILON } from './scale-search.js';

const f = Math.fround;

/** Twice the midpoint between a level and the one below it: where its code begins. */
const STARTS: readonly number[] = /* @__PURE__ */ IQ4_LEVELS.slice(1).map(
  (level, i) => level + IQ4_LEVELS[i],
);

/** Code of the level nearest to `value`; of two that are equally near, the higher. */
function nearestLevel(value: number): number {
  // Exact: twice a float32 and sums of two small integers. Without branches that depend on the value.
  const twice = value + value;
  let code = 0;
  for (let step = 8; step > 0; step >>= 1) code += twice >= STARTS[code + step - 1] ? step : 0;
  return code;
}

/** The first of the 32 values from `from` of largest magnitude, or 0 when they count as zero. */
function extremeOf32(values: Float32Array, from: number): number {
  let extreme = 0;
  let magnitude = 0;
  for (let i = from; i < from + 32; i += 1) {
    const size = Math.abs(values[i]);
    if (size > magnitude) {
      magnitude = size;
      extreme = values[i];
    }
  }
  return magnitude < GROUP_EPSILON ? 0 : extreme;
}

/**
 * Codes that `inverse` gives the 32 values from `from`, and in `sums` what a least-squares fit of their scale needs,
 * each value weighted by its square: Σ w·level·x and Σ w·level².
 */
function fitLevels(values: Float32Array, from: number, inverse: number, scratch: EncodeScratch): void {
  const { codes, sums } = scratch;
  let levelX = 0;
  let level2 = 0;
  for (let i = 0; i < 32; i += 1) {
    const x = values[from + i];
    const code = nearestLevel(f(inverse * x));
    codes[i] = code;
    const weighted = f(f(x * x) * IQ4_LEVELS[code]);
    levelX = f(levelX + f(weighted * x));
    level2 = f(level2 + f(weighted * IQ4_LEVELS[code]));
  }
  sums[0] = levelX;
  sums[1] = level2;
}

/** Element j in the low nibble of byte j, element j + 16 in the high one. */
function packNibbles(codes: Int8Array, out: Uint8Array, at: number): void {
  for (let j = 0; j < 16; j += 1) out[at + j] = codes[j] | (codes[j + 16] << 4);
}

function element(): ElementFormat {
  return codebookFormat('iq4_nl', 4, IQ4_LEVELS);
}

/** d, then 16 bytes of nibbles. Value = d·level. */
export const IQ4_NL: GgmlBlock = {
  name: 'iq4_nl',
  elements: 32,
  bytes: 18,
  halves: [0],
  decode(blocks, at, out, outAt) {
    const d = readHalf(blocks, at);
    for (let j = 0; j < 16; j += 1) {
      const byte = blocks[at + 2 + j];
      out[outAt + j] = d * IQ4_LEVELS[byte & 15];
      out[outAt + j + 16] = d * IQ4_LEVELS[byte >> 4];
    }
  },
  encode(values, from, out, outAt, scratch) {
    const { codes, sums } = scratch;
    const extreme = extremeOf32(values, from);
    if (extreme === 0) {
      // GGML leaves here whatever its buffer held; with a scale of 0 every code means 0. This is that of level 1.
      out.fill(0x88, outAt + 2, outAt + 18);
      return;
    }
    // The extreme becomes level −127, and the scale is then fitted to the codes.
    fitLevels(values, from, f(1 / f(extreme / IQ4_LEVELS[0])), scratch);
    writeHalf(out, outAt, sums[1] > 0 ? f(sums[0] / sums[1]) : 0);
    packNibbles(codes, out, outAt + 2);
  },
  type: (shape) => blockType('iq4_nl', shape, element(), [scaleLevel(FP16, 32, 'fit')]),
};

/** d, a word of two high bits per scale, four bytes of their low nibbles, 128 bytes of codes. Value = d·(scale − 32)·level. */
export const IQ4_XS: GgmlBlock = {
  name: 'iq4_xs',
  elements: 256,
  bytes: 136,
  halves: [0],
  decode(blocks, at, out, outAt) {
    const d = readHalf(blocks, at);
    for (let group = 0; group < 8; group += 1) {
      const low = (blocks[at + 4 + (group >> 1)] >> (4 * (group & 1))) & 15;
      const high = (blocks[at + 2 + (group >> 2)] >> (2 * (group & 3))) & 3;
      const scale = d * ((low | (high << 4)) - 32);
      const codesAt = at + 8 + 16 * group;
      const to = outAt + 32 * group;
      for (let j = 0; j < 16; j += 1) {
        const byte = blocks[codesAt + j];
        out[to + j] = scale * IQ4_LEVELS[byte & 15];
        out[to + j + 16] = scale * IQ4_LEVELS[byte >> 4];
      }
    }
  },
  encode(values, from, out, outAt, scratch) {
    const { codes, scales } = scratch;
    let extreme = 0;
    searchScales(values, from, scratch);
    for (let group = 0; group < 8; group += 1) {
      const scale = scales[group];
      // Not finite when a sum overflowed: the values are beyond any scale that fp16 holds.
      if (!Number.isFinite(scale)) extreme = Number.NaN;
      else if (Math.abs(scale) > Math.abs(extreme)) extreme = scale;
    }
    // The unit is used as it is, not as fp16 stores it.
    const d = f(-extreme / 32);
    writeHalf(out, outAt, d);
    const inverse = d === 0 ? 0 : f(1 / d);
    for (let group = 0; group < 8; group += 1) {
      const code = clamp(nearestInt(f(inverse * scales[group])), -32, 31);
      const scale = f(d * code);
      const inverseScale = scale === 0 ? 0 : f(1 / scale);
      for (let i = 0; i < 32; i += 1) {
        codes[i] = nearestLevel(f(inverseScale * values[from + 32 * group + i]));
      }
      packNibbles(codes, out, outAt + 8 + 16 * group);
      out[outAt + 4 + (group >> 1)] |= ((code + 32) & 15) << (4 * (group & 1));
      out[outAt + 2 + (group >> 2)] |= ((code + 32) >> 4) << (2 * (group & 3));
    }
  },
  type: (shape) =>
    blockType('iq4_xs', shape, element(), [
      scaleLevel(intFormat(6), 32, 'search'),
      scaleLevel(FP16, 256, 'extreme/-32'),
    ]),
};

/** {@link searchScale} for the groups of a block. */
function searchScales(values: Float32Array, from: number, scratch: EncodeScratch): void {
  const together = scratch.search();
  if (together !== undefined) {
    together.levels(values, from, scratch);
    return;
  }
  for (let group = 0; group < 8; group += 1) {
    scratch.scales[group] = searchScale(values, from + 32 * group, scratch);
  }
}

/** Scale of 32 values: the extreme at level 127 (not one of them), then at −127 and around it, the best fit kept. */
function searchScale(values: Float32Array, from: number, scratch: EncodeScratch): number {
  const extreme = extremeOf32(values, from);
  if (extreme === 0) return 0;
  const { sums } = scratch;
  let scale = 0;
  let best = 0;
  for (let candidate = 0; candidate <= 15; candidate += 1) {
    const first = candidate === 0;
    const inverse = first ? f(1 / f(-extreme / IQ4_LEVELS[0])) : f((candidate - 8 + IQ4_LEVELS[0]) / extreme);
    fitLevels(values, from, inverse, scratch);
    const levelX = sums[0];
    const level2 = sums[1];
    if (first || (level2 > 0 && f(levelX * levelX) > f(best * level2))) {
      scale = level2 > 0 ? f(levelX / level2) : 0;
      best = f(scale * levelX);
    }
  }
  return scale;
}
