/**
 * Emits the product of several tokens with rows16 weight blocks. A block is expanded once to a panel in scratch memory
 * that stays in the first-level cache (gemm-panel-expand.ts) and then serves up to {@link PANEL_TOKENS} tokens, a tile of
 * four at a time (gemm-panel-pass.ts), laid out by gemm-panel-prepare.ts. Here are the loops over blocks and tiles, and
 * the ragged last block.
 */
import { type FunctionBuilder, i32, load, type ModuleBuilder, op } from '@bitloom/wasm';
import { FLAG_CONTINUE, FLAG_FINISH } from '../interface/group-products.js';
import { add, advance, atLeast, type I32, isSet, mul } from './emit.js';
import { type PanelForm, TILE_TOKENS } from './gemm-panel-prepare.js';
import type { Procedure } from './gemm-row.js';

/** Most tokens of one call. */
export const PANEL_TOKENS = 64;
/** Bytes of scratch for the outputs of a ragged block: 16 float32 per token. */
export const PANEL_RAGGED_BYTES = PANEL_TOKENS * 64;

/** Passes by tokens − 1; `short` ones for groups of at most `pieceQuads` steps. */
export interface PanelPasses {
  readonly long: readonly Procedure[];
  readonly short?: readonly Procedure[];
}

/**
 * gemmPanel_<form>(bits, w, blockStride, groups, groupUnits, lastUnits, groupSteps, lastSteps, pieceQuads, x, tileBytes,
 * starts, startBytes, tokens, N, out, outR, xScale, xScaleR, flags, panel, halfBytes, scales, ragged): every block of N
 * against every tile of tokens. `expand` writes the call that expands the block at `w`.
 */
export function emitPanelProduct(
  module: ModuleBuilder,
  form: PanelForm,
  passes: PanelPasses,
  expand: (f: FunctionBuilder, bits: I32, ...args: I32[]) => void,
): Procedure {
  const params = {
    bits: 'i32',
    w: 'i32',
    blockStride: 'i32',
    groups: 'i32',
    groupUnits: 'i32',
    lastUnits: 'i32',
    groupSteps: 'i32',
    lastSteps: 'i32',
    pieceQuads: 'i32',
    x: 'i32',
    tileBytes: 'i32',
    starts: 'i32',
    startBytes: 'i32',
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
    `gemmPanel_${form}`,
    params,
    (f, p) => {
      const target = f.local('i32', 'target');
      const targetR = f.local('i32', 'targetR');
      const row = f.local('i32', 'row');
      const xAt = f.local('i32', 'xAt');
      const startAt = f.local('i32', 'startAt');
      const left = f.local('i32', 'left');
      const scaleAt = f.local('i32', 'scaleAt');
      const factor = f.local('v128', 'factor');
      const from = f.local('i32', 'from');
      const to = f.local('i32', 'to');
      const column = f.local('i32', 'column');
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
        expand(f, p.bits, p.w, p.groups, p.groupUnits, p.lastUnits, p.panel, p.halfBytes, p.scales);
        f.set(target, p.out);
        f.set(targetR, p.outR);
        f.if(isRagged, () => {
          f.set(target, p.ragged);
          f.set(targetR, i32(64));
          f.if(isSet(p.flags, FLAG_CONTINUE), () => copyColumns(p.out, p.outR, p.ragged, i32(64)));
        });
        f.set(row, target);
        f.set(xAt, p.x);
        f.set(startAt, p.starts);
        f.set(left, p.tokens);
        const callPass = (tokens: number): void => {
          const panel = [p.panel, p.halfBytes, p.scales, p.groups, p.groupSteps, p.lastSteps, p.pieceQuads];
          const call = (list: readonly Procedure[]): void =>
            f.call(list[tokens - 1], ...panel, xAt, startAt, row, targetR, isSet(p.flags, FLAG_CONTINUE));
          const { short, long } = passes;
          if (short === undefined) call(long);
          else {
            f.if(
              op('i32.le_s', p.groupSteps, p.pieceQuads),
              () => call(short),
              () => call(long),
            );
          }
        };
        f.while(atLeast(left, TILE_TOKENS), () => {
          callPass(TILE_TOKENS);
          advance(f, row, mul(targetR, TILE_TOKENS));
          advance(f, xAt, p.tileBytes);
          advance(f, startAt, p.startBytes);
          advance(f, left, -TILE_TOKENS);
        });
        for (let rest = 1; rest < TILE_TOKENS; rest += 1) {
          f.if(op('i32.eq', left, i32(rest)), () => callPass(rest));
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
