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
import { add, type Expression, lookUp, minimum, multiply } from '@bitloom/ir';
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

/** Tables of the visible columns of a mask, whatever the lengths. By position of the first token in flight, or by piece. */
export interface SightTables {
  /** Columns that the token at a position sees. */
  readonly valid: readonly number[];
  /** Index of the first piece. */
  readonly first: readonly number[];
  /** Rows in which the mask hides some of the columns, at most. */
  readonly masked: readonly number[];
  readonly tileRows: number;
  /** Pieces of a tile. */
  readonly pieces: number;
  readonly start: readonly number[];
  readonly length: readonly number[];
  readonly offset: readonly number[];
}

/** What a tile may be made of. */
export interface TileLimits {
  /** Tokens of the context. */
  readonly capacity: number;
  /** Tokens that a tile has room for. */
  readonly mostTile: number;
  /** Outputs that the engine makes at a time. */
  readonly engineColumns: number;
}

/** Columns keep their place among so many partial sums of a row. */
const PARTIAL_SUMS = 16;
/** Most pieces of a tile: each is a load of its own, whether a tile has it or not. */
const MOST_PIECES = 4;
/** Most entries of a table. */
const MOST_ENTRIES = 2 ** 15;
/** Rows of blocks that are looked at together, at most. */
const MOST_ROWS = 1024;
/** More than any number of columns. */
const ALL_COLUMNS = 2 ** 20;

/** First token and number of tokens. */
type Run = readonly [start: number, length: number];

/** What tokens see before the line of the first of them; all of it where they do not see alike. */
interface Sight {
  readonly runs: readonly Run[];
  readonly before: number;
  readonly isMasked: boolean;
}

/**
 * The tables of a mask for up to `maxRows` tokens in flight, or undefined where nothing can be left out. Everything is
 * looked up by the position of the first of them, which is what a dispatcher reckons fastest.
 */
export function sightTables(
  mask: MaskBlocks,
  maxRows: number,
  { capacity, mostTile, engineColumns }: TileLimits,
): SightTables | undefined {
  const { maskRows, maskCols } = mask;
  // A line: as many rows as whole blocks need in both directions.
  const height = (maskRows * maskCols) / greatestDivisor(maskRows, maskCols);
  const isUnfit = mask.heads > 1 || maskCols % PARTIAL_SUMS !== 0 || height > MOST_ROWS;
  if (maxRows === 1 || isUnfit || capacity > MOST_ENTRIES) return undefined;
  const sights = new Map<string, Sight>();
  const lists = new Map<string, readonly Run[]>();
  const ofPosition = Array.from({ length: capacity }, (_, at) => {
    const end = Math.min(capacity, at + maxRows);
    const [first, last] = [Math.floor(at / height), Math.floor((end - 1) / height)];
    const lines = `${first} ${last}`;
    const sight = sights.get(lines) ?? sightOf(mask, height, first, last, capacity);
    sights.set(lines, sight);
    // Ends in whole steps, or every position would have tiles of its own; what is loaded beyond is not computed.
    const own: Run = [
      first * height,
      Math.min(capacity, Math.ceil(end / maxRows) * maxRows) - first * height,
    ];
    const key = `${lines} ${own[1]}`;
    if (!lists.has(key)) lists.set(key, joined(sight.runs, own));
    return { key, columns: sight.before + at - first * height, isMasked: sight.isMasked };
  });
  if (ofPosition.every(({ columns }, at) => columns === at)) return undefined;
  const tileRows = tileOf([...lists.values()], mostTile, engineColumns);
  if (tileRows === undefined) return undefined;
  const tables = tablesOf(lists, tileRows);
  if (tables.ofPiece.start.length > MOST_ENTRIES) return undefined;

  return {
    valid: ofPosition.map(({ columns }) => columns + 1),
    first: ofPosition.map(({ key }) => tables.first.get(key) ?? 0),
    masked: ofPosition.map(({ isMasked }) => (isMasked ? maxRows : 0)),
    tileRows,
    ...tables.ofPiece,
    pieces: tables.pieces,
  };
}

/**
 * The visible columns of the tokens in flight.
 *
 * @param isEverEmpty whether there may be none in flight
 */
export function visibleColumns(
  { valid, first, masked, tileRows, pieces, start, length, offset }: SightTables,
  { rows, position }: Lengths,
  isEverEmpty: boolean,
): VisibleColumns {
  const valid0 = lookUp(valid, position);
  const all = add(valid0, rows, -1);
  const firstPiece = lookUp(first, position);
  return {
    columns: isEverEmpty ? minimum(all, multiply(ALL_COLUMNS, rows)) : all,
    valid0,
    maskedRows: minimum(rows, lookUp(masked, position)),
    tileRows,
    pieces: (tile) =>
      Array.from({ length: pieces }, (_, i): TilePiece => {
        const index = add(firstPiece, multiply(pieces, tile), i);
        return {
          start: lookUp(start, index),
          length: lookUp(length, index),
          offset: i === 0 ? 0 : lookUp(offset, index),
        };
      }),
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

/** Runs and one more behind them. */
function joined(runs: readonly Run[], own: Run): readonly Run[] {
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

/** The longest tile, in whole passes of the engine where there is room for one, that is made of few pieces. */
function tileOf(lists: readonly (readonly Run[])[], most: number, engineColumns: number): number | undefined {
  const step = most >= engineColumns && engineColumns % PARTIAL_SUMS === 0 ? engineColumns : PARTIAL_SUMS;
  for (let tileRows = Math.floor(most / step) * step; tileRows >= PARTIAL_SUMS; ) {
    const isFew = lists.every((runs) => tilesOf(runs, tileRows).every((tile) => tile.length <= MOST_PIECES));
    if (isFew) return tileRows;
    tileRows = tileRows > step ? tileRows - step : Math.floor(tileRows / 2 / PARTIAL_SUMS) * PARTIAL_SUMS;
  }
  return undefined;
}

interface Tables {
  /** Pieces of a tile. */
  readonly pieces: number;
  /** Index of the first piece of a list. */
  readonly first: ReadonlyMap<string, number>;
  readonly ofPiece: Pick<SightTables, 'start' | 'length' | 'offset'>;
}

/** The tiles of all lists, one behind the other; an even number of each, for tiles are worked on in pairs. */
function tablesOf(lists: ReadonlyMap<string, readonly Run[]>, tileRows: number): Tables {
  const tiles = new Map([...lists].map(([key, runs]) => [key, tilesOf(runs, tileRows)]));
  const pieces = Math.max(...[...tiles.values()].flat().map((tile) => tile.length));
  const first = new Map<string, number>();
  const [start, length, offset]: [number[], number[], number[]] = [[], [], []];
  for (const [key, own] of tiles) {
    first.set(key, start.length);
    for (const tile of own.length % 2 === 0 ? own : [...own, []]) {
      let at = 0;
      for (let i = 0; i < pieces; i++) {
        const [from, count] = tile[i] ?? [0, 0];
        start.push(from);
        length.push(count);
        offset.push(at);
        at += count;
      }
    }
  }
  return { pieces, first, ofPiece: { start, length, offset } };
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}
