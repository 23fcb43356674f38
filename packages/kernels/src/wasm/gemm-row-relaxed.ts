/**
 * Sums of one token by the relaxed dot product, for stored codes below 128: codes are the 7-bit operand, activations the
 * signed one, so the result is the one that the specification fixes. Products are added in int16 while they fit, then
 * widened by `i32x4.dot_i16x8_s` against ones. Totals start at −offset·Σx, which the prepared activations carry.
 *
 * Prepared: per group 16 bytes with that start (in halves for groups of one piece) in all lanes, then the activations as
 * they are, up to a whole unit.
 */
import type { Rows16Container } from '@bitloom/formats';
import { type FunctionBuilder, i16x8, i32, type Local, load, op } from '@bitloom/wasm';
import { advance, type V128 } from './emit.js';
import { each, forPieces, type RowLocals, type RowSums, repeat, vectors } from './gemm-row.js';
import { ROW_HEADER_BYTES } from './gemm-row-prepare.js';
import { pairSums, unitQuads, visitQuads } from './rows16.js';

/** Quads whose activations are held at a time; more do not leave registers for the codes. */
const BODY_QUADS = 4;

const dot = (x: V128, codes: V128): V128 => op('i16x8.relaxed_dot_i8x16_i7x16_s', x, codes);
const sumPairs = (pairs: V128): V128 => op('i32x4.dot_i16x8_s', pairs, i16x8(1));

/** Sums of one container, and of its groups longer than `pieceColumns` where those need their own. */
export interface RelaxedSums {
  readonly short: RowSums;
  readonly long?: RowSums;
  readonly pieceColumns: number;
}

export function relaxedSums(container: Rows16Container): RelaxedSums {
  const name = `Relaxed${container.name.toUpperCase()}`;
  const pieceColumns = pairSums(container) * 4;
  // Where few products fit, sums are widened within a unit and a group may have any length.
  if (pieceColumns < container.unitColumns || pieceColumns <= BODY_QUADS * 4) {
    return { short: { name, totalShift: 0, emit: emitWidening(container) }, pieceColumns };
  }
  return {
    short: { name, totalShift: 0, emit: emitOnePiece(container) },
    long: { name: `${name}Long`, totalShift: 0, emit: emitPieces(container) },
    pieceColumns,
  };
}

/** What the three ways have in common: one unit, quad by quad. */
function unitWriter(
  f: FunctionBuilder,
  container: Rows16Container,
  locals: RowLocals,
): (visit: (first: number, v: number, xs: readonly V128[]) => void) => void {
  const { wAt, xAt } = locals;
  const quads = unitQuads(container);
  const body = Math.min(quads, BODY_QUADS);
  const xs = Array.from({ length: body }, (_, i) => f.local('v128', `x${i}`));
  return (visit) => {
    for (let first = 0; first < quads; first += body) {
      xs.forEach((x, i) => {
        f.set(x, load('v128.load32_splat', xAt, (first + i) * 4));
      });
      apart(f, locals, container.planes.length > 1, (v) => visit(first, v, xs));
    }
    advance(f, wAt, container.unitBytes);
    advance(f, xAt, container.unitColumns);
  };
}

/** Sums in int16 are widened within the unit. */
function emitWidening(container: Rows16Container): RowSums['emit'] {
  const most = pairSums(container);
  return (f, locals) => {
    const { wAt, xAt, units, totals } = locals;
    const writeUnit = unitWriter(f, container, locals);
    return () => {
      each((v) => f.set(totals[v], load('v128.load', xAt)));
      advance(f, xAt, ROW_HEADER_BYTES);
      repeat(f, units, () => {
        writeUnit((first, v, xs) => {
          for (let part = 0; part < xs.length; part += most) {
            const place = { first: first + part, count: most, at: wAt, offset: v * 16 };
            let pairs: V128 | undefined;
            visitQuads(f, container, place, (codes, i) => {
              const products = dot(xs[part + i], codes);
              pairs = pairs === undefined ? products : op('i16x8.add', pairs, products);
            });
            if (pairs !== undefined) f.set(totals[v], op('i32x4.add', totals[v], sumPairs(pairs)));
          }
        });
      });
    };
  };
}

/** Adds the products of `counter` units to `sums`, in int16. */
function addUnits(
  f: FunctionBuilder,
  container: Rows16Container,
  locals: RowLocals,
  sums: readonly Local<'v128'>[],
): (counter: Local<'i32'>) => void {
  const writeUnit = unitWriter(f, container, locals);
  return (counter) => {
    repeat(f, counter, () => {
      writeUnit((first, v, xs) => {
        const place = { first, count: xs.length, at: locals.wAt, offset: v * 16 };
        // Neighbours first: a chain of additions to one sum would wait for each other.
        let pending: V128 | undefined;
        visitQuads(f, container, place, (codes, i) => {
          const products = dot(xs[i], codes);
          if (pending === undefined) {
            pending = products;
          } else {
            f.set(sums[v], op('i16x8.add', sums[v], op('i16x8.add', pending, products)));
            pending = undefined;
          }
        });
      });
    });
  };
}

/**
 * The whole group is one piece: its sums stay in int16 to the end, and start there as well (`startOfSums` in halves). A
 * lane sums at most 2^(8 − bits) columns, so without the offset it stays below 2^(8 − bits)·2^(bits − 1)·128 = 2^14, and
 * what wraps on the way wraps back.
 */
function emitOnePiece(container: Rows16Container): RowSums['emit'] {
  return (f, locals) => {
    const { xAt, units, totals } = locals;
    const sums = vectors(f, 'sum');
    const addProducts = addUnits(f, container, locals, sums);
    return () => {
      each((v) => f.set(sums[v], v === 0 ? load('v128.load', xAt) : sums[0]));
      advance(f, xAt, ROW_HEADER_BYTES);
      addProducts(units);
      each((v) => f.set(totals[v], sumPairs(sums[v])));
    };
  };
}

/** Longer groups: pieces in int16, their sum in int32. */
function emitPieces(container: Rows16Container): RowSums['emit'] {
  return (f, locals) => {
    const { xAt, units, totals } = locals;
    const sums = vectors(f, 'sum');
    const piece = f.local('i32', 'piece');
    const addProducts = addUnits(f, container, locals, sums);
    return () => {
      each((v) => f.set(totals[v], load('v128.load', xAt)));
      advance(f, xAt, ROW_HEADER_BYTES);
      forPieces(f, units, piece, pairSums(container) / unitQuads(container), () => {
        each((v) => f.set(sums[v], i16x8(0)));
        addProducts(piece);
        each((v) => f.set(totals[v], op('i32x4.add', totals[v], sumPairs(sums[v]))));
      });
    };
  };
}

/**
 * Visits the vectors of rows; `split` puts each in a basic block of its own, so that the loads of the later ones are not
 * moved in front of the earlier ones. The branches in between are never taken: xAt is not 0.
 */
function apart(f: FunctionBuilder, { xAt }: RowLocals, split: boolean, visit: (v: number) => void): void {
  if (!split) {
    each(visit);
    return;
  }
  f.block((out) => {
    each((v) => {
      if (v > 0) f.branchIf(out, op('i32.eq', xAt, i32(0)));
      visit(v);
    });
  });
}
