/**
 * Emits `decode`: codes with a scale per block of a row to float32, value = fround(element · scale), and the largest
 * scale code it met, by which the caller sees scales that are not numbers (their values then mean nothing).
 *
 * A block is written in turns of 16 columns; what falls beyond it is overwritten by the next one, so the target needs
 * 64 spare bytes. Codes are read 16 bytes at a time, so their buffer needs 16 readable bytes past its end.
 */
import { type Expression, f32, i32, load, type ModuleBuilder, op, select, shuffle } from '@bitloom/wasm';
import { ELEMENT_KINDS, PARAMETERS, SCALE_KINDS } from '../parameters.js';
import { packing, unpack } from './pack.js';
import {
  add,
  advance,
  lanes16,
  mul,
  repeatWhile,
  shiftLeft,
  shiftRight,
  splat32,
  sub,
  type V128,
} from './steps.js';

/** Interleaves 16-bit lanes of two vectors: from their lower halves, from their upper halves. */
const LOW_HALVES = lanes16(0, 8, 1, 9, 2, 10, 3, 11);
const HIGH_HALVES = lanes16(4, 12, 5, 13, 6, 14, 7, 15);
/** The same for bytes. */
const LOW_BYTES = [0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23];
const HIGH_BYTES = LOW_BYTES.map((index) => index + 8);

/** Sixteen bytes to four vectors of 32-bit integers. */
function widen(bytes: V128, sign: 's' | 'u'): V128[] {
  const halves = [op(`i16x8.extend_low_i8x16_${sign}`, bytes), op(`i16x8.extend_high_i8x16_${sign}`, bytes)];
  return halves.flatMap((half) => [
    op(`i32x4.extend_low_i16x8_${sign}`, half),
    op(`i32x4.extend_high_i16x8_${sign}`, half),
  ]);
}

/** Adds `decode` to `module`. */
export function emitDecode(module: ModuleBuilder): void {
  const params = {
    rows: 'i32',
    cols: 'i32',
    /** Columns of a block; the last one of a row may be short. */
    group: 'i32',
    codes: 'i32',
    scales: 'i32',
    target: 'i32',
    /** Width of a code. Blocks begin on a byte: group · bits is a multiple of 8, or a row is one block. */
    bits: 'i32',
    scaleKind: 'i32',
    elementKind: 'i32',
    /** Float elements: 23 − mantissa bits. */
    drop: 'i32',
  } as const;
  module.function('decode', params, 'i32', (f, p) => {
    const parameter = (name: keyof typeof PARAMETERS): V128 => load('v128.load', i32(0), PARAMETERS[name]);
    const packed = packing(f, p.bits, parameter('index'));
    const scale = f.local('v128', 'scale');
    const low = f.local('v128', 'low', parameter('low'));
    const high = f.local('v128', 'high', parameter('high'));
    const bytes = f.local('v128', 'bytes');
    const tops = f.local('v128', 'tops');
    const seen = f.local('i32', 'seen', i32(0));
    const code = f.local('i32', 'code');
    const signBit = f.local('i32', 'signBit', shiftLeft(i32(1), sub(p.bits, 1)));
    const sign = f.local('v128', 'sign', op('i8x16.splat', signBit));
    const turnBytes = f.local('i32', 'turnBytes', shiftLeft(p.bits, 1));
    const rowBytes = f.local('i32', 'rowBytes', shiftRight(add(mul(p.cols, p.bits), 7), 3));
    const left = f.local('i32', 'left');
    const count = f.local('i32', 'count');
    const end = f.local('i32', 'end');
    const from = f.local('i32', 'from');
    const at = f.local('i32', 'at');
    const to = f.local('i32', 'to');

    const codesAt = (bytesPerScale: 1 | 2): void => {
      f.set(code, load(bytesPerScale === 1 ? 'i32.load8_u' : 'i32.load16_u', p.scales));
      advance(f, p.scales, bytesPerScale);
      f.set(seen, select(code, seen, op('i32.gt_u', code, seen)));
    };

    /** Stores four vectors of float32 elements, scaled. */
    const store = (values: readonly V128[]): void => {
      values.forEach((value, i) => {
        f.store('v128.store', to, op('f32x4.mul', value, scale), i * 16);
      });
    };

    const turns = (body: () => void): void => {
      repeatWhile(f, op('i32.lt_u', to, end), () => {
        f.set(bytes, load('v128.load', from));
        unpack(f, bytes, packed);
        body();
        advance(f, from, turnBytes);
        advance(f, to, 64);
      });
    };

    f.while(op('i32.gt_s', p.rows, i32(0)), () => {
      f.set(left, p.cols);
      f.set(at, p.codes);
      f.while(left, () => {
        f.set(count, select(p.group, left, op('i32.lt_s', p.group, left)));
        f.set(end, add(p.target, shiftLeft(count, 2)));
        f.set(from, at);
        f.set(to, p.target);
        f.if(
          op('i32.eq', p.scaleKind, i32(SCALE_KINDS.fp16)),
          () => {
            codesAt(2);
            const bits = op('i32x4.splat', shiftLeft(code, 13));
            f.set(scale, op('f32x4.mul', bits, splat(f32(2 ** 112))));
          },
          () => {
            codesAt(1);
            const bits = op('i32x4.max_s', op('i32x4.splat', shiftLeft(code, 23)), splat32(0x400000));
            f.set(scale, op('f32x4.mul', bits, parameter('step')));
          },
        );
        f.if(
          op('i32.eq', p.elementKind, i32(ELEMENT_KINDS.int)),
          () =>
            turns(() => {
              f.set(bytes, op('i8x16.sub', op('v128.xor', bytes, sign), sign));
              store(widen(bytes, 's').map((integers) => op('f32x4.convert_i32x4_s', integers)));
            }),
          () =>
            // The upper 16 bits of the float32 of each code, from two tables of bytes.
            turns(() => {
              f.set(tops, op('i8x16.swizzle', high, bytes));
              f.set(bytes, op('i8x16.swizzle', low, bytes));
              const zero = splat32(0);
              const halves = [shuffle(bytes, tops, LOW_BYTES), shuffle(bytes, tops, HIGH_BYTES)];
              store(
                halves.flatMap((half) => [shuffle(zero, half, LOW_HALVES), shuffle(zero, half, HIGH_HALVES)]),
              );
            }),
        );
        f.set(p.target, end);
        advance(f, at, shiftRight(mul(count, p.bits), 3));
        f.set(left, sub(left, count));
      });
      advance(f, p.codes, rowBytes);
      advance(f, p.rows, -1);
    });
    return seen;
  });
}

const splat = (value: Expression<'f32'>): V128 => op('f32x4.splat', value);
