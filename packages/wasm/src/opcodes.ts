/**
 * The instruction tables: every operator the encoder can emit and the disassembler can read, as data. The builder's
 * types, the binary, the text and the tests all come from these rows. Source: WebAssembly core specification 2.0
 * (MVP, sign extension, 128-bit SIMD), without 64-bit scalars and with no more of 64-bit lanes than their shifts; and
 * the relaxed SIMD proposal, as far as its results can be relied on.
 */
import type { ValueType } from './value-types.js';

/** An opcode: one byte below 256, or 0xfd followed by a LEB128 number for SIMD ({@link simd}). */
export type Opcode = number;

/** SIMD opcodes are stored as 0xfd00 + number. */
const SIMD_BASE = 0xfd00;

/** Whether an opcode carries the 0xfd prefix. */
export function isSimd(opcode: Opcode): boolean {
  return opcode >= SIMD_BASE;
}

/** The number after the 0xfd prefix. */
export function simdNumber(opcode: Opcode): number {
  return opcode - SIMD_BASE;
}

/** The opcode with number `code` after the 0xfd prefix. */
export function simd(code: number): Opcode {
  return SIMD_BASE + code;
}

/** An operator without immediates: operands in order, one result. */
export interface Operator<P extends readonly ValueType[], R extends ValueType> {
  readonly opcode: Opcode;
  readonly params: P;
  readonly result: R;
}

function operator<const P extends readonly ValueType[], const R extends ValueType>(
  opcode: Opcode,
  params: P,
  result: R,
): Operator<P, R> {
  return { opcode, params, result };
}

const i32Unary = (code: number) => operator(code, ['i32'], 'i32');
const i32Binary = (code: number) => operator(code, ['i32', 'i32'], 'i32');
const f32Unary = (code: number) => operator(code, ['f32'], 'f32');
const f32Binary = (code: number) => operator(code, ['f32', 'f32'], 'f32');
const f32Compare = (code: number) => operator(code, ['f32', 'f32'], 'i32');
const vUnary = (code: number) => operator(simd(code), ['v128'], 'v128');
const vBinary = (code: number) => operator(simd(code), ['v128', 'v128'], 'v128');
const vTernary = (code: number) => operator(simd(code), ['v128', 'v128', 'v128'], 'v128');
const vShift = (code: number) => operator(simd(code), ['v128', 'i32'], 'v128');
const vTest = (code: number) => operator(simd(code), ['v128'], 'i32');

/** Operators without immediates, by their WebAssembly name. */
export const OPERATORS = {
  'i32.eqz': i32Unary(0x45),
  'i32.eq': i32Binary(0x46),
  'i32.ne': i32Binary(0x47),
  'i32.lt_s': i32Binary(0x48),
  'i32.lt_u': i32Binary(0x49),
  'i32.gt_s': i32Binary(0x4a),
  'i32.gt_u': i32Binary(0x4b),
  'i32.le_s': i32Binary(0x4c),
  'i32.le_u': i32Binary(0x4d),
  'i32.ge_s': i32Binary(0x4e),
  'i32.ge_u': i32Binary(0x4f),
  'f32.eq': f32Compare(0x5b),
  'f32.ne': f32Compare(0x5c),
  'f32.lt': f32Compare(0x5d),
  'f32.gt': f32Compare(0x5e),
  'f32.le': f32Compare(0x5f),
  'f32.ge': f32Compare(0x60),
  'i32.clz': i32Unary(0x67),
  'i32.ctz': i32Unary(0x68),
  'i32.popcnt': i32Unary(0x69),
  'i32.add': i32Binary(0x6a),
  'i32.sub': i32Binary(0x6b),
  'i32.mul': i32Binary(0x6c),
  'i32.div_s': i32Binary(0x6d),
  'i32.div_u': i32Binary(0x6e),
  'i32.rem_s': i32Binary(0x6f),
  'i32.rem_u': i32Binary(0x70),
  'i32.and': i32Binary(0x71),
  'i32.or': i32Binary(0x72),
  'i32.xor': i32Binary(0x73),
  'i32.shl': i32Binary(0x74),
  'i32.shr_s': i32Binary(0x75),
  'i32.shr_u': i32Binary(0x76),
  'i32.rotl': i32Binary(0x77),
  'i32.rotr': i32Binary(0x78),
  'f32.abs': f32Unary(0x8b),
  'f32.neg': f32Unary(0x8c),
  'f32.ceil': f32Unary(0x8d),
  'f32.floor': f32Unary(0x8e),
  'f32.trunc': f32Unary(0x8f),
  'f32.nearest': f32Unary(0x90),
  'f32.sqrt': f32Unary(0x91),
  'f32.add': f32Binary(0x92),
  'f32.sub': f32Binary(0x93),
  'f32.mul': f32Binary(0x94),
  'f32.div': f32Binary(0x95),
  'f32.min': f32Binary(0x96),
  'f32.max': f32Binary(0x97),
  'f32.copysign': f32Binary(0x98),
  'f32.convert_i32_s': operator(0xb2, ['i32'], 'f32'),
  'f32.convert_i32_u': operator(0xb3, ['i32'], 'f32'),
  'i32.reinterpret_f32': operator(0xbc, ['f32'], 'i32'),
  'f32.reinterpret_i32': operator(0xbe, ['i32'], 'f32'),
  'i32.extend8_s': i32Unary(0xc0),
  'i32.extend16_s': i32Unary(0xc1),

  'i8x16.swizzle': vBinary(14),
  'i8x16.splat': operator(simd(15), ['i32'], 'v128'),
  'i16x8.splat': operator(simd(16), ['i32'], 'v128'),
  'i32x4.splat': operator(simd(17), ['i32'], 'v128'),
  'f32x4.splat': operator(simd(19), ['f32'], 'v128'),
  'i8x16.eq': vBinary(35),
  'i8x16.ne': vBinary(36),
  'i8x16.lt_s': vBinary(37),
  'i8x16.lt_u': vBinary(38),
  'i8x16.gt_s': vBinary(39),
  'i8x16.gt_u': vBinary(40),
  'i8x16.le_s': vBinary(41),
  'i8x16.le_u': vBinary(42),
  'i8x16.ge_s': vBinary(43),
  'i8x16.ge_u': vBinary(44),
  'i16x8.eq': vBinary(45),
  'i16x8.ne': vBinary(46),
  'i16x8.lt_s': vBinary(47),
  'i16x8.lt_u': vBinary(48),
  'i16x8.gt_s': vBinary(49),
  'i16x8.gt_u': vBinary(50),
  'i16x8.le_s': vBinary(51),
  'i16x8.le_u': vBinary(52),
  'i16x8.ge_s': vBinary(53),
  'i16x8.ge_u': vBinary(54),
  'i32x4.eq': vBinary(55),
  'i32x4.ne': vBinary(56),
  'i32x4.lt_s': vBinary(57),
  'i32x4.lt_u': vBinary(58),
  'i32x4.gt_s': vBinary(59),
  'i32x4.gt_u': vBinary(60),
  'i32x4.le_s': vBinary(61),
  'i32x4.le_u': vBinary(62),
  'i32x4.ge_s': vBinary(63),
  'i32x4.ge_u': vBinary(64),
  'f32x4.eq': vBinary(65),
  'f32x4.ne': vBinary(66),
  'f32x4.lt': vBinary(67),
  'f32x4.gt': vBinary(68),
  'f32x4.le': vBinary(69),
  'f32x4.ge': vBinary(70),
  'v128.not': vUnary(77),
  'v128.and': vBinary(78),
  'v128.andnot': vBinary(79),
  'v128.or': vBinary(80),
  'v128.xor': vBinary(81),
  'v128.bitselect': vTernary(82),
  'v128.any_true': vTest(83),
  'i8x16.abs': vUnary(96),
  'i8x16.neg': vUnary(97),
  'i8x16.popcnt': vUnary(98),
  'i8x16.all_true': vTest(99),
  'i8x16.bitmask': vTest(100),
  'i8x16.narrow_i16x8_s': vBinary(101),
  'i8x16.narrow_i16x8_u': vBinary(102),
  'f32x4.ceil': vUnary(103),
  'f32x4.floor': vUnary(104),
  'f32x4.trunc': vUnary(105),
  'f32x4.nearest': vUnary(106),
  'i8x16.shl': vShift(107),
  'i8x16.shr_s': vShift(108),
  'i8x16.shr_u': vShift(109),
  'i8x16.add': vBinary(110),
  'i8x16.add_sat_s': vBinary(111),
  'i8x16.add_sat_u': vBinary(112),
  'i8x16.sub': vBinary(113),
  'i8x16.sub_sat_s': vBinary(114),
  'i8x16.sub_sat_u': vBinary(115),
  'i8x16.min_s': vBinary(118),
  'i8x16.min_u': vBinary(119),
  'i8x16.max_s': vBinary(120),
  'i8x16.max_u': vBinary(121),
  'i8x16.avgr_u': vBinary(123),
  'i16x8.extadd_pairwise_i8x16_s': vUnary(124),
  'i16x8.extadd_pairwise_i8x16_u': vUnary(125),
  'i32x4.extadd_pairwise_i16x8_s': vUnary(126),
  'i32x4.extadd_pairwise_i16x8_u': vUnary(127),
  'i16x8.abs': vUnary(128),
  'i16x8.neg': vUnary(129),
  'i16x8.q15mulr_sat_s': vBinary(130),
  'i16x8.all_true': vTest(131),
  'i16x8.bitmask': vTest(132),
  'i16x8.narrow_i32x4_s': vBinary(133),
  'i16x8.narrow_i32x4_u': vBinary(134),
  'i16x8.extend_low_i8x16_s': vUnary(135),
  'i16x8.extend_high_i8x16_s': vUnary(136),
  'i16x8.extend_low_i8x16_u': vUnary(137),
  'i16x8.extend_high_i8x16_u': vUnary(138),
  'i16x8.shl': vShift(139),
  'i16x8.shr_s': vShift(140),
  'i16x8.shr_u': vShift(141),
  'i16x8.add': vBinary(142),
  'i16x8.add_sat_s': vBinary(143),
  'i16x8.add_sat_u': vBinary(144),
  'i16x8.sub': vBinary(145),
  'i16x8.sub_sat_s': vBinary(146),
  'i16x8.sub_sat_u': vBinary(147),
  'i16x8.mul': vBinary(149),
  'i16x8.min_s': vBinary(150),
  'i16x8.min_u': vBinary(151),
  'i16x8.max_s': vBinary(152),
  'i16x8.max_u': vBinary(153),
  'i16x8.avgr_u': vBinary(155),
  'i16x8.extmul_low_i8x16_s': vBinary(156),
  'i16x8.extmul_high_i8x16_s': vBinary(157),
  'i16x8.extmul_low_i8x16_u': vBinary(158),
  'i16x8.extmul_high_i8x16_u': vBinary(159),
  'i32x4.abs': vUnary(160),
  'i32x4.neg': vUnary(161),
  'i32x4.all_true': vTest(163),
  'i32x4.bitmask': vTest(164),
  'i32x4.extend_low_i16x8_s': vUnary(167),
  'i32x4.extend_high_i16x8_s': vUnary(168),
  'i32x4.extend_low_i16x8_u': vUnary(169),
  'i32x4.extend_high_i16x8_u': vUnary(170),
  'i32x4.shl': vShift(171),
  'i32x4.shr_s': vShift(172),
  'i32x4.shr_u': vShift(173),
  'i32x4.add': vBinary(174),
  'i32x4.sub': vBinary(177),
  'i32x4.mul': vBinary(181),
  'i32x4.min_s': vBinary(182),
  'i32x4.min_u': vBinary(183),
  'i32x4.max_s': vBinary(184),
  'i32x4.max_u': vBinary(185),
  'i32x4.dot_i16x8_s': vBinary(186),
  'i32x4.extmul_low_i16x8_s': vBinary(188),
  'i32x4.extmul_high_i16x8_s': vBinary(189),
  'i32x4.extmul_low_i16x8_u': vBinary(190),
  'i32x4.extmul_high_i16x8_u': vBinary(191),
  'i64x2.shl': vShift(203),
  'i64x2.shr_u': vShift(205),
  'f32x4.abs': vUnary(224),
  'f32x4.neg': vUnary(225),
  'f32x4.sqrt': vUnary(227),
  'f32x4.add': vBinary(228),
  'f32x4.sub': vBinary(229),
  'f32x4.mul': vBinary(230),
  'f32x4.div': vBinary(231),
  'f32x4.min': vBinary(232),
  'f32x4.max': vBinary(233),
  'f32x4.pmin': vBinary(234),
  'f32x4.pmax': vBinary(235),
  'i32x4.trunc_sat_f32x4_s': vUnary(248),
  'i32x4.trunc_sat_f32x4_u': vUnary(249),
  'f32x4.convert_i32x4_s': vUnary(250),
  'f32x4.convert_i32x4_u': vUnary(251),

  // Relaxed SIMD: what an engine gives may differ between machines, so each row says when it does not. Modules that use
  // one compile only where `probeFeatures` (features.ts) finds relaxed SIMD.
  // Left out on purpose: i32x4.relaxed_dot_i8x16_i7x16_add_s (0x113), which Node 20 computes wrongly in its baseline tier.
  /** Deterministic for indices 0 to 15 and for those with the highest bit set. */
  'i8x16.relaxed_swizzle': vBinary(0x100),
  /** Deterministic for numbers in range. */
  'i32x4.relaxed_trunc_f32x4_s': vUnary(0x101),
  /** a·b + c, rounded once or twice: never deterministic. */
  'f32x4.relaxed_madd': vTernary(0x105),
  /** −(a·b) + c, rounded once or twice: never deterministic. */
  'f32x4.relaxed_nmadd': vTernary(0x106),
  /** Deterministic for masks of all ones or all zeros in each lane. */
  'i8x16.relaxed_laneselect': vTernary(0x109),
  /** Deterministic without NaN and without zeros of both signs. */
  'f32x4.relaxed_min': vBinary(0x10d),
  /** Deterministic without NaN and without zeros of both signs. */
  'f32x4.relaxed_max': vBinary(0x10e),
  /** Deterministic but for −32768 · −32768. */
  'i16x8.relaxed_q15mulr_s': vBinary(0x111),
  /** Sums of two neighbouring products of int8 with 0..127. Deterministic while the second operand stays below 128. */
  'i16x8.relaxed_dot_i8x16_i7x16_s': vBinary(0x112),
} as const;

/** Name of an operator without immediates. */
export type OperatorName = keyof typeof OPERATORS;

/** A load or store: bytes touched and the type of the value. `lane`: the operand vector and a lane index follow. */
export interface MemoryOperator<T extends ValueType> {
  readonly opcode: Opcode;
  readonly bytes: number;
  readonly type: T;
  /** Lanes of the vector for `load*_lane` and `store*_lane`. */
  readonly lanes?: number;
}

function memory<const T extends ValueType>(opcode: Opcode, bytes: number, type: T): MemoryOperator<T> {
  return { opcode, bytes, type };
}

/** Loads, by name. */
export const LOADS = {
  'i32.load': memory(0x28, 4, 'i32'),
  'f32.load': memory(0x2a, 4, 'f32'),
  'i32.load8_s': memory(0x2c, 1, 'i32'),
  'i32.load8_u': memory(0x2d, 1, 'i32'),
  'i32.load16_s': memory(0x2e, 2, 'i32'),
  'i32.load16_u': memory(0x2f, 2, 'i32'),
  'v128.load': memory(simd(0), 16, 'v128'),
  'v128.load8x8_s': memory(simd(1), 8, 'v128'),
  'v128.load8x8_u': memory(simd(2), 8, 'v128'),
  'v128.load16x4_s': memory(simd(3), 8, 'v128'),
  'v128.load16x4_u': memory(simd(4), 8, 'v128'),
  'v128.load32x2_s': memory(simd(5), 8, 'v128'),
  'v128.load32x2_u': memory(simd(6), 8, 'v128'),
  'v128.load8_splat': memory(simd(7), 1, 'v128'),
  'v128.load16_splat': memory(simd(8), 2, 'v128'),
  'v128.load32_splat': memory(simd(9), 4, 'v128'),
  'v128.load64_splat': memory(simd(10), 8, 'v128'),
  'v128.load32_zero': memory(simd(92), 4, 'v128'),
  'v128.load64_zero': memory(simd(93), 8, 'v128'),
} as const;

/** Name of a load. */
export type LoadName = keyof typeof LOADS;

/** Stores, by name. */
export const STORES = {
  'i32.store': memory(0x36, 4, 'i32'),
  'f32.store': memory(0x38, 4, 'f32'),
  'i32.store8': memory(0x3a, 1, 'i32'),
  'i32.store16': memory(0x3b, 2, 'i32'),
  'v128.store': memory(simd(11), 16, 'v128'),
} as const;

/** Name of a store. */
export type StoreName = keyof typeof STORES;

/** Loads into one lane of a vector: address and vector in, vector out. */
export const LANE_LOADS = {
  'v128.load8_lane': { opcode: simd(84), bytes: 1, type: 'v128', lanes: 16 },
  'v128.load16_lane': { opcode: simd(85), bytes: 2, type: 'v128', lanes: 8 },
  'v128.load32_lane': { opcode: simd(86), bytes: 4, type: 'v128', lanes: 4 },
  'v128.load64_lane': { opcode: simd(87), bytes: 8, type: 'v128', lanes: 2 },
} as const;

/** Name of a lane load. */
export type LaneLoadName = keyof typeof LANE_LOADS;

/** Stores of one lane of a vector. */
export const LANE_STORES = {
  'v128.store8_lane': { opcode: simd(88), bytes: 1, type: 'v128', lanes: 16 },
  'v128.store16_lane': { opcode: simd(89), bytes: 2, type: 'v128', lanes: 8 },
  'v128.store32_lane': { opcode: simd(90), bytes: 4, type: 'v128', lanes: 4 },
  'v128.store64_lane': { opcode: simd(91), bytes: 8, type: 'v128', lanes: 2 },
} as const;

/** Name of a lane store. */
export type LaneStoreName = keyof typeof LANE_STORES;

function extract<const R extends ValueType>(code: number, lanes: number, result: R) {
  return { opcode: simd(code), lanes, params: ['v128'] as const, result };
}

function replace<const S extends ValueType>(code: number, lanes: number, scalar: S) {
  return { opcode: simd(code), lanes, params: ['v128', scalar] as const, result: 'v128' as const };
}

/** Operators with a lane index. */
export const LANE_OPERATORS = {
  'i8x16.extract_lane_s': extract(21, 16, 'i32'),
  'i8x16.extract_lane_u': extract(22, 16, 'i32'),
  'i8x16.replace_lane': replace(23, 16, 'i32'),
  'i16x8.extract_lane_s': extract(24, 8, 'i32'),
  'i16x8.extract_lane_u': extract(25, 8, 'i32'),
  'i16x8.replace_lane': replace(26, 8, 'i32'),
  'i32x4.extract_lane': extract(27, 4, 'i32'),
  'i32x4.replace_lane': replace(28, 4, 'i32'),
  'f32x4.extract_lane': extract(31, 4, 'f32'),
  'f32x4.replace_lane': replace(32, 4, 'f32'),
} as const;

/** Name of an operator with a lane index. */
export type LaneOperatorName = keyof typeof LANE_OPERATORS;

/** Opcodes of structure, variables and constants, which have immediates of their own. */
export const CONTROL = {
  unreachable: 0x00,
  nop: 0x01,
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  br: 0x0c,
  br_if: 0x0d,
  return: 0x0f,
  call: 0x10,
  drop: 0x1a,
  select: 0x1b,
  'local.get': 0x20,
  'local.set': 0x21,
  'local.tee': 0x22,
  'global.get': 0x23,
  'i32.const': 0x41,
  'f32.const': 0x43,
  'v128.const': simd(12),
  'i8x16.shuffle': simd(13),
} as const;

/** Type code of a block without a result. */
export const EMPTY_BLOCK = 0x40;
