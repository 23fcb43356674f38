/**
 * Emits `gemmGroups` over the row and panel products: which one runs, in what pieces of K and M, and where its
 * scratch memory lies. One or two tokens go through the row product, more through the panel product. K is cut over
 * whole groups, which does not change the bits (the accumulator continues in `out`).
 *
 * It is one function from wide arguments to finish, so that a worker thread needs nothing but the module.
 */
import { type FunctionBuilder, i32, type Local, type ModuleBuilder, op, select } from '@bitloom/wasm';
import { FLAG_CONTINUE, FLAG_FINISH, MAX_GROUP_LENGTH } from '../interface/group-products.js';
import { add, advance, type I32, mul, sub } from './emit.js';
import {
  emitPanelProduct,
  emitPasses,
  PANEL_RAGGED_BYTES,
  PANEL_TOKENS,
  type PanelProduct,
} from './gemm-panel.js';
import {
  emitRowProduct,
  pieceColumns,
  preparedRowBytes,
  ROW_RAGGED_BYTES,
  type RowProduct,
  rowStart,
} from './gemm-row.js';
import { CONTAINERS, type Container, U4 } from './rows16.js';

/** Fewest tokens for which expanding a block pays; two tokens are faster one after the other. */
const PANEL_MIN_TOKENS = 3;
/** Columns prepared at once for one token, unless one group is longer. */
const ROW_COLUMNS = 16384;
/** Columns of a panel, unless one group is longer: half a panel, 16 KiB, shares the first-level cache with x. */
const PANEL_COLUMNS = 1024;
/** Longest group that a panel holds; longer ones go token by token. */
const PANEL_GROUP = 8192;
/** Bytes of prepared activations of a panel product; bounds its tokens when groups are long. */
const PANEL_X_BYTES = PANEL_TOKENS * PANEL_COLUMNS * 2;

/** Where each part of the scratch memory starts. The row and the panel product never run at the same time. */
const ROW = { ragged: 0, prepared: ROW_RAGGED_BYTES } as const;
const PANEL = {
  ragged: 0,
  scales: PANEL_RAGGED_BYTES,
  // Groups of 8 columns give the most scales.
  x: PANEL_RAGGED_BYTES + (PANEL_COLUMNS / 8) * 64,
  panel: PANEL_RAGGED_BYTES + (PANEL_COLUMNS / 8) * 64 + PANEL_X_BYTES + 64,
} as const;

/** Bytes of scratch memory that one thread needs. */
export const SCRATCH_BYTES = Math.max(
  ROW.prepared +
    Math.max(preparedRowBytes(ROW_COLUMNS, ROW_COLUMNS / 8), preparedRowBytes(MAX_GROUP_LENGTH, 1)),
  PANEL.panel + PANEL_GROUP * 32 + 256,
);

const smaller = (a: I32, b: I32): I32 => select(a, b, op('i32.lt_s', a, b));
const larger = (a: I32, b: I32): I32 => select(a, b, op('i32.gt_s', a, b));

const PARAMS = {
  group: 'i32',
  M: 'i32',
  N: 'i32',
  K: 'i32',
  x: 'i32',
  xR: 'i32',
  xScale: 'i32',
  xScaleR: 'i32',
  w: 'i32',
  out: 'i32',
  outR: 'i32',
  flags: 'i32',
  scratch: 'i32',
} as const;

type Params = { readonly [K in keyof typeof PARAMS]: Local<'i32'> };

/** The body for one container. `group` is at least 1 and at most K (or 1). */
function emitBody(
  f: FunctionBuilder,
  p: Params,
  container: Container,
  row: RowProduct,
  panel: PanelProduct,
): void {
  const { stepColumns, stepPairs } = container;
  const int = (name: string, value: I32): Local<'i32'> => f.local('i32', name, value);
  const stepsOf = (columns: I32): I32 => op('i32.div_u', add(columns, stepColumns - 1), i32(stepColumns));

  const groups = int('groups', op('i32.div_s', add(p.K, sub(p.group, 1)), p.group));
  const length = int('length', smaller(p.group, p.K));
  const groupSteps = int('groupSteps', stepsOf(length));
  const groupBytes = int('groupBytes', add(mul(groupSteps, 64), 32));
  const before = int('before', sub(groups, 1));
  const lastSteps = int('lastSteps', stepsOf(sub(p.K, op('i32.mul', before, p.group))));
  const lastBytes = add(mul(lastSteps, 64), 32);
  const blockStride = int('blockStride', add(op('i32.mul', before, groupBytes), lastBytes));
  const usePanel = int(
    'usePanel',
    op('i32.and', op('i32.ge_s', p.M, i32(PANEL_MIN_TOKENS)), op('i32.le_s', length, i32(PANEL_GROUP))),
  );
  const chunkColumns = select(i32(PANEL_COLUMNS), i32(ROW_COLUMNS), usePanel);
  const chunkGroups = int('chunkGroups', larger(op('i32.div_u', chunkColumns, p.group), i32(1)));

  const g = f.local('i32', 'g', i32(0));
  const count = f.local('i32', 'count');
  const steps = f.local('i32', 'steps');
  const start = f.local('i32', 'start');
  const columns = f.local('i32', 'columns');
  const weights = f.local('i32', 'weights');
  const flags = f.local('i32', 'chunkFlags');
  const m = f.local('i32', 'm');
  const most = f.local('i32', 'most');
  const tokens = f.local('i32', 'tokens');
  const tileBytes = f.local('i32', 'tileBytes');
  const pairs = f.local('i32', 'pairs');

  const xAt = (): I32 => add(add(p.x, op('i32.mul', m, p.xR)), start);
  const outAt = (): I32 => add(p.out, op('i32.mul', m, p.outR));
  const scaleAt = (): I32 => add(p.xScale, op('i32.mul', m, p.xScaleR));
  const scratch = (offset: number): I32 => add(p.scratch, offset);

  // K = 0 still starts and finishes the outputs, so one chunk always runs.
  f.loop((nextChunk) => {
    f.set(count, smaller(chunkGroups, sub(groups, g)));
    f.set(start, op('i32.mul', g, p.group));
    f.set(columns, sub(smaller(p.K, op('i32.mul', add(g, count), p.group)), start));
    f.set(weights, add(p.w, op('i32.mul', g, groupBytes)));
    f.set(flags, select(i32(FLAG_CONTINUE), op('i32.and', p.flags, i32(FLAG_CONTINUE)), g));
    f.set(steps, groupSteps);
    f.if(op('i32.ge_s', add(g, count), groups), () => {
      f.set(steps, lastSteps);
      f.set(flags, op('i32.or', flags, op('i32.and', p.flags, i32(FLAG_FINISH))));
    });
    f.set(m, i32(0));
    const shape = [weights, blockStride, count, groupSteps, steps];
    f.if(
      usePanel,
      () => {
        f.set(tileBytes, mul(op('i32.div_u', add(columns, 7), i32(8)), 64));
        const tiles = op('i32.div_u', i32(PANEL_X_BYTES), larger(tileBytes, i32(64)));
        f.set(most, larger(smaller(mul(tiles, 4), i32(PANEL_TOKENS)), i32(4)));
        f.set(pairs, mul(add(op('i32.mul', sub(count, 1), groupSteps), steps), stepPairs));
        f.while(op('i32.lt_s', m, p.M), () => {
          f.set(tokens, smaller(most, sub(p.M, m)));
          f.call(panel.prepare, xAt(), p.xR, tokens, columns, scratch(PANEL.x), tileBytes);
          const x = [scratch(PANEL.x), tileBytes, tokens];
          const output = [p.N, outAt(), p.outR, scaleAt(), p.xScaleR, flags];
          const memory = [scratch(PANEL.panel), mul(pairs, 32), scratch(PANEL.scales), scratch(PANEL.ragged)];
          f.call(panel.product, ...shape, ...x, ...output, ...memory);
          f.set(m, add(m, tokens));
        });
      },
      () => {
        f.while(op('i32.lt_s', m, p.M), () => {
          const run = (pieces: boolean): void => {
            f.call(row.prepare, xAt(), columns, p.group, scratch(ROW.prepared), i32(rowStart(pieces)));
            const product = pieces ? row.longProduct : row.product;
            const rest = [scratch(ROW.prepared), p.N, outAt(), scaleAt(), flags, scratch(ROW.ragged)];
            f.call(product, ...shape, ...rest);
          };
          f.if(
            op('i32.gt_s', length, i32(pieceColumns(container))),
            () => run(true),
            () => run(false),
          );
          advance(f, m, 1);
        });
      },
    );
    f.set(g, add(g, chunkGroups));
    f.branchIf(nextChunk, op('i32.lt_s', g, groups));
  });
}

/** Adds gemmGroups(bits, group, M, ..., flags, scratch) and all it calls to `module`. */
export function emitGemmGroups(module: ModuleBuilder): void {
  const passes = emitPasses(module);
  const [u4, s8] = CONTAINERS.map((container) => {
    const row = emitRowProduct(module, container);
    const panel = emitPanelProduct(module, container, passes);
    const body = (f: FunctionBuilder, p: Params): void => emitBody(f, p, container, row, panel);
    return module.procedure(`gemmGroups${container.name}`, PARAMS, body, { export: false });
  });
  module.procedure('gemmGroups', { bits: 'i32', ...PARAMS }, (f, { bits, ...p }) => {
    const args = Object.values(p);
    f.if(
      op('i32.eq', bits, i32(U4.bits)),
      () => f.call(u4, ...args),
      () => f.call(s8, ...args),
    );
  });
}
