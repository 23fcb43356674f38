/**
 * Lays out operands of a float32 product. A panel holds `width` rows side by side: for every four columns (a step) 16
 * bytes of each row, so that a tile reads it with one pointer. Rows end with zeros up to a whole step. A panel takes
 * `steps · 16 · width` bytes, panels follow one another; rows that the last panel lacks are left as they were.
 *
 * Of the two strides of an operand one is usually 4. Where columns lie side by side, rows are copied, four at a time to
 * keep several reads under way; where rows do, blocks of 4 x 4 are transposed. Anything else goes float by float.
 */
import {
  type FunctionBuilder,
  type FunctionReference,
  i32,
  type Local,
  load,
  loadLane,
  type ModuleBuilder,
  op,
  select,
  shuffle,
  type ValueType,
} from '@bitloom/wasm';
import { add, advance, atLeast, type I32, lanes32, loadTail, mul, sub } from './emit.js';
import { BLOCK_OUTPUTS } from './gemm-f32-blocks.js';

type Procedure = FunctionReference<readonly ValueType[], undefined>;

/** Rows that are transposed together, so that neighbouring floats are read together. */
const ROWS_TOGETHER = BLOCK_OUTPUTS;
const INTERNAL = { export: false } as const;

const smaller = (a: I32, b: I32): I32 => select(a, b, op('i32.lt_s', a, b));

/** `steps` whole steps of four rows of neighbouring columns; rows 2 and 3 go to `second`. */
function emitCopyQuad(module: ModuleBuilder): Procedure {
  return module.procedure(
    'floatCopyQuad',
    { steps: 'i32', from: 'i32', rowBytes: 'i32', to: 'i32', second: 'i32', step: 'i32' },
    (f, { steps, from, rowBytes, to, second, step }) => {
      const rows = [from, ...[1, 2, 3].map((i) => f.local('i32', `row${i}`))];
      const values = rows.map((_, i) => f.local('v128', `value${i}`));
      for (const i of [1, 2, 3]) f.set(rows[i], add(rows[i - 1], rowBytes));
      f.while(op('i32.gt_s', steps, i32(0)), () => {
        values.forEach((value, i) => {
          f.set(value, load('v128.load', rows[i]));
        });
        values.forEach((value, i) => {
          f.store('v128.store', i < 2 ? to : second, value, (i & 1) * 16);
        });
        for (const row of rows) advance(f, row, 16);
        advance(f, to, step);
        advance(f, second, step);
        advance(f, steps, -1);
      });
    },
    INTERNAL,
  );
}

/** A row of neighbouring columns, `step` bytes from one group of four to the next. */
function emitCopyRow(module: ModuleBuilder): Procedure {
  return module.procedure(
    'floatCopyRow',
    { columns: 'i32', from: 'i32', to: 'i32', step: 'i32' },
    (f, { columns, from, to, step }) => {
      const tail = f.local('v128', 'tail');
      f.while(atLeast(columns, 4), () => {
        f.store('v128.store', to, load('v128.load', from));
        advance(f, from, 16);
        advance(f, to, step);
        advance(f, columns, -4);
      });
      f.if(columns, () => {
        loadTail(f, tail, from, columns);
        f.store('v128.store', to, tail);
      });
    },
    INTERNAL,
  );
}

/** A row whose columns lie `columnBytes` apart. */
function emitGatherRow(module: ModuleBuilder): Procedure {
  return module.procedure(
    'floatGatherRow',
    { columns: 'i32', from: 'i32', columnBytes: 'i32', to: 'i32', step: 'i32' },
    (f, { columns, from, columnBytes, to, step }) => {
      const value = f.local('v128', 'value');
      f.while(op('i32.gt_s', columns, i32(0)), () => {
        f.set(value, load('v128.load32_zero', from));
        for (const lane of [1, 2, 3]) {
          f.if(op('i32.gt_s', columns, i32(lane)), () => {
            advance(f, from, columnBytes);
            f.set(value, loadLane('v128.load32_lane', lane, from, value));
          });
        }
        f.store('v128.store', to, value);
        advance(f, from, columnBytes);
        advance(f, to, step);
        advance(f, columns, -4);
      });
    },
    INTERNAL,
  );
}

/** Replaces the columns of a 4 x 4 matrix by its rows. */
function transpose(f: FunctionBuilder, m: readonly Local<'v128'>[], pairs: readonly Local<'v128'>[]): void {
  const [low, high] = [lanes32(0, 4, 1, 5), lanes32(2, 6, 3, 7)];
  f.set(pairs[0], shuffle(m[0], m[1], low));
  f.set(pairs[1], shuffle(m[2], m[3], low));
  f.set(pairs[2], shuffle(m[0], m[1], high));
  f.set(pairs[3], shuffle(m[2], m[3], high));
  for (const [row, pair] of [0, 0, 2, 2].entries()) {
    f.set(
      m[row],
      shuffle(pairs[pair], pairs[pair + 1], row % 2 === 0 ? lanes32(0, 1, 4, 5) : lanes32(2, 3, 6, 7)),
    );
  }
}

/**
 * `quads` times four neighbouring rows, `steps` whole steps of columns that lie `columnBytes` apart. Rows 2 and 3 of a
 * quad go to `second`, which lies as far from `to` as the layout asks.
 */
function emitTransposeLines(module: ModuleBuilder): Procedure {
  const parameters = {
    quads: 'i32',
    steps: 'i32',
    from: 'i32',
    columnBytes: 'i32',
    to: 'i32',
    second: 'i32',
    step: 'i32',
    quadBytes: 'i32',
  } as const;
  return module.procedure(
    'floatTransposeLines',
    parameters,
    (f, p) => {
      const columns = [0, 1, 2, 3].map((i) => f.local('i32', `column${i}`));
      const targets = [p.to, p.second].map((_, i) => f.local('i32', `target${i}`));
      const values = columns.map((_, i) => f.local('v128', `value${i}`));
      const pairs = columns.map((_, i) => f.local('v128', `pair${i}`));
      const left = f.local('i32', 'left');
      f.while(op('i32.gt_s', p.steps, i32(0)), () => {
        columns.forEach((column, i) => {
          f.set(column, i === 0 ? p.from : add(columns[i - 1], p.columnBytes));
        });
        f.set(targets[0], p.to);
        f.set(targets[1], p.second);
        f.set(left, p.quads);
        f.while(left, () => {
          values.forEach((value, i) => {
            f.set(value, load('v128.load', columns[i]));
          });
          transpose(f, values, pairs);
          values.forEach((value, i) => {
            f.store('v128.store', targets[i >> 1], value, (i & 1) * 16);
          });
          for (const column of columns) advance(f, column, 16);
          for (const target of targets) advance(f, target, p.quadBytes);
          advance(f, left, -1);
        });
        advance(f, p.from, mul(p.columnBytes, 4));
        advance(f, p.to, p.step);
        advance(f, p.second, p.step);
        advance(f, p.steps, -1);
      });
    },
    INTERNAL,
  );
}

/** pack<width>(rows, columns, from, rowBytes, columnBytes, to). */
export type Packing = { readonly [W in 2 | 4]: Procedure };

/** Adds the procedures that lay out panels of two and of four rows. */
export function emitPacking(module: ModuleBuilder): Packing {
  const copyQuad = emitCopyQuad(module);
  const copyRow = emitCopyRow(module);
  const gatherRow = emitGatherRow(module);
  const transposeLines = emitTransposeLines(module);
  const pack = (width: 2 | 4): Procedure =>
    module.procedure(
      `floatPack${width}`,
      { rows: 'i32', columns: 'i32', from: 'i32', rowBytes: 'i32', columnBytes: 'i32', to: 'i32' },
      (f, { rows, columns, from, rowBytes, columnBytes, to }) => {
        const step = i32(width * 16);
        const steps = op('i32.shr_u', add(columns, 3), i32(2));
        const panelBytes = f.local('i32', 'panelBytes', mul(steps, width * 16));
        const row = f.local('i32', 'row');
        const count = f.local('i32', 'count');
        const target = f.local('i32', 'target');
        /** Rows and columns that are laid out together: whole quads of whole steps. */
        const wholeRows = f.local('i32', 'wholeRows', op('i32.and', rows, i32(-4)));
        const wholeColumns = op('i32.and', columns, i32(-4));
        const wholeSteps = op('i32.shr_u', columns, i32(2));
        const panel = (): I32 => mul(op('i32.shr_u', row, i32(Math.log2(width))), panelBytes);
        const second = add(target, width === 4 ? i32(32) : panelBytes);
        const overRows = (atOnce: number, body: () => void): void => {
          f.while(op('i32.lt_s', row, wholeRows), () => {
            f.set(count, smaller(sub(wholeRows, row), i32(atOnce)));
            f.set(target, add(to, panel()));
            body();
            advance(f, row, count);
          });
        };
        f.if(
          op('i32.eq', columnBytes, i32(4)),
          () =>
            overRows(4, () => {
              f.call(copyQuad, wholeSteps, add(from, mul(rowBytes, row)), rowBytes, target, second, step);
            }),
          () =>
            f.if(
              op('i32.eq', rowBytes, i32(4)),
              () =>
                overRows(ROWS_TOGETHER, () => {
                  const quads = op('i32.shr_u', count, i32(2));
                  const source = add(from, mul(row, 4));
                  const quadBytes = mul(panelBytes, 4 / width);
                  f.call(
                    transposeLines,
                    ...[quads, wholeSteps, source, columnBytes, target, second, step, quadBytes],
                  );
                }),
              () => f.set(wholeRows, i32(0)),
            ),
        );
        // The columns that are left of those rows, and all columns of the other rows.
        const skipped = f.local('i32', 'skipped');
        const left = f.local('i32', 'left');
        f.set(row, i32(0));
        f.while(op('i32.lt_s', row, rows), () => {
          f.set(skipped, select(wholeColumns, i32(0), op('i32.lt_s', row, wholeRows)));
          f.set(left, sub(columns, skipped));
          f.if(left, () => {
            f.set(target, add(add(to, panel()), mul(op('i32.and', row, i32(width - 1)), 16)));
            advance(f, target, mul(skipped, width * 4));
            const source = add(from, mul(skipped, columnBytes));
            f.if(
              op('i32.eq', columnBytes, i32(4)),
              () => f.call(copyRow, left, source, target, step),
              () => f.call(gatherRow, left, source, columnBytes, target, step),
            );
          });
          advance(f, from, rowBytes);
          advance(f, row, 1);
        });
      },
      INTERNAL,
    );
  return { 2: pack(2), 4: pack(4) };
}
