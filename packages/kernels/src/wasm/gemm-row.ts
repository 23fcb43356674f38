/**
 * Emits the product of one token with rows16 weight blocks: the case that reads every weight once and must run at
 * the speed of memory.
 *
 * Codes are used where they lie, without unpacking: masking an int16 lane leaves a code times a power of two; the
 * activations carry the rest of a common factor 256, which the weight scale takes back (exactly: the int32 sum times
 * 256 converts to the same float32 significand, and no scale is near the subnormals).
 * - u4: the masks 0x000f, 0x00f0, 0x0f00 and a shift by 12 leave factors 1, 16, 256, 1, so activations are scaled
 *   by 256, 16, 1, 256. Codes are stored + 8; sums start at −8·Σx.
 * - s8: `<< 8` and `& 0xff00` leave both codes times 256.
 *
 * Bodies stay small on purpose: V8 moves the loads of a loop body to its front, and a body with more loaded values
 * and sums than the 15 vector registers spills.
 */
import {
  type FunctionBuilder,
  type FunctionReference,
  f32x4,
  i16x8,
  i32,
  i32x4,
  type Local,
  lane,
  load,
  type ModuleBuilder,
  op,
  shuffle,
  type ValueType,
  v128,
} from '@bitloom/wasm';
import { FLAG_CONTINUE, FLAG_FINISH } from '../interface/group-products.js';
import { add, advance, atLeast, type I32, isSet, lanes16, lanes32, sub, type V128 } from './emit.js';
import { halfToFloat } from './half.js';
import { type Container, pairOrder, U4 } from './rows16.js';

/** Bytes in front of the prepared steps of each group, u4 only: where sums start, int32, in all lanes. */
const HEADER_BYTES = 16;
/** Row vectors of a block: 4 rows each. */
const ROW_VECTORS = 4;
/** Bytes of scratch for the outputs of a ragged block. */
export const ROW_RAGGED_BYTES = 64;

type Procedure = FunctionReference<readonly ValueType[], undefined>;

const U4_FACTORS = v128(new Uint8Array(Int16Array.of(256, 256, 16, 16, 1, 1, 256, 256).buffer));

/**
 * Largest number of columns whose sum times 256 stays in int32; longer groups are summed in pieces.
 * u4: 256·8·127·4096 < 2^31 for the final sum (what wraps on the way wraps back); s8: 256·127·127·256 < 2^31.
 */
export function pieceColumns({ bits }: Pick<Container, 'bits'>): number {
  return bits === 4 ? 4096 : 256;
}

/** `start` of the preparation: codes are stored + 8, and pieces are summed times 256. */
export function rowStart(pieces: boolean): number {
  return pieces ? -8 : -8 * 256;
}

/** Bytes that `columns` prepared columns take at most, in `groups` groups. */
export function preparedRowBytes(columns: number, groups: number): number {
  return columns * 2 + groups * (HEADER_BYTES + 16);
}

/**
 * prepareRow<Container>(x, length, group, dst, start): lays out `length` columns at x; the sums of a u4 group start
 * at Σx·start. Reads whole steps of 8 columns.
 */
function emitPrepare(module: ModuleBuilder, container: Container): Procedure {
  const params = { x: 'i32', length: 'i32', group: 'i32', dst: 'i32', start: 'i32' } as const;
  return module.procedure(
    `prepareRow${container.name}`,
    params,
    (f, p) => {
      const left = f.local('i32', 'left');
      const header = f.local('i32', 'header');
      const x = f.local('v128', 'x');
      const sum = f.local('v128', 'sum');
      const order = lanes16(...pairOrder(container));
      f.while(op('i32.gt_s', p.length, i32(0)), () => {
        f.set(left, p.group);
        f.if(op('i32.lt_s', p.length, p.group), () => f.set(left, p.length));
        f.set(p.length, sub(p.length, left));
        if (container === U4) {
          f.set(header, p.dst);
          f.set(sum, i32x4(0));
          advance(f, p.dst, HEADER_BYTES);
        }
        f.while(op('i32.gt_s', left, i32(0)), () => {
          f.set(x, load('v128.load8x8_s', p.x));
          if (container === U4) {
            f.set(sum, op('i32x4.add', sum, op('i32x4.dot_i16x8_s', x, i16x8(1))));
            f.store('v128.store', p.dst, op('i16x8.mul', shuffle(x, x, order), U4_FACTORS));
          } else {
            // The last group may end after four columns; what is written for the other four is not read.
            f.store('v128.store', p.dst, shuffle(x, x, order));
          }
          advance(f, p.dst, 16);
          advance(f, p.x, 8);
          advance(f, left, -8);
        });
        if (container === U4) {
          f.set(sum, op('i32x4.add', sum, shuffle(sum, sum, lanes32(2, 3, 0, 1))));
          const total = add(lane('i32x4.extract_lane', 0, sum), lane('i32x4.extract_lane', 1, sum));
          f.store('v128.store', header, op('i32x4.splat', op('i32.mul', total, p.start)));
        }
      });
    },
    { export: false },
  );
}

/** The masked int16 operands of one weight vector, in the order of the prepared pairs. */
function maskedCodes(container: Container, w: V128, masks: readonly V128[]): V128[] {
  if (container === U4) {
    return [
      op('v128.and', w, masks[0]),
      op('v128.and', w, masks[1]),
      op('v128.and', w, masks[2]),
      op('i16x8.shr_u', w, i32(12)),
    ];
  }
  return [op('i16x8.shl', w, i32(8)), op('v128.and', w, masks[0])];
}

/**
 * gemmRow<Container>(w, blockStride, groups, groupSteps, lastSteps, prepared, N, out, xScale, flags, ragged).
 * `w` points to the first group of the first block, `blockStride` leads to the next block. A ragged last block
 * works in the 64 bytes at `ragged` and is copied.
 */
function emitProduct(module: ModuleBuilder, container: Container, pieces: boolean): Procedure {
  const params = {
    w: 'i32',
    blockStride: 'i32',
    groups: 'i32',
    groupSteps: 'i32',
    lastSteps: 'i32',
    prepared: 'i32',
    N: 'i32',
    out: 'i32',
    xScale: 'i32',
    flags: 'i32',
    ragged: 'i32',
  } as const;
  const name = `gemmRow${container.name}${pieces ? 'Long' : ''}`;
  return module.procedure(
    name,
    params,
    (f, p) => {
      const wAt = f.local('i32', 'wAt');
      const xAt = f.local('i32', 'xAt');
      const group = f.local('i32', 'group');
      const steps = f.local('i32', 'steps');
      const target = f.local('i32', 'target');
      const sums = vectors(f, 'sum');
      const totals = pieces ? vectors(f, 'total') : sums;
      const accumulators = vectors(f, 'accumulator');
      const masks = (container === U4 ? [0x000f, 0x00f0, 0x0f00] : [0xff00]).map((mask, i) =>
        f.local('v128', `mask${i}`, i16x8(mask)),
      );
      const w = f.local('v128', 'w');
      const xs = Array.from({ length: container.stepPairs }, (_, i) => f.local('v128', `x${i}`));
      const factor = f.local('v128', 'factor');
      const pieceSteps = pieceColumns(container) / container.stepColumns;
      const piece = f.local('i32', 'piece');
      const each = (visit: (v: number) => void): void => {
        for (let v = 0; v < ROW_VECTORS; v += 1) visit(v);
      };

      /** One 64-byte step for all 16 rows. */
      const innerLoop = (counter: Local<'i32'>): void => {
        f.loop((again) => {
          xs.forEach((x, i) => {
            f.set(x, load('v128.load32_splat', xAt, i * 4));
          });
          each((v) => {
            f.set(w, load('v128.load', wAt, v * 16));
            maskedCodes(container, w, masks).forEach((codes, i) => {
              f.set(sums[v], op('i32x4.add', sums[v], op('i32x4.dot_i16x8_s', codes, xs[i])));
            });
          });
          advance(f, wAt, 64);
          advance(f, xAt, container.stepPairs * 4);
          f.branchIf(again, f.tee(counter, sub(counter, 1)));
        });
      };

      /**
       * Integer sums of one group from wAt and xAt: times 256 in `sums`, or, for long groups, without that factor in
       * `totals`, where the header starts them.
       */
      const sumGroup = (): void => {
        each((v) => {
          f.set(totals[v], container === U4 ? load('v128.load', xAt) : i32x4(0));
          if (pieces) f.set(sums[v], i32x4(0));
        });
        if (container === U4) advance(f, xAt, HEADER_BYTES);
        if (!pieces) {
          innerLoop(steps);
          return;
        }
        f.while(op('i32.gt_s', steps, i32(0)), () => {
          f.set(piece, i32(pieceSteps));
          f.if(op('i32.lt_s', steps, i32(pieceSteps)), () => f.set(piece, steps));
          f.set(steps, sub(steps, piece));
          innerLoop(piece);
          each((v) => {
            f.set(totals[v], op('i32x4.add', totals[v], op('i32x4.shr_s', sums[v], i32(8))));
            f.set(sums[v], i32x4(0));
          });
        });
      };

      const copied = f.local('i32', 'copied');
      const from = f.local('i32', 'from');
      const to = f.local('i32', 'to');
      const copyColumns = (source: I32, dest: I32): void => {
        f.set(from, source);
        f.set(to, dest);
        f.set(copied, p.N);
        f.while(copied, () => {
          f.store('i32.store', to, load('i32.load', from));
          advance(f, from, 4);
          advance(f, to, 4);
          advance(f, copied, -1);
        });
      };

      f.while(op('i32.gt_s', p.N, i32(0)), () => {
        f.set(target, p.out);
        f.if(op('i32.eqz', atLeast(p.N, 16)), () => {
          f.set(target, p.ragged);
          f.if(isSet(p.flags, FLAG_CONTINUE), () => copyColumns(p.out, p.ragged));
        });
        f.if(
          isSet(p.flags, FLAG_CONTINUE),
          () => each((v) => f.set(accumulators[v], load('v128.load', target, v * 16))),
          () => each((v) => f.set(accumulators[v], f32x4(0))),
        );
        f.set(wAt, p.w);
        f.set(xAt, p.prepared);
        f.set(group, p.groups);
        f.while(op('i32.gt_s', group, i32(0)), () => {
          f.set(steps, p.groupSteps);
          f.if(op('i32.eq', group, i32(1)), () => f.set(steps, p.lastSteps));
          sumGroup();
          each((v) => {
            const scale = halfToFloat(load('v128.load16x4_s', wAt, v * 8), pieces ? 0 : 8);
            const product = op('f32x4.mul', op('f32x4.convert_i32x4_s', totals[v]), scale);
            f.set(accumulators[v], op('f32x4.add', accumulators[v], product));
          });
          advance(f, wAt, 32);
          advance(f, group, -1);
        });
        f.if(isSet(p.flags, FLAG_FINISH), () => {
          f.set(factor, load('v128.load32_splat', p.xScale));
          each((v) => f.set(accumulators[v], op('f32x4.mul', accumulators[v], factor)));
        });
        each((v) => f.store('v128.store', target, accumulators[v], v * 16));
        f.if(op('i32.eqz', atLeast(p.N, 16)), () => copyColumns(p.ragged, p.out));
        advance(f, p.w, p.blockStride);
        advance(f, p.out, 64);
        advance(f, p.N, -16);
      });
    },
    { export: false },
  );
}

function vectors(f: FunctionBuilder, name: string): Local<'v128'>[] {
  return Array.from({ length: ROW_VECTORS }, (_, v) => f.local('v128', `${name}${v}`));
}

/** What `gemmGroups` calls for one token: `longProduct` for groups longer than {@link pieceColumns}. */
export interface RowProduct {
  readonly prepare: Procedure;
  readonly product: Procedure;
  readonly longProduct: Procedure;
}

/** Adds the preparation of activations and both products to `module`. */
export function emitRowProduct(module: ModuleBuilder, container: Container): RowProduct {
  return {
    prepare: emitPrepare(module, container),
    product: emitProduct(module, container, false),
    longProduct: emitProduct(module, container, true),
  };
}
