/**
 * Emits the product of several tokens with rows16 weight blocks. A block is expanded once to int16 codes in scratch
 * memory (a panel that stays in the first-level cache) and then serves up to {@link PANEL_TOKENS} tokens, four at a
 * time: 8 rows x 4 tokens are 8 sums in registers, fed by two vector loads and four broadcasts per pair of columns.
 * Expanded codes are plain integers, so any group that fits the panel is summed in one go.
 *
 * Panel: [half of 8 rows][pair of columns][8 rows][2] int16. Activations: [tile of 4 tokens][pair][token][2] int16.
 */
import {
  type FunctionReference,
  f32x4,
  i32,
  i32x4,
  load,
  type ModuleBuilder,
  op,
  shuffle,
  type ValueType,
} from '@bitloom/wasm';
import { FLAG_CONTINUE, FLAG_FINISH } from '../interface/group-products.js';
import { add, advance, atLeast, type I32, isSet, lanes16, mul, sub } from './emit.js';
import { halfToFloat } from './half.js';
import { type Container, pairOrder } from './rows16.js';

/** Most tokens of one call. */
export const PANEL_TOKENS = 64;
/** Tokens of one pass over the panel. */
const TILE_TOKENS = 4;
/** Bytes of scratch for the outputs of a ragged block: 16 float32 per token. */
export const PANEL_RAGGED_BYTES = PANEL_TOKENS * 64;

type Procedure = FunctionReference<readonly ValueType[], undefined>;

/**
 * preparePanel<Container>(x, xR, tokens, length, dst, tileBytes): lays out `length` columns of each token; tile i is
 * at dst + i·tileBytes. `length` is rounded up to 8.
 */
function emitPrepare(module: ModuleBuilder, container: Container): Procedure {
  const params = { x: 'i32', xR: 'i32', tokens: 'i32', length: 'i32', dst: 'i32', tileBytes: 'i32' } as const;
  return module.procedure(
    `preparePanel${container.name}`,
    params,
    (f, p) => {
      const order = lanes16(...pairOrder(container));
      const value = f.local('v128', 'value');
      const from = f.local('i32', 'from');
      const to = f.local('i32', 'to');
      const left = f.local('i32', 'left');
      const width = f.local('i32', 'width');
      const token = f.local('i32', 'token');
      f.while(op('i32.gt_s', p.tokens, i32(0)), () => {
        f.set(width, i32(TILE_TOKENS));
        f.if(op('i32.lt_s', p.tokens, i32(TILE_TOKENS)), () => f.set(width, p.tokens));
        f.set(token, i32(0));
        f.while(op('i32.lt_s', token, width), () => {
          f.set(from, p.x);
          f.set(to, add(p.dst, mul(token, 4)));
          f.set(left, p.length);
          f.while(op('i32.gt_s', left, i32(0)), () => {
            f.set(value, load('v128.load8x8_s', from));
            f.set(value, shuffle(value, value, order));
            for (let pair = 0; pair < 4; pair += 1) {
              f.storeLane('v128.store32_lane', pair, to, value);
              advance(f, to, mul(width, 4));
            }
            advance(f, from, 8);
            advance(f, left, -8);
          });
          advance(f, p.x, p.xR);
          advance(f, token, 1);
        });
        advance(f, p.dst, p.tileBytes);
        advance(f, p.tokens, -TILE_TOKENS);
      });
    },
    { export: false },
  );
}

/** expand<Container>(w, groups, groupSteps, lastSteps, panel, halfBytes, scales): one block to codes and float scales. */
function emitExpand(module: ModuleBuilder, container: Container): Procedure {
  const params = {
    w: 'i32',
    groups: 'i32',
    groupSteps: 'i32',
    lastSteps: 'i32',
    panel: 'i32',
    halfBytes: 'i32',
    scales: 'i32',
  } as const;
  return module.procedure(
    `expand${container.name}`,
    params,
    (f, p) => {
      const steps = f.local('i32', 'steps');
      const second = f.local('i32', 'second', add(p.panel, p.halfBytes));
      const w = f.local('v128', 'w');
      f.while(op('i32.gt_s', p.groups, i32(0)), () => {
        f.set(steps, p.groupSteps);
        f.if(op('i32.eq', p.groups, i32(1)), () => f.set(steps, p.lastSteps));
        f.loop((again) => {
          for (let v = 0; v < 4; v += 1) {
            f.set(w, load('v128.load', p.w, v * 16));
            container.codes(w).forEach((codes, pair) => {
              f.store('v128.store', v < 2 ? p.panel : second, codes, pair * 32 + (v % 2) * 16);
            });
          }
          advance(f, p.w, 64);
          advance(f, p.panel, container.stepPairs * 32);
          advance(f, second, container.stepPairs * 32);
          f.branchIf(again, f.tee(steps, sub(steps, 1)));
        });
        for (let v = 0; v < 4; v += 1) {
          f.store('v128.store', p.scales, halfToFloat(load('v128.load16x4_s', p.w, v * 8)), v * 16);
        }
        advance(f, p.w, 32);
        advance(f, p.scales, 64);
        advance(f, p.groups, -1);
      });
    },
    { export: false },
  );
}

/**
 * pass<tokens>(panel, halfBytes, scales, groups, groupPairs, lastPairs, x, out, outR, continue): adds the products
 * of one tile of tokens to 16 outputs each, or starts them.
 */
function emitPass(module: ModuleBuilder, tokens: number): Procedure {
  const params = {
    panel: 'i32',
    halfBytes: 'i32',
    scales: 'i32',
    groups: 'i32',
    groupPairs: 'i32',
    lastPairs: 'i32',
    x: 'i32',
    out: 'i32',
    outR: 'i32',
    continue: 'i32',
  } as const;
  return module.procedure(
    `pass${tokens}`,
    params,
    (f, p) => {
      const sums = Array.from({ length: tokens }, (_, t) =>
        [0, 1].map((v) => f.local('v128', `sum${t}_${v}`)),
      );
      const rows = Array.from({ length: tokens }, (_, t) => f.local('i32', `row${t}`));
      const w = [0, 1].map((v) => f.local('v128', `w${v}`));
      const scales = [0, 1].map((v) => f.local('v128', `scale${v}`));
      const x = f.local('v128', 'value');
      const at = f.local('i32', 'at');
      const xAt = f.local('i32', 'xAt');
      const scaleAt = f.local('i32', 'scaleAt');
      const group = f.local('i32', 'group');
      const pairs = f.local('i32', 'pairs');
      const each = (visit: (t: number, v: number) => void): void => {
        for (let t = 0; t < tokens; t += 1) for (let v = 0; v < 2; v += 1) visit(t, v);
      };
      for (let half = 0; half < 2; half += 1) {
        f.set(at, half === 0 ? p.panel : add(p.panel, p.halfBytes));
        f.set(scaleAt, add(p.scales, half * 32));
        f.set(xAt, p.x);
        rows.forEach((row, t) => {
          f.set(row, t === 0 ? add(p.out, half * 32) : add(rows[t - 1], p.outR));
        });
        f.if(op('i32.eqz', p.continue), () =>
          each((t, v) => f.store('v128.store', rows[t], f32x4(0), v * 16)),
        );
        f.set(group, p.groups);
        f.while(op('i32.gt_s', group, i32(0)), () => {
          f.set(pairs, p.groupPairs);
          f.if(op('i32.eq', group, i32(1)), () => f.set(pairs, p.lastPairs));
          each((t, v) => f.set(sums[t][v], i32x4(0)));
          f.loop((again) => {
            w.forEach((weights, v) => {
              f.set(weights, load('v128.load', at, v * 16));
            });
            for (let t = 0; t < tokens; t += 1) {
              f.set(x, load('v128.load32_splat', xAt, t * 4));
              for (let v = 0; v < 2; v += 1) {
                f.set(sums[t][v], op('i32x4.add', sums[t][v], op('i32x4.dot_i16x8_s', w[v], x)));
              }
            }
            advance(f, at, 32);
            advance(f, xAt, tokens * 4);
            f.branchIf(again, f.tee(pairs, sub(pairs, 1)));
          });
          scales.forEach((scale, v) => {
            f.set(scale, load('v128.load', scaleAt, v * 16));
          });
          each((t, v) => {
            const product = op('f32x4.mul', op('f32x4.convert_i32x4_s', sums[t][v]), scales[v]);
            f.store(
              'v128.store',
              rows[t],
              op('f32x4.add', load('v128.load', rows[t], v * 16), product),
              v * 16,
            );
          });
          advance(f, scaleAt, 64);
          advance(f, group, -1);
        });
      }
    },
    { export: false },
  );
}

/**
 * gemmPanel<Container>(w, blockStride, groups, groupSteps, lastSteps, x, tileBytes, tokens, N, out, outR, xScale,
 * xScaleR, flags, panel, halfBytes, scales, ragged): every block of N against every tile of tokens.
 */
function emitProduct(module: ModuleBuilder, container: Container, passes: readonly Procedure[]): Procedure {
  const expand = emitExpand(module, container);
  const params = {
    w: 'i32',
    blockStride: 'i32',
    groups: 'i32',
    groupSteps: 'i32',
    lastSteps: 'i32',
    x: 'i32',
    tileBytes: 'i32',
    tokens: 'i32',
    N: 'i32',
    out: 'i32',
    outR: 'i32',
    xScale: 'i32',
    xScaleR: 'i32',
    flags: 'i32',
    panel: 'i32',
    halfBytes: 'i32',
    scales: 'i32',
    ragged: 'i32',
  } as const;
  return module.procedure(
    `gemmPanel${container.name}`,
    params,
    (f, p) => {
      const target = f.local('i32', 'target');
      const targetR = f.local('i32', 'targetR');
      const row = f.local('i32', 'row');
      const xAt = f.local('i32', 'xAt');
      const left = f.local('i32', 'left');
      const scaleAt = f.local('i32', 'scaleAt');
      const factor = f.local('v128', 'factor');
      const from = f.local('i32', 'from');
      const to = f.local('i32', 'to');
      const column = f.local('i32', 'column');
      const groupPairs = f.local('i32', 'groupPairs', mul(p.groupSteps, container.stepPairs));
      const lastPairs = f.local('i32', 'lastPairs', mul(p.lastSteps, container.stepPairs));
      const isRagged = op('i32.eqz', atLeast(p.N, 16));

      const copyColumns = (source: I32, sourceR: I32, dest: I32, destR: I32): void => {
        f.set(left, i32(0));
        f.while(op('i32.lt_s', left, p.tokens), () => {
          f.set(from, add(source, op('i32.mul', left, sourceR)));
          f.set(to, add(dest, op('i32.mul', left, destR)));
          f.set(column, p.N);
          f.while(column, () => {
            f.store('i32.store', to, load('i32.load', from));
            advance(f, from, 4);
            advance(f, to, 4);
            advance(f, column, -1);
          });
          advance(f, left, 1);
        });
      };

      f.while(op('i32.gt_s', p.N, i32(0)), () => {
        f.call(expand, p.w, p.groups, p.groupSteps, p.lastSteps, p.panel, p.halfBytes, p.scales);
        f.set(target, p.out);
        f.set(targetR, p.outR);
        f.if(isRagged, () => {
          f.set(target, p.ragged);
          f.set(targetR, i32(64));
          f.if(isSet(p.flags, FLAG_CONTINUE), () => copyColumns(p.out, p.outR, p.ragged, i32(64)));
        });
        f.set(row, target);
        f.set(xAt, p.x);
        f.set(left, p.tokens);
        const callPass = (pass: Procedure): void => {
          const shape = [p.panel, p.halfBytes, p.scales, p.groups, groupPairs, lastPairs];
          f.call(pass, ...shape, xAt, row, targetR, isSet(p.flags, FLAG_CONTINUE));
        };
        f.while(atLeast(left, TILE_TOKENS), () => {
          callPass(passes[TILE_TOKENS - 1]);
          advance(f, row, mul(targetR, TILE_TOKENS));
          advance(f, xAt, p.tileBytes);
          advance(f, left, -TILE_TOKENS);
        });
        for (let rest = 1; rest < TILE_TOKENS; rest += 1) {
          f.if(op('i32.eq', left, i32(rest)), () => callPass(passes[rest - 1]));
        }
        f.if(isSet(p.flags, FLAG_FINISH), () => {
          f.set(row, target);
          f.set(scaleAt, p.xScale);
          f.set(left, p.tokens);
          f.while(left, () => {
            f.set(factor, load('v128.load32_splat', scaleAt));
            for (let v = 0; v < 4; v += 1) {
              f.store('v128.store', row, op('f32x4.mul', load('v128.load', row, v * 16), factor), v * 16);
            }
            advance(f, row, targetR);
            advance(f, scaleAt, p.xScaleR);
            advance(f, left, -1);
          });
        });
        f.if(isRagged, () => copyColumns(p.ragged, i32(64), p.out, p.outR));
        advance(f, p.w, p.blockStride);
        advance(f, p.out, 64);
        advance(f, p.N, -16);
      });
    },
    { export: false },
  );
}

/** The passes over an expanded panel for 1 to 4 tokens, which both containers share. */
export function emitPasses(module: ModuleBuilder): readonly Procedure[] {
  return [1, 2, 3, 4].map((tokens) => emitPass(module, tokens));
}

/** What `gemmGroups` calls for several tokens. */
export interface PanelProduct {
  readonly prepare: Procedure;
  readonly product: Procedure;
}

/** Adds the preparation of activations and the product of one container to `module`. */
export function emitPanelProduct(
  module: ModuleBuilder,
  container: Container,
  passes: readonly Procedure[],
): PanelProduct {
  return { prepare: emitPrepare(module, container), product: emitProduct(module, container, passes) };
}
