/**
 * Emits `gemmGroups` over the row and panel products: which one runs, in what pieces of K and M, and where its
 * scratch memory lies. Few tokens go through the row product, more through the panel product. K is cut over whole
 * groups, which does not change the bits (the accumulator continues in `out`).
 *
 * It is one function from wide arguments to finish, so that a worker thread needs nothing but the module.
 */
import type { Rows16Container } from '@bitloom/formats';
import { internalError } from '@bitloom/ir';
import { type FunctionBuilder, i32, type Local, type ModuleBuilder, op, select } from '@bitloom/wasm';
import type { Features } from '../features.js';
import { FLAG_CONTINUE, FLAG_FINISH, MAX_GROUP_LENGTH } from '../interface/group-products.js';
import { add, advance, type I32, mul, sub } from './emit.js';
import { emitPanelProduct, PANEL_RAGGED_BYTES, PANEL_TOKENS } from './gemm-panel.js';
import { emitExpand, panelQuadBytes } from './gemm-panel-expand.js';
import { emitPasses } from './gemm-panel-pass.js';
import { emitPanelPrepare, type PanelForm, quadBytes, TILE_TOKENS } from './gemm-panel-prepare.js';
import { emitRowProduct, type Procedure, ROW_RAGGED_BYTES } from './gemm-row.js';
import { maskedSums } from './gemm-row-masked.js';
import { emitRowPrepare, preparedRowBytes, type RowForm } from './gemm-row-prepare.js';
import { relaxedSums } from './gemm-row-relaxed.js';
import { widenedSums } from './gemm-row-widened.js';
import { CONTAINERS, fitsSevenBits, pairSums, unitQuads } from './rows16.js';

/** Columns prepared at once for one token, unless one group is longer; and for each of several. */
const ROW_COLUMNS = 16384;
const ROW_COLUMNS_EACH = 4096;
/** Tokens whose row products take turns at each block of weights, which then comes from memory once. */
const ROW_TOKENS = 4;
/** Columns of a panel, unless one group is longer: half a panel, at most 16 KiB, shares the first-level cache with x. */
const PANEL_COLUMNS = 1024;
/** Longest group that a panel holds; longer ones go token by token. */
const PANEL_GROUP = 8192;
/** Groups of one panel at most, and columns with their padding to units of 32: groups of 8 columns give the most. */
const PANEL_GROUPS = PANEL_COLUMNS / 8;
const PANEL_PADDED = Math.max(PANEL_GROUPS * 32, PANEL_GROUP + 32);
/** Bytes of prepared activations of a panel product; bounds its tokens when groups are long or padded. */
const PANEL_X_BYTES = PANEL_TOKENS * PANEL_COLUMNS * 2;

/** Bytes of the prepared activations of one of several tokens. */
const ROW_SLOT_BYTES = preparedRowBytes(ROW_COLUMNS_EACH, ROW_COLUMNS_EACH / 8);

/** Where each part of the scratch memory starts. The row and the panel product never run at the same time. */
const ROW = { ragged: 0, prepared: ROW_RAGGED_BYTES } as const;
const PANEL = {
  ragged: 0,
  scales: PANEL_RAGGED_BYTES,
  starts: PANEL_RAGGED_BYTES + PANEL_GROUPS * 64,
  x: PANEL_RAGGED_BYTES + PANEL_GROUPS * 64 + PANEL_GROUPS * PANEL_TOKENS * 4,
  panel: PANEL_RAGGED_BYTES + PANEL_GROUPS * 64 + PANEL_GROUPS * PANEL_TOKENS * 4 + PANEL_X_BYTES + 256,
} as const;

/** Bytes of scratch memory that one thread needs. */
export const SCRATCH_BYTES = Math.max(
  ROW.prepared +
    Math.max(
      preparedRowBytes(ROW_COLUMNS, ROW_COLUMNS / 8),
      preparedRowBytes(MAX_GROUP_LENGTH, 1),
      ROW_TOKENS * ROW_SLOT_BYTES,
    ),
  PANEL.panel + PANEL_PADDED * 32 + 256,
);

const smaller = (a: I32, b: I32): I32 => select(a, b, op('i32.lt_s', a, b));
const larger = (a: I32, b: I32): I32 => select(a, b, op('i32.gt_s', a, b));

const PARAMS = {
  bits: 'i32',
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

/** How one container runs. */
interface Path {
  readonly container: Rows16Container;
  readonly rowForm: RowForm;
  readonly panelForm: PanelForm;
  /** Fewest tokens for which expanding a block pays. */
  readonly panelTokens: number;
  /** Factor of Σx where the sums of a row product start, and whether it starts in int16 (see `startOfSums`). */
  readonly rowStart: number;
  readonly startsInHalves?: boolean;
  readonly row: Procedure;
  /** For groups that are longer than so many columns: another product and start. */
  readonly long?: { readonly columns: number; readonly row: Procedure; readonly rowStart: number };
  readonly expand: Procedure;
}

function emitPath(module: ModuleBuilder, container: Rows16Container, { relaxedSimd }: Features): Path {
  const { bits, offset } = container;
  if (relaxedSimd && fitsSevenBits(container)) {
    const { short, long, pieceColumns: columns } = relaxedSums(container);
    return {
      container,
      rowForm: 'bytes',
      panelForm: 'bytes',
      panelTokens: 4,
      rowStart: -offset,
      row: emitRowProduct(module, short),
      startsInHalves: long !== undefined,
      ...(long && { long: { columns, row: emitRowProduct(module, long), rowStart: -offset } }),
      expand: emitExpand(module, container, 'bytes'),
    };
  }
  const expand = emitExpand(module, container, 'pairs');
  const pairs = { container, panelForm: 'pairs', panelTokens: 5, expand } as const;
  if (bits !== 4 && bits !== 8) {
    const row = emitRowProduct(module, widenedSums(container));
    return { ...pairs, rowForm: 'pairs', rowStart: -offset, row };
  }
  const { short, long, pieceColumns } = maskedSums(bits);
  return {
    ...pairs,
    rowForm: bits === 4 ? 'scaledPairs' : 'pairs',
    rowStart: -offset * 2 ** short.totalShift,
    row: emitRowProduct(module, short),
    long: { columns: pieceColumns, row: emitRowProduct(module, long), rowStart: -offset },
  };
}

/** Runs the body of the first path that `matches` the width, compared at run time. */
function dispatch(f: FunctionBuilder, bits: I32, paths: readonly Path[], body: (path: Path) => void): void {
  const [path, ...others] = paths;
  if (others.length === 0) {
    body(path);
    return;
  }
  f.if(
    op('i32.eq', bits, i32(path.container.bits)),
    () => body(path),
    () => dispatch(f, bits, others, body),
  );
}

/** A constant of the width at run time. */
function pick(bits: I32, paths: readonly Path[], value: (path: Path) => number): I32 {
  const [path, ...others] = paths;
  if (others.every((other) => value(other) === value(path))) return i32(value(path));
  const rest = pick(bits, others, value);
  return select(i32(value(path)), rest, op('i32.eq', bits, i32(path.container.bits)));
}

/** Adds gemmGroups(bits, group, M, ..., flags, scratch) and all it calls to `module`. */
export function emitGemmGroups(module: ModuleBuilder, features: Features): void {
  const paths = CONTAINERS.map((container) => emitPath(module, container, features));
  const rowForms = new Map<RowForm, Procedure>();
  for (const { rowForm } of paths) {
    if (!rowForms.has(rowForm)) rowForms.set(rowForm, emitRowPrepare(module, rowForm));
  }
  const panels = new Map<PanelForm, { prepare: Procedure; product: Procedure }>();
  for (const { panelForm } of paths) {
    if (panels.has(panelForm)) continue;
    const own = paths.filter((path) => path.panelForm === panelForm);
    const expand = (f: FunctionBuilder, bits: I32, ...args: I32[]): void =>
      dispatch(f, bits, own, (path) => f.call(path.expand, ...args));
    const long = emitPasses(module, panelForm);
    const passes = panelForm === 'pairs' ? { long } : { long, short: emitPasses(module, 'shortBytes') };
    const product = emitPanelProduct(module, panelForm, passes, expand);
    panels.set(panelForm, { prepare: emitPanelPrepare(module, panelForm), product });
  }
  module.procedure('gemmGroups', PARAMS, (f, p) => emitBody(f, p, paths, rowForms, panels));
}

/** The function itself. `group` is at least 1 and at most K (or 1). */
function emitBody(
  f: FunctionBuilder,
  p: { readonly [K in keyof typeof PARAMS]: Local<'i32'> },
  paths: readonly Path[],
  rowForms: ReadonlyMap<RowForm, Procedure>,
  panels: ReadonlyMap<PanelForm, { prepare: Procedure; product: Procedure }>,
): void {
  const int = (name: string, value: I32): Local<'i32'> => f.local('i32', name, value);
  const constant = (name: string, value: (path: Path) => number): Local<'i32'> =>
    int(name, pick(p.bits, paths, value));
  const unitColumns = constant('unitColumns', ({ container }) => container.unitColumns);
  const unitBytes = constant('unitBytes', ({ container }) => container.unitBytes);
  const unitsOf = (columns: I32): I32 => op('i32.div_u', add(columns, sub(unitColumns, 1)), unitColumns);

  const groups = int('groups', op('i32.div_s', add(p.K, sub(p.group, 1)), p.group));
  const length = int('length', smaller(p.group, p.K));
  const groupUnits = int('groupUnits', unitsOf(length));
  const groupBytes = int('groupBytes', add(op('i32.mul', groupUnits, unitBytes), 32));
  const before = int('before', sub(groups, 1));
  const lastUnits = int('lastUnits', unitsOf(sub(p.K, op('i32.mul', before, p.group))));
  const lastBytes = add(op('i32.mul', lastUnits, unitBytes), 32);
  const blockStride = int('blockStride', add(op('i32.mul', before, groupBytes), lastBytes));
  const usePanel = int(
    'usePanel',
    op(
      'i32.and',
      op(
        'i32.ge_s',
        p.M,
        pick(p.bits, paths, ({ panelTokens }) => panelTokens),
      ),
      op('i32.le_s', length, i32(PANEL_GROUP)),
    ),
  );
  const rowTokens = int(
    'rowTokens',
    select(i32(ROW_TOKENS), i32(1), op('i32.le_s', length, i32(ROW_COLUMNS_EACH))),
  );
  const rowColumns = select(i32(ROW_COLUMNS), i32(ROW_COLUMNS_EACH), op('i32.eq', p.M, i32(1)));
  const chunkColumns = select(i32(PANEL_COLUMNS), rowColumns, usePanel);
  const chunkGroups = int('chunkGroups', larger(op('i32.div_u', chunkColumns, p.group), i32(1)));

  const g = f.local('i32', 'g', i32(0));
  const count = f.local('i32', 'count');
  const units = f.local('i32', 'units');
  const start = f.local('i32', 'start');
  const columns = f.local('i32', 'columns');
  const weights = f.local('i32', 'weights');
  const flags = f.local('i32', 'chunkFlags');
  const m = f.local('i32', 'm');
  const most = f.local('i32', 'most');
  const tokens = f.local('i32', 'tokens');
  const quads = f.local('i32', 'quads');
  const tileBytes = f.local('i32', 'tileBytes');
  const startBytes = f.local('i32', 'startBytes');

  const xAt = (): I32 => add(add(p.x, op('i32.mul', m, p.xR)), start);
  const outAt = (): I32 => add(p.out, op('i32.mul', m, p.outR));
  const scaleAt = (): I32 => add(p.xScale, op('i32.mul', m, p.xScaleR));
  const scratch = (offset: number): I32 => add(p.scratch, offset);

  const slot = f.local('i32', 'slot');
  const token = f.local('i32', 'token');
  const n = f.local('i32', 'n');
  const rows = f.local('i32', 'rows');
  const block = f.local('i32', 'block');
  const outputs = f.local('i32', 'outputs');
  const scale = f.local('i32', 'scale');

  const isLong = int(
    'isLong',
    op(
      'i32.gt_s',
      length,
      pick(p.bits, paths, ({ long }) => long?.columns ?? MAX_GROUP_LENGTH),
    ),
  );
  const rowStart = select(
    pick(p.bits, paths, (path) => path.long?.rowStart ?? path.rowStart),
    pick(p.bits, paths, (path) => path.rowStart),
    isLong,
  );

  const rowInHalves = op(
    'i32.gt_s',
    pick(p.bits, paths, ({ startsInHalves }) => (startsInHalves === true ? 1 : 0)),
    isLong,
  );

  const callPrepare = (...args: I32[]): void =>
    dispatch(f, p.bits, paths, ({ rowForm }) => {
      const prepare = rowForms.get(rowForm);
      if (prepare === undefined) throw internalError(`no preparation of ${rowForm}`);
      f.call(prepare, ...args);
    });
  const callRow = (...args: I32[]): void =>
    dispatch(f, p.bits, paths, ({ row, long }) => {
      if (long === undefined) {
        f.call(row, ...args);
        return;
      }
      f.if(
        isLong,
        () => f.call(long.row, ...args),
        () => f.call(row, ...args),
      );
    });

  const runRow = (): void => {
    const forTokens = (body: () => void): void => {
      f.set(token, i32(0));
      f.set(slot, scratch(ROW.prepared));
      f.while(op('i32.lt_s', token, tokens), () => {
        body();
        advance(f, slot, ROW_SLOT_BYTES);
        advance(f, token, 1);
      });
    };
    f.while(op('i32.lt_s', m, p.M), () => {
      f.set(tokens, smaller(rowTokens, sub(p.M, m)));
      forTokens(() => {
        const from = add(xAt(), op('i32.mul', token, p.xR));
        callPrepare(from, columns, p.group, unitColumns, slot, rowStart, rowInHalves);
      });
      // One token takes all blocks in one call; several take turns at each.
      f.set(rows, select(p.N, i32(16), op('i32.eq', tokens, i32(1))));
      f.set(n, i32(0));
      f.set(block, weights);
      f.while(op('i32.lt_s', n, p.N), () => {
        f.set(rows, smaller(rows, sub(p.N, n)));
        forTokens(() => {
          f.set(outputs, add(add(outAt(), op('i32.mul', token, p.outR)), mul(n, 4)));
          f.set(scale, add(scaleAt(), op('i32.mul', token, p.xScaleR)));
          const shape = [block, blockStride, count, groupUnits, units, slot, rows];
          callRow(...shape, outputs, scale, flags, scratch(ROW.ragged));
        });
        advance(f, block, blockStride);
        f.set(n, add(n, rows));
      });
      f.set(m, add(m, tokens));
    });
  };

  const runPanel = (form: PanelForm, own: readonly Path[]): void => {
    const panel = panels.get(form);
    if (panel === undefined) throw internalError(`no panels of ${form}`);
    const stepsPerUnit = (path: Path): number => (unitQuads(path.container) * quadBytes(form)) / 4;
    const perUnit = pick(p.bits, own, stepsPerUnit);
    const startFactor = pick(p.bits, own, ({ container }) => -container.offset);
    const pieceQuads = pick(p.bits, own, ({ container }) => pairSums(container));
    // The last eight columns of a tile are written whole, though s8 may use four of them.
    f.set(tileBytes, mul(add(quads, 1), TILE_TOKENS * quadBytes(form)));
    f.set(startBytes, mul(count, TILE_TOKENS * 4));
    f.set(most, mul(op('i32.div_u', i32(PANEL_X_BYTES), tileBytes), TILE_TOKENS));
    f.set(most, larger(smaller(most, i32(PANEL_TOKENS)), i32(TILE_TOKENS)));
    f.while(op('i32.lt_s', m, p.M), () => {
      f.set(tokens, smaller(most, sub(p.M, m)));
      const tiles = [scratch(PANEL.x), tileBytes];
      const starts = [scratch(PANEL.starts), startBytes];
      const source = [xAt(), p.xR, tokens, columns, p.group, unitColumns];
      const isShort = op('i32.le_s', op('i32.mul', groupUnits, perUnit), pieceQuads);
      f.call(panel.prepare, ...source, ...tiles, startFactor, isShort, ...starts);
      const shape = [weights, blockStride, count, groupUnits, units];
      const steps = [op('i32.mul', groupUnits, perUnit), op('i32.mul', units, perUnit), pieceQuads];
      const output = [p.N, outAt(), p.outR, scaleAt(), p.xScaleR, flags];
      const memory = [
        scratch(PANEL.panel),
        mul(quads, panelQuadBytes(form)),
        scratch(PANEL.scales),
        scratch(PANEL.ragged),
      ];
      f.call(panel.product, p.bits, ...shape, ...steps, ...tiles, ...starts, tokens, ...output, ...memory);
      f.set(m, add(m, tokens));
    });
  };

  // K = 0 still starts and finishes the outputs, so one chunk always runs.
  f.loop((nextChunk) => {
    f.set(count, smaller(chunkGroups, sub(groups, g)));
    f.set(start, op('i32.mul', g, p.group));
    f.set(columns, sub(smaller(p.K, op('i32.mul', add(g, count), p.group)), start));
    f.set(weights, add(p.w, op('i32.mul', g, groupBytes)));
    f.set(flags, select(i32(FLAG_CONTINUE), op('i32.and', p.flags, i32(FLAG_CONTINUE)), g));
    f.set(units, groupUnits);
    f.if(op('i32.ge_s', add(g, count), groups), () => {
      f.set(units, lastUnits);
      f.set(flags, op('i32.or', flags, op('i32.and', p.flags, i32(FLAG_FINISH))));
    });
    const chunkUnits = add(op('i32.mul', sub(count, 1), groupUnits), units);
    f.set(quads, op('i32.mul', chunkUnits, op('i32.shr_u', unitColumns, i32(2))));
    f.set(m, i32(0));
    f.if(
      usePanel,
      () => {
        const forms = [...panels.keys()];
        const byForm = (form: PanelForm): Path[] => paths.filter((path) => path.panelForm === form);
        if (forms.length === 1) runPanel(forms[0], paths);
        else {
          // Without relaxed products for bytes of 8 bits, the wide form is theirs alone.
          f.if(
            op('i32.eq', p.bits, i32(8)),
            () => runPanel('pairs', byForm('pairs')),
            () => runPanel('bytes', byForm('bytes')),
          );
        }
      },
      runRow,
    );
    f.set(g, add(g, chunkGroups));
    f.branchIf(nextChunk, op('i32.lt_s', g, groups));
  });
}
