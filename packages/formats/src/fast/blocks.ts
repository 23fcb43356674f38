/**
 * Matrices through the block functions: copied into their memory piece by piece, worked on there, copied out. A piece
 * is some whole rows, or some whole blocks of one row, small enough for the caches. Nothing here throws for what a
 * format cannot do: callers look at what comes back, and take the definition where it says no.
 */

import type { ElementCoding, Vectors } from './element-coding.js';
import { ELEMENT_KINDS, PARAMETER_BYTES, PARAMETERS } from './parameters.js';
import { bufferAt } from './scratch.js';
import type { DecodeSource, EncodeSource, SimdFunctions, SimdSource } from './simd-module.js';

/** A matrix [rows, cols] with a scale per `group` columns of a row; the last group of a row may be short. */
export interface BlockShape {
  readonly rows: number;
  readonly cols: number;
  readonly group: number;
}

/** Workshops by direction. */
export type Encoding = Workshop<FunctionsOf<EncodeSource>>;
export type Decoding = Workshop<FunctionsOf<DecodeSource>>;
type FunctionsOf<S> = S extends SimdSource<infer N> ? N : never;

/** Elements of a piece, unless one block is larger. */
const PIECE = 16384;
/** A block past this many elements is left to the definition: scratch memory is kept, and should stay small. */
const LARGEST_BLOCK = 2 ** 20;
/** What the functions may read or write past the end of a buffer, at least. */
const SPARE = 64;
const PAGE = 65536;

/** One piece: its blocks and where they begin in the matrix. */
export interface Piece {
  readonly rows: number;
  readonly cols: number;
  /** Index of its first element, of its first byte of codes, of its first block. */
  readonly element: number;
  readonly code: number;
  readonly block: number;
  readonly blocks: number;
}

/** Functions with scratch memory for the pieces of one matrix. */
export interface Workshop<N extends string = never> {
  readonly functions: SimdFunctions<N>;
  readonly group: number;
  readonly pieces: readonly Piece[];
  /** Addresses: values, a float32 per block, bytes of codes, bytes of scale codes. */
  readonly values: number;
  readonly scales: number;
  readonly codes: number;
  readonly scaleCodes: number;
  /** The memory in words and bytes. */
  readonly words: Float32Array;
  readonly bytes: Uint8Array;
}

/**
 * Prepares for the pieces of a matrix whose codes have `bits` bits. Undefined where there are no functions, a
 * block would not begin on a byte of the code stream, or one is too large.
 */
export function openWorkshop<N extends string>(
  shape: BlockShape,
  bits: number,
  source: SimdSource<N>,
): Workshop<N> | undefined {
  const { rows, cols } = shape;
  const group = Math.min(shape.group, cols);
  if (rows === 0 || cols === 0 || group > LARGEST_BLOCK) return undefined;
  if (group < cols && (group * bits) % 8 !== 0) return undefined;
  const functions = source();
  if (functions === undefined) return undefined;
  const elements = Math.max(PIECE, group);
  const pieces = listPieces(rows, cols, group, bits, elements);
  const blocks = pieces.reduce((most, piece) => Math.max(most, piece.blocks), 0);
  const values = bufferAt(PARAMETER_BYTES);
  const scales = bufferAt(values + elements * 4 + SPARE);
  const codes = bufferAt(scales + blocks * 4 + SPARE);
  const scaleCodes = bufferAt(codes + elements + SPARE);
  const { memory } = functions;
  const missing = scaleCodes + blocks * 2 + SPARE - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / PAGE));
  return {
    functions,
    group,
    pieces,
    values,
    scales,
    codes,
    scaleCodes,
    words: new Float32Array(memory.buffer),
    bytes: new Uint8Array(memory.buffer),
  };
}

function listPieces(rows: number, cols: number, group: number, bits: number, elements: number): Piece[] {
  const rowBytes = Math.ceil((cols * bits) / 8);
  const groups = Math.ceil(cols / group);
  const pieces: Piece[] = [];
  if (cols <= elements) {
    const most = Math.floor(elements / cols);
    for (let row = 0; row < rows; row += most) {
      const count = Math.min(most, rows - row);
      pieces.push({
        rows: count,
        cols,
        element: row * cols,
        code: row * rowBytes,
        block: row * groups,
        blocks: count * groups,
      });
    }
    return pieces;
  }
  const most = Math.floor(elements / group);
  for (let row = 0; row < rows; row += 1) {
    for (let first = 0; first < groups; first += most) {
      const col = first * group;
      pieces.push({
        rows: 1,
        cols: Math.min(most * group, cols - col),
        element: row * cols + col,
        code: row * rowBytes + (col * bits) / 8,
        block: row * groups + first,
        blocks: Math.min(most, groups - first),
      });
    }
  }
  return pieces;
}

/** Writes vectors to the parameters; the others keep what they are. */
export function setVectors({ bytes }: Workshop, vectors: Vectors): void {
  for (const [name, vector] of Object.entries(vectors)) {
    bytes.set(vector, PARAMETERS[name as keyof typeof PARAMETERS]);
  }
}

/** Copies the values of a piece in. */
export function loadValues({ words, values }: Workshop, from: Float32Array, piece: Piece): void {
  const { element, rows, cols } = piece;
  words.set(from.subarray(element, element + rows * cols), values / 4);
}

/**
 * The largest magnitude of every block of the piece that was loaded, to the scales of the workshop; the bits of the
 * largest of all are the result: 0x7f800000 and more where a value is not finite.
 */
export function findLargest({ functions, group, values, scales }: Encoding, { rows, cols }: Piece): number {
  return functions.largest(rows, cols, group, values, scales);
}

/** Parameters of the packing of `bits` bits, for codes that are written, and for codes that are read. */
export function packIndex(bits: number): Uint8Array {
  return Uint8Array.from({ length: 16 }, (_, i) => (i < bits ? i : i < 2 * bits ? 8 + i - bits : 0xff));
}

export function unpackIndex(bits: number): Uint8Array {
  return Uint8Array.from({ length: 16 }, (_, i) => (i % 8 < bits ? (i >> 3) * bits + (i % 8) : 0xff));
}

/** Codes of the piece that was loaded, under the scales of the workshop, to their place in `out`. */
export function storeCodes(workshop: Encoding, coding: ElementCoding, piece: Piece, out: Uint8Array): void {
  const { functions, group, values, scales, codes, bytes } = workshop;
  const { rows, cols, code } = piece;
  const { bits, kind, drop } = coding;
  functions.encode(rows, cols, group, values, scales, codes, bits, ELEMENT_KINDS[kind], drop);
  out.set(bytes.subarray(codes, codes + codeBytes(piece, bits)), code);
}

/** Values of the codes of a piece, under the scales of the workshop, to their place in `out`. */
export function storeValues(
  workshop: Decoding,
  coding: ElementCoding,
  piece: Piece,
  from: Uint8Array,
  out: Float32Array,
): void {
  const { functions, group, values, scales, codes, bytes, words } = workshop;
  const { rows, cols, code, element } = piece;
  const { bits, kind, drop } = coding;
  bytes.set(from.subarray(code, code + codeBytes(piece, bits)), codes);
  functions.decode(rows, cols, group, values, scales, codes, bits, ELEMENT_KINDS[kind], drop);
  out.set(words.subarray(values / 4, values / 4 + rows * cols), element);
}

function codeBytes({ rows, cols }: Piece, bits: number): number {
  return rows * Math.ceil((cols * bits) / 8);
}
