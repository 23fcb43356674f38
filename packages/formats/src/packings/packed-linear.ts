/**
 * The one form that every checkpoint packing is read to and written from: a linear weight W [rows = outputs N,
 * cols = inputs K], one code per byte, with the scales beside it. It says what a file says and nothing more, so that
 * writing what was read gives the same bytes.
 *
 * Its arithmetic is float32, one operation at a time: value = fround(fround(code − zero) · scale), where scale is
 * fround(scale / tensorDivisor) if there is a divisor. With an integer zero point and scales of 16 or fewer bits the
 * product is exact. The libraries that own these formats compute the same expression in the dtype they run in, and
 * so may round its result once more, to fp16 or bf16.
 */
import type { ElementFormat } from '@bitloom/ir';
import { decode } from '../elements/codes.js';
import { packingError, requireLength, requirePositive } from './packing-error.js';
import type { StoredFormat } from './stored-floats.js';

/** Which elements share a scale: how the index of a scale follows from row and column. */
export type ScaleGroups =
  /** `groupSize` neighbours of a row; scales are [rows, ceil(cols / groupSize)]. One per row: groupSize = cols. */
  | { readonly kind: 'columns'; readonly groupSize: number }
  /** Column k is in group `groupIndex[k]` (act-order); scales are [rows, groups]. */
  | { readonly kind: 'indexed'; readonly groupIndex: Int32Array; readonly groups: number }
  /** Boxes; scales are [ceil(rows / blockRows), ceil(cols / blockCols)]. One for all: the size of the matrix. */
  | { readonly kind: 'blocks'; readonly blockRows: number; readonly blockCols: number }
  /** `groupSize` neighbours of the matrix taken as one row, which may run over the end of a row (HQQ, axis 1). */
  | { readonly kind: 'runs'; readonly groupSize: number }
  /** Elements at a distance of `groups` in the matrix taken as one row (HQQ, axis 0). */
  | { readonly kind: 'strides'; readonly groups: number };

/** A packed linear weight, or some of its rows. */
export interface PackedLinear {
  readonly rows: number;
  readonly cols: number;
  /** Row of the whole matrix that row 0 is; groups are counted from the whole. Default 0. */
  readonly firstRow?: number;
  /** Integers of 1 to 8 bits, or floats of 4 or 8. */
  readonly element: ElementFormat;
  /** [rows, cols]: the integers themselves (Int8Array for signed ones), or the bits of floats. */
  readonly codes: Uint8Array | Int8Array;
  readonly groups: ScaleGroups;
  /** One per group that the rows touch, in order; value = (code − zero) · scale. */
  readonly scales: Float32Array;
  /** Format that holds each of the scales. */
  readonly scaleFormat: StoredFormat;
  /** One per scale; absent where the zero point is 0. */
  readonly zeros?: Float32Array;
  /** Format of the zero points where they are floats (HQQ); integers otherwise. */
  readonly zeroFormat?: StoredFormat;
  /** Scales are divided by this (`weight_global_scale` of NVFP4 in compressed-tensors, a reciprocal). */
  readonly tensorDivisor?: number;
}

/** Rows `start` up to, not including, `end`. */
export interface RowRange {
  readonly start: number;
  readonly end: number;
}

/** @throws BitloomError `packing-shape` */
export function resolveRows(rows: number, range: RowRange | undefined): RowRange {
  if (range === undefined) return { start: 0, end: rows };
  const { start, end } = range;
  const inside = Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start <= end;
  if (inside && end <= rows) return range;
  throw packingError('packing-shape', 'rows', `a range inside 0..${rows}`, `${start}..${end}`);
}

/** Index of the first group that `firstRow` touches, and how many groups the rows touch. */
export function touchedGroups(packed: Pick<PackedLinear, 'rows' | 'cols' | 'firstRow' | 'groups'>): {
  readonly first: number;
  readonly count: number;
} {
  const { rows, cols, firstRow = 0, groups } = packed;
  switch (groups.kind) {
    case 'columns':
      return { first: 0, count: rows * Math.ceil(cols / groups.groupSize) };
    case 'indexed':
      return { first: 0, count: rows * groups.groups };
    case 'blocks': {
      const across = Math.ceil(cols / groups.blockCols);
      const first = Math.floor(firstRow / groups.blockRows);
      return {
        first: first * across,
        count: (Math.ceil((firstRow + rows) / groups.blockRows) - first) * across,
      };
    }
    case 'runs': {
      const first = Math.floor((firstRow * cols) / groups.groupSize);
      return { first, count: Math.ceil(((firstRow + rows) * cols) / groups.groupSize) - first };
    }
    case 'strides':
      return { first: 0, count: groups.groups };
  }
}

/**
 * Checks that the arrays belong together: lengths, codes inside of their format, groups inside of the scales.
 * @throws BitloomError `packing-shape`, `packing-length`, `packing-bits`, `packing-code-range`, `packing-group-index`
 */
export function checkPackedLinear(packed: PackedLinear): void {
  const { rows, cols, firstRow = 0, element, codes, groups, scales, zeros } = packed;
  for (const [name, value] of [
    ['rows', rows],
    ['firstRow', firstRow],
  ] as const) {
    if (Number.isSafeInteger(value) && value >= 0) continue;
    throw packingError('packing-shape', name, 'a whole number', String(value));
  }
  requirePositive('cols', cols);
  if (element.bits > 8) throw packingError('packing-bits', 'element', 'at most 8 bits', String(element.bits));
  for (const [name, value] of Object.entries(groups)) {
    if (typeof value === 'number') requirePositive(name, value);
  }
  requireLength('codes', codes.length, rows * cols);
  requireLength('scales', scales.length, touchedGroups(packed).count);
  if (zeros !== undefined) requireLength('zeros', zeros.length, scales.length);
  if (groups.kind === 'indexed') checkGroupIndex(groups.groupIndex, cols, groups.groups);
  checkCodes(codes, element);
}

/** @throws BitloomError `packing-group-index` */
export function checkGroupIndex(groupIndex: Int32Array, cols: number, groups: number): void {
  if (groupIndex.length !== cols) {
    throw packingError('packing-group-index', 'groupIndex', `${cols} entries`, `${groupIndex.length}`);
  }
  const bad = groupIndex.findIndex((group) => group < 0 || group >= groups);
  if (bad < 0) return;
  throw packingError(
    'packing-group-index',
    `groupIndex, column ${bad}`,
    `a group from 0 to ${groups - 1}`,
    String(groupIndex[bad]),
  );
}

/** @throws BitloomError `packing-code-range` */
export function checkCodes(codes: Uint8Array | Int8Array, element: ElementFormat): void {
  const signed = element.kind === 'int' && element.signed;
  const span = 2 ** element.bits;
  const least = signed ? -span / 2 : 0;
  const most = least + span - 1;
  // Bytes hold nothing else.
  if (span === 256 && signed === codes instanceof Int8Array) return;
  for (let i = 0; i < codes.length; i += 1) {
    if (codes[i] >= least && codes[i] <= most) continue;
    throw packingError('packing-code-range', `code ${i}`, `${least} to ${most}`, String(codes[i]));
  }
}

/**
 * The float32 values of a packed matrix, [rows, cols] row-major, or of some of its rows.
 * @param range rows of `packed`, counted from its own row 0
 * @throws BitloomError as {@link checkPackedLinear}, and `packing-length` where `out` is not as long as the values
 */
export function dequantizePacked(
  packed: PackedLinear,
  range?: RowRange,
  out?: Float32Array<ArrayBuffer>,
): Float32Array<ArrayBuffer> {
  checkPackedLinear(packed);
  const { cols, element, codes, zeros } = packed;
  const { start, end } = resolveRows(packed.rows, range);
  const target = out ?? new Float32Array((end - start) * cols);
  requireLength('out', target.length, (end - start) * cols);
  const scales = effectiveScales(packed);
  const offsets = zeros ?? new Float32Array(scales.length);
  const bytes = new Uint8Array(codes.buffer, codes.byteOffset, codes.length);
  const values = valueTable(element);
  const groupOf = groupLookup(packed);
  for (let row = start, at = start * cols, to = 0; row < end; row += 1, at += cols, to += cols) {
    decodeRow(bytes, at, cols, values, groupOf(row), offsets, scales, target, to);
  }
  return target;
}

/** Decodes one row: runs of one group with its scale at hand, or column by column. */
function decodeRow(
  bytes: Uint8Array,
  at: number,
  cols: number,
  values: Float32Array,
  { base, run, columns }: RowGroups,
  offsets: Float32Array,
  scales: Float32Array,
  target: Float32Array,
  to: number,
): void {
  // The difference is rounded before the product; storing the product rounds it.
  if (run === 0) {
    for (let col = 0; col < cols; col += 1) {
      const group = base + columns[col];
      target[to + col] = Math.fround(values[bytes[at + col]] - offsets[group]) * scales[group];
    }
    return;
  }
  for (let col = 0, group = base; col < cols; group += 1) {
    const end = Math.min(cols, col + run);
    const offset = offsets[group];
    const scale = scales[group];
    for (; col < end; col += 1) target[to + col] = Math.fround(values[bytes[at + col]] - offset) * scale;
  }
}

/** Scales after the divisor of the tensor, one float32 division each. */
function effectiveScales({ scales, tensorDivisor }: PackedLinear): Float32Array {
  return tensorDivisor === undefined ? scales : scales.map((scale) => scale / tensorDivisor);
}

/** Value of each byte that a code is stored in: of the integer it is, or of the bits of a float. */
function valueTable(element: ElementFormat): Float32Array {
  if (element.kind === 'int') {
    return Float32Array.from({ length: 256 }, (_, byte) =>
      element.signed && byte > 127 ? byte - 256 : byte,
    );
  }
  const table = new Float32Array(256);
  const codes = Uint8Array.from({ length: 2 ** element.bits }, (_, code) => code);
  decode(codes, element, table.subarray(0, codes.length));
  return table;
}

/** Groups of one row: runs of `run` columns with groups that count up from `base`, or by column. */
interface RowGroups {
  readonly base: number;
  /** 0: the group of column k is `base + columns[k]`. */
  readonly run: number;
  readonly columns: Int32Array;
}

/** A function from rows to their groups. What it returns is valid until the next call. */
function groupLookup(
  packed: Pick<PackedLinear, 'rows' | 'cols' | 'firstRow' | 'groups'>,
): (row: number) => RowGroups {
  const { cols, firstRow = 0, groups } = packed;
  const { first } = touchedGroups(packed);
  const none = new Int32Array(0);
  switch (groups.kind) {
    case 'columns': {
      const perRow = Math.ceil(cols / groups.groupSize);
      return (row) => ({ base: row * perRow, run: groups.groupSize, columns: none });
    }
    case 'indexed':
      return (row) => ({ base: row * groups.groups, run: 0, columns: groups.groupIndex });
    case 'blocks': {
      const across = Math.ceil(cols / groups.blockCols);
      return (row) => ({
        base: Math.floor((firstRow + row) / groups.blockRows) * across - first,
        run: groups.blockCols,
        columns: none,
      });
    }
    case 'runs': {
      if (cols % groups.groupSize === 0) {
        const perRow = cols / groups.groupSize;
        return (row) => ({ base: row * perRow, run: groups.groupSize, columns: none });
      }
      const columns = new Int32Array(cols);
      return (row) => {
        const flat = (firstRow + row) * cols;
        for (let col = 0; col < cols; col += 1) {
          columns[col] = Math.floor((flat + col) / groups.groupSize) - first;
        }
        return { base: 0, run: 0, columns };
      };
    }
    case 'strides': {
      const columns = new Int32Array(cols);
      return (row) => {
        let group = ((firstRow + row) * cols) % groups.groups;
        for (let col = 0; col < cols; col += 1) {
          columns[col] = group;
          group = group + 1 === groups.groups ? 0 : group + 1;
        }
        return { base: 0, run: 0, columns };
      };
    }
  }
}

/** Group of each element, row-major, as an index of the scales. */
export function groupOfElements(
  packed: Pick<PackedLinear, 'rows' | 'cols' | 'firstRow' | 'groups'>,
): Uint32Array {
  const { rows, cols } = packed;
  const out = new Uint32Array(rows * cols);
  const groupOf = groupLookup(packed);
  for (let row = 0, at = 0; row < rows; row += 1, at += cols) {
    const { base, run, columns } = groupOf(row);
    if (run === 0) for (let col = 0; col < cols; col += 1) out[at + col] = base + columns[col];
    else
      for (let col = 0, group = base; col < cols; col += run, group += 1)
        out.fill(group, at + col, at + Math.min(cols, col + run));
  }
  return out;
}
