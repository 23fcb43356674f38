/**
 * What float units take, as a table. DSP counts and the order of LUT counts follow AMD's Floating-Point Operator v7.1
 * (product guide PG060 and its page of resource use for UltraScale+, pipelined, one result per cycle): a float32
 * multiplier with full use of DSPs takes 2 and an adder 2, a divider and a square root none. LUTs are rounded and
 * stand for no single row of that page; they are estimates, within a third by our reckoning. A DSP58 has a float32
 * multiplier and adder of its own (DSPFP32, AMD AM004). Exponentials are not a unit of that table: the numerics define
 * them as a float32 polynomial, step by step, and they are built from its steps.
 */
import type { Device, FloatBuild, VectorEngine } from '@bitloom/ir';

export interface UnitCost {
  readonly dsp: number;
  readonly lut: number;
}

export const FLOAT_UNITS = ['add', 'multiply', 'divide', 'squareRoot', 'compare', 'convert'] as const;
type FloatUnit = (typeof FLOAT_UNITS)[number];
/** How many of each unit; none of those that are not named. */
export type FloatUnitCounts = Readonly<Partial<Record<FloatUnit, number>>>;

type Builds = Readonly<Record<FloatBuild, UnitCost>>;

const everywhere = (dsp: number, lut: number): Builds => ({
  dsp: { dsp, lut },
  mixed: { dsp, lut },
  lut: { dsp, lut },
});

/** Units in DSP48E2 and LUTs. */
const UNITS: Readonly<Record<VectorEngine['format'], Readonly<Record<FloatUnit, Builds>>>> = {
  f32: {
    add: { dsp: { dsp: 2, lut: 220 }, mixed: { dsp: 0, lut: 380 }, lut: { dsp: 0, lut: 380 } },
    multiply: { dsp: { dsp: 2, lut: 110 }, mixed: { dsp: 2, lut: 110 }, lut: { dsp: 0, lut: 620 } },
    divide: everywhere(0, 780),
    squareRoot: everywhere(0, 460),
    compare: everywhere(0, 70),
    convert: everywhere(0, 200),
  },
  f16: {
    add: { dsp: { dsp: 2, lut: 110 }, mixed: { dsp: 0, lut: 190 }, lut: { dsp: 0, lut: 190 } },
    multiply: { dsp: { dsp: 1, lut: 60 }, mixed: { dsp: 1, lut: 60 }, lut: { dsp: 0, lut: 170 } },
    divide: everywhere(0, 230),
    squareRoot: everywhere(0, 170),
    compare: everywhere(0, 40),
    convert: everywhere(0, 90),
  },
};

/** Float32 in the DSPFP32 mode of a DSP58. */
const DSP58_UNITS: Readonly<Partial<Record<FloatUnit, UnitCost>>> = {
  add: { dsp: 1, lut: 20 },
  multiply: { dsp: 1, lut: 20 },
};

/** The cost of a float unit on a kind of DSP. */
export function floatUnit(
  unit: FloatUnit,
  format: VectorEngine['format'],
  build: FloatBuild,
  kind: Device['matrix']['dsp']['kind'],
): UnitCost {
  const native = kind === 'DSP58' && format === 'f32' ? DSP58_UNITS[unit] : undefined;
  const isInDsp = build === 'dsp' || (build === 'mixed' && unit === 'multiply');
  return native !== undefined && isInDsp ? native : UNITS[format][unit][build];
}

/**
 * Units of a lane at one element per cycle: rope and layerNorm need two products and two sums of an element, every
 * quantiser a product, a conversion and a comparison.
 */
export const LANE_UNITS: FloatUnitCounts = {
  add: 2,
  multiply: 2,
  compare: 1,
  convert: 2,
};

/**
 * What an exponential adds to a lane: nine products and eight sums of its polynomial in float32 (`exp32` of kernels),
 * one sum and one division for silu and gelu, and the two products that gelu needs beyond those of the lane.
 */
export const EXPONENT_UNITS: Readonly<Record<VectorEngine['format'], FloatUnitCounts>> = {
  f32: { multiply: 11, add: 9, divide: 1, convert: 1 },
  // A table and a product of second order are enough for 11 bits.
  f16: { multiply: 2, add: 2, divide: 1, convert: 1 },
};

/** Units once per special-function unit, for sums and deviations of a row and for the scale of a quantiser. */
export const ROW_UNITS: FloatUnitCounts = {
  add: 1,
  divide: 2,
  squareRoot: 1,
};

/**
 * A rescale unit: an integer sum, rounded to the 24 bits of a float32, times an fp16 scale, rounded to float32, added to
 * an accumulator. The product of 24 by 11 bits fits one DSP; normalising and rounding take about 150 LUTs.
 */
export const RESCALE_UNITS: Builds = {
  dsp: { dsp: 3, lut: 370 },
  mixed: { dsp: 1, lut: 530 },
  lut: { dsp: 0, lut: 680 },
};
