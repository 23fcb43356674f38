/**
 * Emits a pass: one tile of up to 4 tokens against an expanded panel, 8 rows x 4 tokens at a time. That is 8 sums in
 * registers, fed by two vector loads and four broadcasts per step. The float accumulators lie in the output.
 *
 * - pairs: int16 codes and activations; each step is a pair of columns, sums are int32.
 * - bytes: stored codes below 128 and int8 activations through the relaxed dot product; each step is a quad, sums are
 *   int16 for as many quads as they hold (`pieceQuads`, see `pairSums`), then widened.
 * - shortBytes: the same where a whole group is one piece, which saves the int32 sums beside the int16 ones. Starts are
 *   two int16 (see `startOfSums`). A lane sums at most 2^(8 − bits) columns, so without the offset it stays below
 *   2^(8 − bits)·2^(bits − 1)·128 = 2^14, and what wraps on the way wraps back.
 */
import {
  type FunctionBuilder,
  f32x4,
  i16x8,
  i32,
  i32x4,
  type Local,
  load,
  type ModuleBuilder,
  op,
} from '@bitloom/wasm';
import { add, advance, sub } from './emit.js';
import { type PanelForm, TILE_TOKENS } from './gemm-panel-prepare.js';
import { type Procedure, repeat } from './gemm-row.js';

/** Steps that are written without a loop: a group of 32 columns, and a piece of 4-bit codes. */
const RUN_STEPS = 8;

/** Kind of a pass. */
export type PassForm = PanelForm | 'shortBytes';

/**
 * pass_<form>_<tokens>(panel, halfBytes, scales, groups, groupSteps, lastSteps, pieceQuads, x, starts, out, outR,
 * continue): adds the products of one tile of tokens to 16 outputs each, or starts them. A step is a quad or a pair.
 */
function emitPass(module: ModuleBuilder, form: PassForm, tokens: number): Procedure {
  const params = {
    panel: 'i32',
    halfBytes: 'i32',
    scales: 'i32',
    groups: 'i32',
    groupSteps: 'i32',
    lastSteps: 'i32',
    pieceQuads: 'i32',
    x: 'i32',
    starts: 'i32',
    out: 'i32',
    outR: 'i32',
    continue: 'i32',
  } as const;
  return module.procedure(
    `pass_${form}_${tokens}`,
    params,
    (f, p) => {
      const sums = tile(f, 'sum', tokens);
      const totals = form === 'bytes' ? tile(f, 'total', tokens) : sums;
      const isRelaxed = form !== 'pairs';
      const rows = Array.from({ length: tokens }, (_, t) => f.local('i32', `row${t}`));
      const w = [0, 1].map((v) => f.local('v128', `w${v}`));
      const scales = [0, 1].map((v) => f.local('v128', `scale${v}`));
      const x = f.local('v128', 'value');
      const at = f.local('i32', 'at', p.panel);
      const xAt = f.local('i32', 'xAt');
      const scaleAt = f.local('i32', 'scaleAt');
      const startAt = f.local('i32', 'startAt');
      const group = f.local('i32', 'group');
      const steps = f.local('i32', 'steps');
      const piece = f.local('i32', 'piece');
      const half = f.local('i32', 'half', i32(2));
      const each = (visit: (t: number, v: number) => void): void => {
        for (let t = 0; t < tokens; t += 1) for (let v = 0; v < 2; v += 1) visit(t, v);
      };
      const product = (v: number): ReturnType<typeof f32x4> =>
        isRelaxed ? op('i16x8.relaxed_dot_i8x16_i7x16_s', x, w[v]) : op('i32x4.dot_i16x8_s', w[v], x);
      const addition = isRelaxed ? 'i16x8.add' : 'i32x4.add';
      const step = (): void => {
        w.forEach((weights, v) => {
          f.set(weights, load('v128.load', at, v * 16));
        });
        for (let t = 0; t < tokens; t += 1) {
          f.set(x, load('v128.load32_splat', xAt, t * 4));
          for (let v = 0; v < 2; v += 1) f.set(sums[t][v], op(addition, sums[t][v], product(v)));
        }
        advance(f, at, 32);
        advance(f, xAt, tokens * 4);
      };
      /** Adds the products of `count` steps; for the usual number without a loop around them. */
      const addSteps = (count: Local<'i32'>): void => {
        if (!isRelaxed) {
          repeat(f, count, step);
          return;
        }
        f.if(
          op('i32.eq', count, i32(RUN_STEPS)),
          () => {
            // Each step is a basic block of its own, or V8 would move all loads to the front and spill: the branches
            // in between are never taken, as xAt is not 0. For the same reason the pointers move in every step: V8
            // keeps a register for every offset of a broadcast.
            f.block((out) => {
              for (let i = 0; i < RUN_STEPS; i += 1) {
                if (i > 0) f.branchIf(out, op('i32.eqz', xAt));
                step();
              }
            });
          },
          () => repeat(f, count, step),
        );
      };

      repeat(f, half, () => {
        f.set(scaleAt, p.scales);
        f.set(xAt, p.x);
        f.set(startAt, p.starts);
        rows.forEach((row, t) => {
          f.set(row, t === 0 ? p.out : add(rows[t - 1], p.outR));
        });
        f.if(op('i32.eqz', p.continue), () =>
          each((t, v) => f.store('v128.store', rows[t], f32x4(0), v * 16)),
        );
        f.set(group, p.groups);
        f.while(op('i32.gt_s', group, i32(0)), () => {
          f.set(steps, p.groupSteps);
          f.if(op('i32.eq', group, i32(1)), () => f.set(steps, p.lastSteps));
          if (form === 'pairs') {
            each((t, v) => f.set(sums[t][v], i32x4(0)));
            addSteps(steps);
          } else if (form === 'shortBytes') {
            for (let t = 0; t < tokens; t += 1) {
              f.set(sums[t][0], load('v128.load32_splat', startAt, t * 4));
              f.set(sums[t][1], sums[t][0]);
            }
            addSteps(steps);
            each((t, v) => f.set(sums[t][v], op('i32x4.dot_i16x8_s', sums[t][v], i16x8(1))));
            advance(f, startAt, tokens * 4);
          } else {
            for (let t = 0; t < tokens; t += 1) {
              f.set(totals[t][0], load('v128.load32_splat', startAt, t * 4));
              f.set(totals[t][1], totals[t][0]);
            }
            advance(f, startAt, tokens * 4);
            f.while(op('i32.gt_s', steps, i32(0)), () => {
              f.set(piece, p.pieceQuads);
              f.if(op('i32.lt_s', steps, p.pieceQuads), () => f.set(piece, steps));
              f.set(steps, sub(steps, piece));
              each((t, v) => f.set(sums[t][v], i16x8(0)));
              addSteps(piece);
              each((t, v) => {
                const widened = op('i32x4.dot_i16x8_s', sums[t][v], i16x8(1));
                f.set(totals[t][v], op('i32x4.add', totals[t][v], widened));
              });
            });
          }
          scales.forEach((scale, v) => {
            f.set(scale, load('v128.load', scaleAt, v * 16));
          });
          each((t, v) => {
            const scaled = op('f32x4.mul', op('f32x4.convert_i32x4_s', totals[t][v]), scales[v]);
            f.store(
              'v128.store',
              rows[t],
              op('f32x4.add', load('v128.load', rows[t], v * 16), scaled),
              v * 16,
            );
          });
          advance(f, scaleAt, 64);
          advance(f, group, -1);
        });
        f.set(at, add(p.panel, p.halfBytes));
        advance(f, p.scales, 32);
        advance(f, p.out, 32);
      });
    },
    { export: false },
  );
}

function tile(f: FunctionBuilder, name: string, tokens: number): Local<'v128'>[][] {
  return Array.from({ length: tokens }, (_, t) => [0, 1].map((v) => f.local('v128', `${name}${t}_${v}`)));
}

/** The passes for 1 to 4 tokens, which all containers of a form share. */
export function emitPasses(module: ModuleBuilder, form: PassForm): readonly Procedure[] {
  return Array.from({ length: TILE_TOKENS }, (_, i) => emitPass(module, form, i + 1));
}
