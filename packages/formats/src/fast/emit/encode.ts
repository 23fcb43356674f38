/**
 * Emits `encode`: a matrix of float32 to codes with a scale per block of a row, and the largest magnitude it met.
 * The steps are those of the definition in the same float32 operations, so the bits are the same. Values that are not
 * finite, and scales that overflow, show in the result; the codes then mean nothing, and the caller asks the
 * definition what is to become of them.
 *
 * A block is read in turns of 16 columns. Where it ends within a turn, the columns after it are set to zero for the
 * while and put back afterwards, so the source needs 64 readable bytes past its end. Codes are written 16 bytes at a
 * time; what falls beyond a block is overwritten by the next one, so their buffer needs 32 spare bytes.
 */
import {
  type FunctionBuilder,
  f32x4,
  i32,
  type Local,
  lane,
  load,
  type ModuleBuilder,
  op,
  select,
  shuffle,
} from '@bitloom/wasm';
import { ELEMENT_KINDS, PARAMETERS, SCALE_KINDS } from '../parameters.js';
import { pack, packing } from './pack.js';
import {
  add,
  advance,
  and,
  float32Bits,
  lanes32,
  mul,
  repeatWhile,
  shiftLeft,
  shiftRight,
  splat32,
  sub,
  type V128,
} from './steps.js';

const TURN = [0, 16, 32, 48] as const;
const TURN_BYTES = 64;
/** 1.5 · 2^23: added to a float32 that is not too large, it leaves the nearest integer in the low bits. */
const INTEGER = 12582912;
const EXPONENT = 0x7f800000;

const parameter = (name: keyof typeof PARAMETERS): V128 => load('v128.load', i32(0), PARAMETERS[name]);

/** Four float32 with 1.5 · 2^(23−m) times the power of two in `exponents`; `magic` is that factor's share of bits. */
const magicNumber = (exponents: V128, magic: V128): V128 => op('i32x4.add', exponents, magic);

/**
 * divisor = what an element of a block is divided by, for a scale of fp16: the quotient of its amax that is in
 * `divisor`, rounded to fp16 and stored. The sum with 1.5 · 2^13 times its own power of two (of the smallest normal
 * fp16 below that) rounds to the 10 bits of fp16; the product with 2^−112 puts them where a shift finds exponent and
 * mantissa. A scale of 0 divides as infinity, which gives codes 0.
 */
function emitFp16Scale(
  f: FunctionBuilder,
  divisor: Local<'v128'>,
  scratch: Local<'v128'>,
  scales: Local<'i32'>,
): void {
  const smallest = splat32(float32Bits(2 ** -14));
  const exponent = op('i32x4.max_s', op('v128.and', divisor, splat32(EXPONENT)), smallest);
  f.set(scratch, magicNumber(exponent, splat32((13 << 23) + 0x400000)));
  f.set(divisor, op('f32x4.sub', op('f32x4.add', divisor, scratch), scratch));
  const code = op('i32x4.shr_u', op('f32x4.mul', divisor, f32x4(2 ** -112)), i32(13));
  f.storeLane('v128.store16_lane', 0, scales, code);
  advance(f, scales, 2);
  const isZero = op('f32x4.eq', divisor, splat32(0));
  f.set(divisor, op('v128.or', divisor, op('v128.and', isZero, splat32(EXPONENT))));
}

/**
 * The same for a scale of e8m0: divisor = 2^(code − 127) · step, with the code of the scale rule. Quotients up to
 * 2^−127, zero among them, have code 0, whatever the rule rounds.
 */
function emitE8m0Scale(
  f: FunctionBuilder,
  divisor: Local<'v128'>,
  scratch: Local<'v128'>,
  scales: Local<'i32'>,
): void {
  const biased = op('i32x4.shr_u', op('i32x4.add', divisor, parameter('addend')), i32(23));
  const highest = op('i32x4.min_s', op('i32x4.sub', biased, parameter('offset')), splat32(254));
  const counts = op('i32x4.gt_s', divisor, splat32(0x400000));
  f.set(scratch, op('v128.and', op('i32x4.max_s', highest, splat32(0)), counts));
  f.storeLane('v128.store8_lane', 0, scales, scratch);
  advance(f, scales, 1);
  const power = op('i32x4.max_s', op('i32x4.shl', scratch, i32(23)), splat32(0x400000));
  f.set(divisor, op('f32x4.mul', power, parameter('step')));
}

/** Adds `encode` to `module`. */
export function emitEncode(module: ModuleBuilder): void {
  const params = {
    rows: 'i32',
    cols: 'i32',
    /** Columns of a block; the last one of a row may be short. */
    group: 'i32',
    source: 'i32',
    codes: 'i32',
    scales: 'i32',
    /** Width of a code. Blocks begin on a byte: group · bits is a multiple of 8, or a row is one block. */
    bits: 'i32',
    scaleKind: 'i32',
    elementKind: 'i32',
    /** Float elements: 23 − mantissa bits. */
    drop: 'i32',
  } as const;
  module.function('encode', params, 'i32', (f, p) => {
    const packed = packing(f, p.bits, parameter('index'));
    const magnitude = f.local('v128', 'magnitude', splat32(0x7fffffff));
    const exponents = f.local('v128', 'exponents', splat32(EXPONENT));
    const integer = f.local('v128', 'integer', f32x4(INTEGER));
    const low = f.local('v128', 'low', parameter('low'));
    const high = f.local('v128', 'high', parameter('high'));
    const magic = f.local('v128', 'magic', parameter('magic'));
    const seen = f.local('v128', 'seen', splat32(0));
    const amax = f.local('v128', 'amax');
    const divisor = f.local('v128', 'divisor');
    const bytes = f.local('v128', 'bytes');
    const value = f.local('v128', 'value');
    const size = f.local('v128', 'size');
    const power = f.local('v128', 'power');
    const number = f.local('v128', 'number');
    const kept = TURN.map((offset) => f.local('v128', `kept${offset}`));
    const signShift = f.local('i32', 'signShift', sub(32, p.bits));
    const turnBytes = f.local('i32', 'turnBytes', shiftLeft(p.bits, 1));
    const rowBytes = f.local('i32', 'rowBytes', shiftRight(add(mul(p.cols, p.bits), 7), 3));
    const left = f.local('i32', 'left');
    const count = f.local('i32', 'count');
    const end = f.local('i32', 'end');
    const from = f.local('i32', 'from');
    const at = f.local('i32', 'at');
    const to = f.local('i32', 'to');

    const quotient = (offset: number): V128 => op('f32x4.div', load('v128.load', from, offset), divisor);

    const integerCode = (offset: number): V128 =>
      op('i32x4.sub', op('f32x4.add', quotient(offset), integer), integer);

    // The power of two of a magnitude, at least that of the smallest normal number, chooses where to round. What
    // comes out counts steps from there; powers above the smallest add 2^mantissa codes each.
    const floatCode = (offset: number): V128 => {
      const limited = op('i32x4.min_s', op('v128.and', f.tee(value, quotient(offset)), magnitude), high);
      const exponent = op('i32x4.max_s', op('v128.and', f.tee(size, limited), exponents), low);
      const sum = op('f32x4.add', f.tee(number, magicNumber(f.tee(power, exponent), magic)), size);
      const steps = op('i32x4.sub', sum, number);
      const unsigned = op('i32x4.add', steps, op('i32x4.shr_u', op('i32x4.sub', power, low), p.drop));
      return op('v128.or', unsigned, op('i32x4.shr_u', op('v128.andnot', value, magnitude), signShift));
    };

    /** bytes = the codes of a turn, one per byte. */
    const encodeTurn = (): void => {
      const half = (code: (offset: number) => V128, first: number, second: number): V128 =>
        op('i16x8.narrow_i32x4_s', code(first), code(second));
      f.if(
        op('i32.eq', p.elementKind, i32(ELEMENT_KINDS.int)),
        () => {
          const codes = op('i8x16.narrow_i16x8_s', half(integerCode, 0, 16), half(integerCode, 32, 48));
          f.set(bytes, op('i8x16.min_s', op('i8x16.max_s', codes, low), high));
        },
        () => f.set(bytes, op('i8x16.narrow_i16x8_u', half(floatCode, 0, 16), half(floatCode, 32, 48))),
      );
    };

    f.while(op('i32.gt_s', p.rows, i32(0)), () => {
      f.set(left, p.cols);
      f.set(at, p.codes);
      f.while(left, () => {
        f.set(count, select(p.group, left, op('i32.lt_s', p.group, left)));
        f.set(end, add(p.source, shiftLeft(count, 2)));
        f.if(and(count, 15), () => {
          TURN.forEach((offset, i) => {
            f.set(kept[i], load('v128.load', end, offset));
            f.store('v128.store', end, splat32(0), offset);
          });
        });
        f.set(from, p.source);
        f.set(amax, splat32(0));
        repeatWhile(f, op('i32.lt_u', from, end), () => {
          for (const offset of TURN) {
            f.set(amax, op('i32x4.max_s', amax, op('v128.and', load('v128.load', from, offset), magnitude)));
          }
          advance(f, from, TURN_BYTES);
        });
        f.set(amax, op('i32x4.max_s', amax, shuffle(amax, amax, lanes32(2, 3, 0, 1))));
        f.set(amax, op('i32x4.max_s', amax, shuffle(amax, amax, lanes32(1, 0, 3, 2))));
        f.set(seen, op('i32x4.max_s', seen, amax));
        f.set(divisor, op('f32x4.div', amax, parameter('divisor')));
        f.if(
          op('i32.eq', p.scaleKind, i32(SCALE_KINDS.fp16)),
          () => emitFp16Scale(f, divisor, number, p.scales),
          () => emitE8m0Scale(f, divisor, number, p.scales),
        );
        f.set(from, p.source);
        f.set(to, at);
        repeatWhile(f, op('i32.lt_u', from, end), () => {
          encodeTurn();
          f.if(
            op('i32.eq', p.bits, i32(4)),
            () => {
              f.set(bytes, op('v128.and', bytes, packed.mask));
              f.set(bytes, op('v128.or', bytes, op('i16x8.shr_u', bytes, i32(4))));
              f.set(bytes, op('v128.and', bytes, packed.lower[0]));
              f.set(bytes, op('i8x16.narrow_i16x8_u', bytes, bytes));
            },
            () => pack(f, bytes, packed),
          );
          f.store('v128.store', to, bytes);
          advance(f, from, TURN_BYTES);
          advance(f, to, turnBytes);
        });
        f.if(and(count, 15), () => {
          TURN.forEach((offset, i) => {
            f.store('v128.store', end, kept[i], offset);
          });
        });
        f.set(p.source, end);
        advance(f, at, shiftRight(mul(count, p.bits), 3));
        f.set(left, sub(left, count));
      });
      advance(f, p.codes, rowBytes);
      advance(f, p.rows, -1);
    });
    return lane('i32x4.extract_lane', 0, seen);
  });
}
