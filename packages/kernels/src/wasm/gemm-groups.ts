/**
 * Emits the product of int8 activations with rows16 weight blocks (the layout is defined in `@bitloom/formats`).
 *
 * The trick: codes are used where they lie, as parts of 16-bit lanes, without unpacking. Masking a lane leaves the
 * code times a power of two; the activations carry the rest of a common factor 256, which is shifted out of the
 * int32 sum once per group.
 * - u4: lane = (k+2h, k+4+2h, k+1+2h, k+5+2h) in nibbles from the lowest. The masks 0x000f, 0x00f0, 0x0f00 and a
 *   shift by 12 leave factors 1, 16, 256, 1, so activations are scaled by 256, 16, 1, 256. Codes are stored + 8;
 *   sums start at −8·Σx.
 * - s8: lane = (k+2h, k+1+2h) in bytes. `<< 8` and `& 0xff00` leave both codes times 256.
 * `i32x4.dot_i16x8_s` adds the two lanes h of one row, so 32-bit lane r of a sum belongs to row r of the block.
 *
 * A pass prepares the activations of 1 to 4 tokens in scratch memory (interleaved step by step, so that one pointer
 * serves all), then walks every block once; each weight load serves all tokens of the pass.
 */
import {
  type FunctionBuilder,
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
  v128,
} from '@bitloom/wasm';
import { FLAG_CONTINUE, FLAG_FINISH } from '../kernels.js';
import { add, advance, atLeast, type I32, isSet, lanes16, lanes32, mul, sub, type V128 } from './emit.js';
import { halfToFloat } from './half.js';

/** Most tokens of one pass. */
export const MAX_TOKENS = 4;
/** Bytes in front of the prepared steps of each group (u4 only): the start of the sums, one int32 per token. */
export const GROUP_HEADER_BYTES = 16;
/** Bytes of scratch for one ragged block: four tokens of 16 float32. */
export const RAGGED_BYTES = MAX_TOKENS * 64;

/** What differs between the two containers. */
export interface Container {
  readonly name: 'U4' | 'S8';
  readonly bits: 4 | 8;
  /** Columns of K in one 64-byte step. */
  readonly stepColumns: 8 | 4;
  /** Prepared bytes of one step and token. */
  readonly stepBytes: 16 | 8;
  readonly headerBytes: number;
  /** Largest number of columns whose sum, times 256, stays in int32. Longer groups are summed in pieces. */
  readonly pieceColumns: number;
}

export const U4: Container = {
  name: 'U4',
  bits: 4,
  stepColumns: 8,
  stepBytes: 16,
  headerBytes: GROUP_HEADER_BYTES,
  // 256·8·127·4096 < 2^31 for the final sum; what wraps on the way wraps back.
  pieceColumns: 4096,
};

export const S8: Container = {
  name: 'S8',
  bits: 8,
  stepColumns: 4,
  stepBytes: 8,
  headerBytes: 0,
  // 256·127·127·256 < 2^31.
  pieceColumns: 256,
};

const EVEN_THEN_ODD = lanes16(0, 2, 4, 6, 1, 3, 5, 7);
const PAIRS_OF_FOUR = lanes16(0, 2, 1, 3, 4, 6, 5, 7);
const U4_FACTORS = v128(new Uint8Array(Int16Array.of(256, 256, 16, 16, 1, 1, 256, 256).buffer));

/**
 * prepareU4 / prepareS8(x, length, group, dst, tokens, token): lays out `length` columns of one token at x for a pass
 * of `tokens` tokens. Reads whole steps of 8 columns.
 */
function emitPrepare(module: ModuleBuilder, container: Container): void {
  const params = { x: 'i32', length: 'i32', group: 'i32', dst: 'i32', tokens: 'i32', token: 'i32' } as const;
  module.procedure(`prepare${container.name}`, params, (f, p) => {
    const left = f.local('i32', 'left');
    const header = f.local('i32', 'header');
    const at = f.local('i32', 'at', p.dst);
    const x = f.local('v128', 'x');
    const sum = f.local('v128', 'sum');
    const tokenBytes = f.local('i32', 'tokenBytes', mul(p.token, container.stepBytes));
    const stepBytes = f.local('i32', 'stepBytes', mul(p.tokens, container.stepBytes));
    f.while(op('i32.gt_s', p.length, i32(0)), () => {
      f.set(left, p.group);
      f.if(op('i32.lt_s', p.length, p.group), () => f.set(left, p.length));
      f.set(p.length, sub(p.length, left));
      if (container === U4) {
        f.set(header, add(at, mul(p.token, 4)));
        f.set(sum, i32x4(0));
        advance(f, at, GROUP_HEADER_BYTES);
      }
      advance(f, at, tokenBytes);
      f.while(op('i32.gt_s', left, i32(0)), () => {
        f.set(x, load('v128.load8x8_s', p.x));
        if (container === U4) {
          f.set(sum, op('i32x4.add', sum, op('i32x4.dot_i16x8_s', x, i16x8(1))));
          f.store('v128.store', at, op('i16x8.mul', shuffle(x, x, EVEN_THEN_ODD), U4_FACTORS));
        } else {
          f.set(x, shuffle(x, x, PAIRS_OF_FOUR));
          f.storeLane('v128.store64_lane', 0, at, x);
          advance(f, at, stepBytes);
          // The last group may end after four columns; what is written for the other four is not read.
          f.storeLane('v128.store64_lane', 1, at, x);
        }
        advance(f, at, stepBytes);
        advance(f, p.x, 8);
        advance(f, left, -8);
      });
      f.set(at, sub(at, tokenBytes));
      if (container === U4) {
        f.set(sum, op('i32x4.add', sum, shuffle(sum, sum, lanes32(2, 3, 0, 1))));
        const total = add(lane('i32x4.extract_lane', 0, sum), lane('i32x4.extract_lane', 1, sum));
        f.store('i32.store', header, op('i32.mul', total, i32(-8)));
      }
    });
  });
}

/** One emitted variant: tokens of the pass, vectors of four rows summed together, groups longer than a piece. */
export interface GemmVariant {
  readonly container: Container;
  readonly tokens: number;
  readonly rowVectors: 2 | 4;
  readonly pieces: boolean;
}

/** Name of the exported function of a variant. */
export function variantName({ container, tokens, pieces }: Omit<GemmVariant, 'rowVectors'>): string {
  return `gemm${container.name}x${tokens}${pieces ? 'long' : ''}`;
}

/** The variants for 1 to 4 tokens: sums must stay in registers, so more tokens take fewer rows at once. */
function variants(pieces: boolean): GemmVariant[] {
  return [U4, S8].flatMap((container) =>
    [1, 2, 3, 4].map((tokens) => ({ container, tokens, rowVectors: tokens <= 2 ? 4 : 2, pieces }) as const),
  );
}

/** The masked 16-bit operands of one weight vector, in the order of the prepared pairs. */
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
 * gemm<Container>x<tokens>(w, blockStride, groups, groupSteps, lastSteps, prepared, N, out, outR, xScale, xScaleR,
 * flags, ragged). `w` points to the first group of the first block, `blockStride` leads to the next block;
 * the float accumulator lives in `out` between groups; the last block, when ragged, works in the
 * 256 bytes at `ragged` and is copied.
 */
function emitGemm(module: ModuleBuilder, variant: GemmVariant): void {
  const { container, tokens, rowVectors, pieces } = variant;
  const params = {
    w: 'i32',
    blockStride: 'i32',
    groups: 'i32',
    groupSteps: 'i32',
    lastSteps: 'i32',
    prepared: 'i32',
    N: 'i32',
    out: 'i32',
    outR: 'i32',
    xScale: 'i32',
    xScaleR: 'i32',
    flags: 'i32',
    ragged: 'i32',
  } as const;
  module.procedure(variantName(variant), params, (f, p) => {
    const wAt = f.local('i32', 'wAt');
    const xAt = f.local('i32', 'xAt');
    const group = f.local('i32', 'group');
    const steps = f.local('i32', 'steps');
    const block = f.local('i32', 'block', p.w);
    const target = f.local('i32', 'target');
    const targetR = f.local('i32', 'targetR');
    const rows = Array.from({ length: tokens }, (_, t) => f.local('i32', `row${t}`));
    const sums = grid(f, 'sum', tokens, rowVectors);
    const totals = pieces ? grid(f, 'total', tokens, rowVectors) : sums;
    const masks = (container === U4 ? [0x000f, 0x00f0, 0x0f00] : [0xff00]).map((mask, i) =>
      f.local('v128', `mask${i}`, i16x8(mask)),
    );
    const w = Array.from({ length: rowVectors }, (_, v) => f.local('v128', `w${v}`));
    const codes = Array.from({ length: rowVectors }, (_, v) => f.local('v128', `codes${v}`));
    const x = f.local('v128', 'x');
    const scales = Array.from({ length: rowVectors }, (_, v) => f.local('v128', `scale${v}`));
    const pieceSteps = container.pieceColumns / container.stepColumns;
    const piece = f.local('i32', 'piece');

    /** One 64-byte step: `rowVectors` vectors of weights against one step of every token. */
    const step = (half: number): void => {
      for (let v = 0; v < rowVectors; v += 1) f.set(w[v], load('v128.load', wAt, half * 32 + v * 16));
      const pairs = container === U4 ? 4 : 2;
      for (let pair = 0; pair < pairs; pair += 1) {
        for (let v = 0; v < rowVectors; v += 1) f.set(codes[v], maskedCodes(container, w[v], masks)[pair]);
        for (let t = 0; t < tokens; t += 1) {
          f.set(x, load('v128.load32_splat', xAt, t * container.stepBytes + pair * 4));
          for (let v = 0; v < rowVectors; v += 1) {
            f.set(sums[t][v], op('i32x4.add', sums[t][v], op('i32x4.dot_i16x8_s', codes[v], x)));
          }
        }
      }
      advance(f, wAt, 64);
      advance(f, xAt, tokens * container.stepBytes);
    };

    const innerLoop = (counter: Local<'i32'>, half: number): void => {
      f.loop((again) => {
        step(half);
        f.branchIf(again, f.tee(counter, sub(counter, 1)));
      });
    };

    const eachSum = (visit: (t: number, v: number) => void): void => {
      for (let t = 0; t < tokens; t += 1) for (let v = 0; v < rowVectors; v += 1) visit(t, v);
    };

    /** The sums of a group before its first column: −8·Σx for u4, shifted up to the common factor, or 0. */
    const startSums = (shift: number): void => {
      for (let t = 0; t < tokens; t += 1) {
        const header = load('v128.load32_splat', xAt, t * 4);
        f.set(x, container === U4 ? op('i32x4.shl', header, i32(shift)) : i32x4(0));
        for (let v = 0; v < rowVectors; v += 1) f.set((shift === 0 ? totals : sums)[t][v], x);
      }
      if (container.headerBytes > 0) advance(f, xAt, container.headerBytes);
    };

    /** Integer sums of one group, from wAt and xAt, left in `totals` with the factor 256 removed. */
    const sumGroup = (half: number): void => {
      if (!pieces) {
        startSums(8);
        innerLoop(steps, half);
        eachSum((t, v) => f.set(sums[t][v], op('i32x4.shr_s', sums[t][v], i32(8))));
        return;
      }
      startSums(0);
      eachSum((t, v) => f.set(sums[t][v], i32x4(0)));
      f.while(op('i32.gt_s', steps, i32(0)), () => {
        f.set(piece, i32(pieceSteps));
        f.if(op('i32.lt_s', steps, i32(pieceSteps)), () => f.set(piece, steps));
        f.set(steps, sub(steps, piece));
        innerLoop(piece, half);
        eachSum((t, v) => {
          f.set(totals[t][v], op('i32x4.add', totals[t][v], op('i32x4.shr_s', sums[t][v], i32(8))));
          f.set(sums[t][v], i32x4(0));
        });
      });
    };

    const halves = 4 / rowVectors;

    const runBlock = (): void => {
      for (let half = 0; half < halves; half += 1) {
        f.set(wAt, block);
        f.set(xAt, p.prepared);
        rows.forEach((row, t) => {
          f.set(row, t === 0 ? add(target, half * 32) : add(rows[t - 1], targetR));
        });
        f.if(op('i32.eqz', isSet(p.flags, FLAG_CONTINUE)), () => {
          eachSum((t, v) => f.store('v128.store', rows[t], f32x4(0), v * 16));
        });
        f.set(group, p.groups);
        f.while(op('i32.gt_s', group, i32(0)), () => {
          f.set(steps, p.groupSteps);
          f.if(op('i32.eq', group, i32(1)), () => f.set(steps, p.lastSteps));
          sumGroup(half);
          for (let v = 0; v < rowVectors; v += 1) {
            f.set(scales[v], halfToFloat(load('v128.load16x4_u', wAt, half * 16 + v * 8)));
          }
          advance(f, wAt, 32);
          eachSum((t, v) => {
            const product = op('f32x4.mul', op('f32x4.convert_i32x4_s', totals[t][v]), scales[v]);
            const before = load('v128.load', rows[t], v * 16);
            f.store('v128.store', rows[t], op('f32x4.add', before, product), v * 16);
          });
          advance(f, group, -1);
        });
        f.if(isSet(p.flags, FLAG_FINISH), () => {
          rows.forEach((row, t) => {
            f.set(x, load('v128.load32_splat', add(p.xScale, mul(p.xScaleR, t))));
            for (let v = 0; v < rowVectors; v += 1) {
              f.store('v128.store', row, op('f32x4.mul', load('v128.load', row, v * 16), x), v * 16);
            }
          });
        });
      }
    };

    const copied = f.local('i32', 'copied');
    const from = f.local('i32', 'from');
    const to = f.local('i32', 'to');
    /** Copies N float32 per token between the output and the ragged scratch. */
    const copyRagged = (source: I32, sourceR: I32, dest: I32, destR: I32): void => {
      for (let t = 0; t < tokens; t += 1) {
        f.set(from, add(source, mul(sourceR, t)));
        f.set(to, add(dest, mul(destR, t)));
        f.set(copied, p.N);
        f.while(copied, () => {
          f.store('i32.store', to, load('i32.load', from));
          advance(f, from, 4);
          advance(f, to, 4);
          advance(f, copied, -1);
        });
      }
    };

    f.while(op('i32.gt_s', p.N, i32(0)), () => {
      f.set(target, p.out);
      f.set(targetR, p.outR);
      f.if(op('i32.eqz', atLeast(p.N, 16)), () => {
        f.set(target, p.ragged);
        f.set(targetR, i32(64));
        f.if(isSet(p.flags, FLAG_CONTINUE), () => copyRagged(p.out, p.outR, p.ragged, i32(64)));
      });
      runBlock();
      f.if(op('i32.eqz', atLeast(p.N, 16)), () => copyRagged(p.ragged, i32(64), p.out, p.outR));
      advance(f, block, p.blockStride);
      advance(f, p.out, 64);
      advance(f, p.N, -16);
    });
  });
}

function grid(f: FunctionBuilder, name: string, tokens: number, vectors: number): Local<'v128'>[][] {
  return Array.from({ length: tokens }, (_, t) =>
    Array.from({ length: vectors }, (__, v) => f.local('v128', `${name}${t}_${v}`)),
  );
}

/** Adds the preparation and the variants for groups of at most one piece to `module`. */
export function emitGemmGroups(module: ModuleBuilder): void {
  for (const container of [U4, S8]) emitPrepare(module, container);
  for (const variant of variants(false)) emitGemm(module, variant);
}

/** Adds the variants for longer groups, which most models never need. */
export function emitLongGemmGroups(module: ModuleBuilder): void {
  for (const variant of variants(true)) emitGemm(module, variant);
}
