/**
 * The columns of scores that a mask of blocks shows to the tokens in flight, closed up: hidden blocks are not loaded,
 * multiplied, or given to the softmax. What a row of blocks sees is constant, so the dispatcher looks it up in tables:
 * one program serves every length.
 *
 * Closed-up columns are those of visible blocks before the tokens in flight, in order, and behind them the whole rows of
 * blocks that the tokens in flight lie in, which they see at least in part. Blocks are multiples of 16 tokens, so every
 * column keeps its place among the 16 partial sums of a row, and what is left out adds zero to them: the bits are those
 * of all columns. Where rows in flight see different blocks, all columns stay and the vector unit hides what it must.
 *
 * Not for: a single token, whose step is bound by memory, and masks that differ from head to head.
 */
import {
  add,
  type Expression,
  floorDivide,
  lookUp,
  maximum,
  minimum,
  modulo,
  multiply,
  subtract,
} from '@bitloom/ir';
import type { Lengths } from './emitter.js';

/** A mask as data: 1 is seen, [1 or heads, rows, cols] of blocks of maskRows x maskCols. */
export interface MaskBlocks {
  readonly seen: Uint8Array;
  readonly heads: number;
  readonly rows: number;
  readonly cols: number;
  readonly maskRows: number;
  readonly maskCols: number;
}

/** Consecutive tokens of a tile: the first of them, how many, and their place in the tile. */
export interface TilePiece {
  readonly start: Expression;
  readonly length: Expression;
  readonly offset: Expression;
}

/** Columns of the scores of the tokens in flight. */
export interface VisibleColumns {
  readonly columns: Expression;
  /** Columns that the first token in flight sees at most; each further one sees one more. */
  readonly valid0: Expression;
  /** Rows in which the mask hides some of the columns. */
  readonly maskedRows: Expression;
  /** Most columns of a tile. */
  readonly tileRows: number;
  readonly pieces: (tile: Expression) => readonly TilePiece[];
}

/** Columns keep their place among so many partial sums of a row. */
const PARTIAL_SUMS = 16;
/** Most pieces of a tile: each is a load of its own, whether a tile has it or not. */
const MOST_PIECES = 4;
/** Most entries of a table. */
const MOST_ENTRIES = 2 ** 15;
/** Rows that are looked at together, at most. */
const MOST_ROWS = 1024;
/** More than any number of rows. */
const ALL_ROWS = 2 ** 20;

/** First token and number of tokens. */
type Run = readonly [start: number, length: number];

/** What the rows of blocks from `first` to `last` see before them, and whether that is the same for all. */
interface Sight {
  readonly runs: readonly Run[];
  readonly before: number;
  readonly isMasked: boolean;
}

/**
 * The visible columns of the tokens in flight, or undefined where nothing can be left out.
 *
 * @param capacity tokens of the context
 * @param mostTile tokens that a tile has room for
 * @param engineColumns outputs that the engine makes at a time
 */
export function visibleColumns(
  mask: MaskBlocks,
  { rows, maxRows, position, context }: Lengths,
  { capacity, mostTile, engineColumns }: { capacity: number; mostTile: number; engineColumns: number },
): VisibleColumns | undefined {
  const { maskRows, maskCols } = mask;
  const height = (maskRows * maskCols) / greatestDivisor(maskRows, maskCols);
  if (maxRows === 1 || mask.heads > 1 || maskCols % PARTIAL_SUMS !== 0 || height > MOST_ROWS)
    return undefined;
  const spans = Math.floor((height - 1 + maxRows - 1) / height) + 1;
  const lines = Math.ceil(capacity / height);
  const keys = spans * lines;
  const sights = Array.from({ length: keys }, (_, key) => {
    const first = Math.floor(key / spans);
    return sightOf(mask, height, first, Math.min(lines - 1, first + (key % spans)), capacity);
  });
  if (sights.every(({ before }, key) => before >= Math.floor(key / spans) * height)) return undefined;
  const tileRows = tileOf(sights, height, spans, mostTile, engineColumns);
  if (tileRows === undefined) return undefined;
  const tables = tablesOf(sights, height, spans, tileRows);
  if (tables.start.length > MOST_ENTRIES) return undefined;

  const first = floorDivide(position, height);
  const last = floorDivide(subtract(context, 1), height);
  // spans * first + (last - first)
  const key = add(multiply(spans - 1, first), last);
  const before = lookUp(
    sights.map((sight) => sight.before),
    key,
  );
  const inLine = modulo(position, height);
  const columns = minimum(add(before, inLine, rows), multiply(ALL_ROWS, rows));
  const firstPiece = lookUp(tables.first, key);
  return {
    columns,
    valid0: add(before, inLine, 1),
    maskedRows: minimum(
      rows,
      multiply(
        maxRows,
        lookUp(
          sights.map(({ isMasked }) => Number(isMasked)),
          key,
        ),
      ),
    ),
    tileRows,
    pieces: (tile) => {
      const left = subtract(columns, multiply(tileRows, tile));
      return Array.from({ length: tables.pieces }, (_, i): TilePiece => {
        const index = add(firstPiece, multiply(tables.pieces, tile), i);
        const offset = i === 0 ? 0 : lookUp(tables.offset, index);
        return {
          start: lookUp(tables.start, index),
          length: maximum(0, minimum(lookUp(tables.length, index), subtract(left, offset))),
          offset,
        };
      });
    },
  };
}

/** What lines of `height` rows see: all that is before them where they do not see alike. */
function sightOf(
  { seen, rows, cols, maskRows, maskCols }: MaskBlocks,
  height: number,
  first: number,
  last: number,
  capacity: number,
): Sight {
  const from = first * height;
  const end = Math.min(capacity, (last + 1) * height);
  const isSeen = (row: number, col: number): boolean => seen[row * cols + col] !== 0;
  const [top, bottom] = [Math.floor(from / maskRows), Math.min(rows, Math.ceil(end / maskRows))];
  let isMasked = false;
  for (let row = top; row < bottom; row++) {
    // Up to the block of its last position; what is behind no token of the row looks at.
    const most = Math.floor((Math.min(end, (row + 1) * maskRows) - 1) / maskCols);
    for (let col = 0; col <= most; col++) {
      const expected = col * maskCols < from ? isSeen(top, col) : true;
      if (isSeen(row, col) !== expected) isMasked = true;
    }
  }
  if (isMasked) return { runs: from === 0 ? [] : [[0, from]], before: from, isMasked };
  const runs: Run[] = [];
  for (let col = 0; col * maskCols < from; col++) {
    if (!isSeen(top, col)) continue;
    const before = runs[runs.length - 1];
    if (before !== undefined && before[0] + before[1] === col * maskCols)
      runs[runs.length - 1] = [before[0], before[1] + maskCols];
    else runs.push([col * maskCols, maskCols]);
  }
  return { runs, before: runs.reduce((sum, [, length]) => sum + length, 0), isMasked };
}

/** All runs of a line, closed up: with those of the rows in flight, up to the end of their last line. */
function runsWithOwn({ runs }: Sight, height: number, spans: number, key: number): readonly Run[] {
  const first = Math.floor(key / spans);
  const own: Run = [first * height, ((key % spans) + 1) * height];
  const before = runs[runs.length - 1];
  if (before === undefined || before[0] + before[1] !== own[0]) return [...runs, own];
  return [...runs.slice(0, -1), [before[0], before[1] + own[1]]];
}

/** Runs cut into tiles of closed-up columns. */
function tilesOf(runs: readonly Run[], tileRows: number): readonly (readonly Run[])[] {
  const tiles: Run[][] = [];
  let room = 0;
  for (const [start, length] of runs) {
    for (let done = 0; done < length; ) {
      if (room === 0) {
        tiles.push([]);
        room = tileRows;
      }
      const part = Math.min(room, length - done);
      tiles[tiles.length - 1].push([start + done, part]);
      done += part;
      room -= part;
    }
  }
  return tiles;
}

/** The longest tile, in whole passes of the engine where it has room for one, that is made of few pieces. */
function tileOf(
  sights: readonly Sight[],
  height: number,
  spans: number,
  most: number,
  engineColumns: number,
): number | undefined {
  const step = most >= engineColumns && engineColumns % PARTIAL_SUMS === 0 ? engineColumns : PARTIAL_SUMS;
  for (let tileRows = Math.floor(most / step) * step; tileRows >= PARTIAL_SUMS; ) {
    const isFew = sights.every((sight, key) =>
      tilesOf(runsWithOwn(sight, height, spans, key), tileRows).every((tile) => tile.length <= MOST_PIECES),
    );
    if (isFew) return tileRows;
    tileRows = tileRows > step ? tileRows - step : Math.floor(tileRows / 2 / PARTIAL_SUMS) * PARTIAL_SUMS;
  }
  return undefined;
}

interface Tables {
  /** Pieces of a tile. */
  readonly pieces: number;
  /** By key: index of the first piece of the first tile. */
  readonly first: number[];
  /** By piece. */
  readonly start: number[];
  readonly length: number[];
  readonly offset: number[];
}

function tablesOf(sights: readonly Sight[], height: number, spans: number, tileRows: number): Tables {
  const lists = sights.map((sight, key) => tilesOf(runsWithOwn(sight, height, spans, key), tileRows));
  const pieces = Math.max(...lists.flat().map((tile) => tile.length));
  const tables: Tables = { pieces, first: [], start: [], length: [], offset: [] };
  for (const tiles of lists) {
    tables.first.push(tables.start.length);
    for (const tile of tiles) {
      let offset = 0;
      for (let i = 0; i < pieces; i++) {
        const [start, length] = tile[i] ?? [0, 0];
        tables.start.push(start);
        tables.length.push(length);
        tables.offset.push(offset);
        offset += length;
      }
    }
  }
  return tables;
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}
