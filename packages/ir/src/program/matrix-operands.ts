/**
 * Operands of the matrix instructions MM and MV: fields, the size of a tile of weights in the layouts that the engine
 * reads, and which bytes an instruction touches. What the products are is defined by the kernels they name.
 */
import {
  type Access,
  address,
  enumeration,
  type FieldSpec,
  plainRange,
  type ResolvedFields,
  stridedAccess,
  stridedOperand,
  uint,
} from './instruction-fields.js';
import { matrixShape } from './timing/matrix.js';

/** Operand layouts of the matrix engine. */
export const MATRIX_MODES = ['weights', 'keys', 'values'] as const;
export type MatrixModeName = (typeof MATRIX_MODES)[number];

export const MATRIX_FIELDS: readonly FieldSpec[] = [
  enumeration(
    'mode',
    4,
    MATRIX_MODES,
    'weights: b is rows16 group-scaled; keys: b is rows of codes [n, k]; values: b is rows of codes [k, n]',
  ),
  uint(
    'bits',
    4,
    'container width of the codes of b: 2, 3, 4, 5, 6 or 8 (mode weights); int8, or 4: c + 8, two per byte, the even column low (modes keys, values)',
  ),
  uint('group', 16, 'inner elements that share a scale (mode weights)'),
  uint('batch', 16, 'independent products', { dynamic: true }),
  uint('bShare', 16, 'batches that share one b: b of batch i is floor(i / bShare); grouped queries'),
  uint('m', 24, 'rows of a', { dynamic: true }),
  uint('n', 24, 'outputs per row', { dynamic: true }),
  uint('k', 24, 'inner length', { dynamic: true }),
  ...stridedOperand('a', 'int8 codes [m, k]'),
  ...stridedOperand('aScale', 'float32 scale of each row of a'),
  ...stridedOperand('b', 'second operand'),
  ...stridedOperand('bScale', 'float32 scale of each row of b (mode keys)'),
  address('acc', 'int32 accumulators [batch, m, n] (mode values)'),
  ...stridedOperand('out', 'float32 [m, n]'),
  uint('continue', 16, '1: go on from the accumulators; 0: start at zero', { dynamic: true }),
  uint('finish', 16, '1: scale by the row scale and write the result; 0: keep the accumulators', {
    dynamic: true,
  }),
  uint('keep', 5, 'kept values of each 16 columns (mode weights): b is sparse16; 0: dense rows16'),
];

/**
 * Bytes of one tile of 16 columns of 16 rows in the layout sparse16, which keeps `keep` values of each row: their codes,
 * and 4 bits of index of each where not all are kept.
 */
function sparseColumnsBytes(bits: number, keep: number): number {
  return keep * (2 * bits + (keep === 16 ? 0 : 8));
}

const roundUp16 = (bytes: number): number => Math.ceil(bytes / 16) * 16;

/**
 * Bytes of a tile of weights of `rows` rows (whole blocks of 16) and `k` columns: rows16 where `keep` is 0, otherwise
 * sparse16 with `keep` values of each 16 columns everywhere, its directory included.
 */
export function weightTileBytes(bits: number, group: number, keep: number, k: number, rows: number): number {
  if (keep === 0) return rows16Bytes(bits, group, k, rows);
  const blocks = Math.ceil(rows / 16);
  const columns = Math.ceil(k / 16);
  const block = roundUp16(columns) + columns * sparseColumnsBytes(bits, keep) + Math.ceil(k / group) * 32;
  return roundUp16(4 * blocks) + blocks * roundUp16(block);
}

/** Columns to which a group is padded in rows16, by the bits of a code: what fills whole steps of 64 bytes. */
const UNIT_COLUMNS: Readonly<Record<number, number>> = { 2: 16, 3: 32, 4: 8, 5: 32, 6: 16, 8: 4 };

/**
 * Bytes of `rows` rows (whole blocks of 16) of a rows16 tile: codes of each group without a gap between them, in whole
 * units, then 16 fp16 scales.
 * @param bits a width that has a container: 2, 3, 4, 5, 6 or 8
 */
export function rows16Bytes(bits: number, group: number, k: number, rows: number): number {
  const unit = UNIT_COLUMNS[bits] ?? 4;
  const groups = Math.ceil(k / group);
  const lastLength = k - (groups - 1) * group;
  const padded = (length: number): number => Math.ceil(length / unit) * unit;
  const codes = ((groups - 1) * padded(group) + padded(lastLength)) * 2 * bits;
  return Math.ceil(rows / 16) * (codes + groups * 32);
}

export function matrixAccesses(f: ResolvedFields): readonly Access[] {
  const batch = f.number('batch');
  const { m, n, k } = matrixShape(f);
  if (batch === 0 || m === 0) return [];
  const mode = MATRIX_MODES[f.number('mode')] ?? 'weights';
  const isLast = f.number('finish') !== 0;
  const isContinued = f.number('continue') !== 0;
  const out: Access[] = [stridedAccess(f, 'a', { batch, rows: m, run: k }, false)];
  if (isLast || mode === 'keys') out.push(stridedAccess(f, 'aScale', { batch, rows: m, run: 4 }, false));
  const bBatches = Math.ceil(batch / Math.max(1, f.number('bShare')));
  if (mode === 'weights') {
    out.push(
      plainRange(f, 'b', weightTileBytes(f.number('bits'), f.number('group'), f.number('keep'), k, n), false),
    );
  } else {
    const [rows, cols] = mode === 'keys' ? [n, k] : [k, n];
    const run = f.number('bits') === 4 ? Math.ceil(cols / 2) : cols;
    out.push(stridedAccess(f, 'b', { batch: bBatches, rows, run }, false));
  }
  if (mode === 'keys') out.push(stridedAccess(f, 'bScale', { batch: bBatches, rows: 1, run: 4 * n }, false));
  if (mode === 'values') {
    const bytes = batch * m * n * 4;
    if (isContinued) out.push({ ...plainRange(f, 'acc', bytes, false), forwarded: true });
    out.push(plainRange(f, 'acc', bytes, true));
    if (isLast) out.push(stridedAccess(f, 'out', { batch, rows: m, run: 4 * n }, true));
  } else {
    if (isContinued)
      out.push({ ...stridedAccess(f, 'out', { batch, rows: m, run: 4 * n }, false), forwarded: true });
    out.push(stridedAccess(f, 'out', { batch, rows: m, run: 4 * n }, true));
  }
  return out;
}
