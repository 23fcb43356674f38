/**
 * Sums of one token with codes used where they lie, without unpacking: masking an int16 lane leaves a code times a power
 * of two; the activations carry the rest of a common factor 256, which the weight scale takes back (exactly: the int32
 * sum times 256 converts to the same float32 significand, and no scale is near the subnormals).
 * - u4: the masks 0x000f, 0x00f0, 0x0f00 and a shift by 12 leave factors 1, 16, 256, 1 for the columns (0, 2), (4, 6),
 *   (1, 3), (5, 7), so activations are scaled by 256, 16, 1, 256. Codes are stored + 8; sums start at −8·Σx.
 * - s8: `<< 8` and `& 0xff00` leave both codes times 256.
 *
 * Prepared: per group 16 bytes with the start in all lanes, then int16 activations in pairs as in gemm-row-widened.ts,
 * scaled for u4.
 */
import { type FunctionBuilder, i16x8, i32, i32x4, load, op } from '@bitloom/wasm';
import { advance, type V128 } from './emit.js';
import { each, forPieces, type RowSums, repeat, vectors } from './gemm-row.js';
import { ROW_HEADER_BYTES } from './gemm-row-prepare.js';

/** What differs between the two containers. */
interface Masking {
  readonly name: string;
  readonly masks: readonly number[];
  readonly unitColumns: number;
  /** Where the prepared pair of each operand lies, in bytes from the unit. */
  readonly pairs: readonly number[];
  readonly codes: (w: V128, masks: readonly V128[]) => V128[];
  /**
   * Most columns whose sum times 256 stays in int32; longer groups are summed in pieces.
   * u4: 256·8·128·4096 = 2^30 for the final sum (what wraps on the way wraps back); s8: 256·128·128·256 = 2^30.
   */
  readonly pieceColumns: number;
}

const MASKED_U4: Masking = {
  name: 'U4',
  masks: [0x000f, 0x00f0, 0x0f00],
  unitColumns: 8,
  pairs: [0, 8, 4, 12],
  codes: (w, [low, second, third]) => [
    op('v128.and', w, low),
    op('v128.and', w, second),
    op('v128.and', w, third),
    op('i16x8.shr_u', w, i32(12)),
  ],
  pieceColumns: 4096,
};

const MASKED_S8: Masking = {
  name: 'S8',
  masks: [0xff00],
  unitColumns: 4,
  pairs: [0, 4],
  codes: (w, [high]) => [op('i16x8.shl', w, i32(8)), op('v128.and', w, high)],
  pieceColumns: 256,
};

/** Sums of one of the two containers, and of its groups longer than `pieceColumns`. */
export interface MaskedSums {
  readonly short: RowSums;
  readonly long: RowSums;
  readonly pieceColumns: number;
}

export function maskedSums(bits: 4 | 8): MaskedSums {
  const masking = bits === 4 ? MASKED_U4 : MASKED_S8;
  return { short: sums(masking, false), long: sums(masking, true), pieceColumns: masking.pieceColumns };
}

function sums(masking: Masking, inPieces: boolean): RowSums {
  const { name, unitColumns, pairs, codes, pieceColumns } = masking;
  return {
    name: `Masked${name}${inPieces ? 'Long' : ''}`,
    totalShift: inPieces ? 0 : 8,
    emit(f, { wAt, xAt, units, totals }) {
      const masks = masking.masks.map((mask, i) => f.local('v128', `mask${i}`, i16x8(mask)));
      const w = f.local('v128', 'w');
      const xs = pairs.map((_, i) => f.local('v128', `x${i}`));
      const pieceSums = inPieces ? vectors(f, 'sum') : totals;
      const piece = f.local('i32', 'piece');
      /** One 64-byte step for all 16 rows. */
      const step = (body: FunctionBuilder): void => {
        xs.forEach((x, i) => {
          body.set(x, load('v128.load32_splat', xAt, pairs[i]));
        });
        each((v) => {
          body.set(w, load('v128.load', wAt, v * 16));
          codes(w, masks).forEach((operand, i) => {
            const products = op('i32x4.dot_i16x8_s', operand, xs[i]);
            body.set(pieceSums[v], op('i32x4.add', pieceSums[v], products));
          });
        });
        advance(body, wAt, 64);
        advance(body, xAt, unitColumns * 2);
      };
      return () => {
        each((v) => f.set(totals[v], load('v128.load', xAt)));
        advance(f, xAt, ROW_HEADER_BYTES);
        if (!inPieces) {
          repeat(f, units, () => step(f));
          return;
        }
        forPieces(f, units, piece, pieceColumns / unitColumns, () => {
          each((v) => f.set(pieceSums[v], i32x4(0)));
          repeat(f, piece, () => step(f));
          each((v) => {
            f.set(totals[v], op('i32x4.add', totals[v], op('i32x4.shr_s', pieceSums[v], i32(8))));
          });
        });
      };
    },
  };
}
