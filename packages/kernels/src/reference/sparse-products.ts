/** Reference of the product with N:M sparse weights: the layout `sparse16` is read value by value. */
import { decodeFp16, sparse16TileBytes } from '@bitloom/formats';
import { BitloomError } from '@bitloom/ir';
import type { Arena } from '../arena.js';
import { FLAG_CONTINUE, FLAG_FINISH, MAX_GROUP_LENGTH } from '../interface/group-products.js';
import type { SparseProductKernels } from '../interface/sparse-products.js';

const f = Math.fround;
const TILE = 16;
const SCALE_BYTES = 32;

/** @throws BitloomError `kernel-bits`, `kernel-group`. */
export function checkSparse(bits: number, group: number, K: number): void {
  if (bits !== 4 && bits !== 8) {
    throw new BitloomError({
      code: 'kernel-bits',
      message: 'gemmSparse has no container of this width',
      expected: '4 or 8 bits',
      got: String(bits),
      hint: 'codes of up to 4 bits go into the 4-bit container, wider ones into the 8-bit container',
    });
  }
  if (!(group >= 1) || (group % TILE !== 0 && group < K) || Math.min(group, K) > MAX_GROUP_LENGTH) {
    throw new BitloomError({
      code: 'kernel-group',
      message: 'gemmSparse cannot work on groups of this length',
      expected: `a multiple of ${TILE}, or at least K = ${K}; and at most ${MAX_GROUP_LENGTH} long`,
      got: String(group),
      hint: 'quantise with a group of 32, 64 or 128',
    });
  }
}

export function sparseProductKernels(arena: Arena): SparseProductKernels {
  /** Σ x·code over what row r of a tile of `keep` values keeps. */
  function tileSum(bits: number, tile: number, keep: number, r: number, x: number): number {
    const { i8, u8 } = arena;
    let sum = 0;
    for (let j = 0; j < keep; j += 1) {
      if (keep === TILE) {
        const code =
          bits === 4
            ? ((u8[tile + Math.floor(j / 8) * 64 + r * 4 + (j % 4)] >> (j % 8 < 4 ? 0 : 4)) & 15) - 8
            : i8[tile + Math.floor(j / 4) * 64 + r * 4 + (j % 4)];
        sum += code * i8[x + j];
        continue;
      }
      const step = keep === 2 ? 2 : 4;
      const at = tile + Math.floor(j / step) * 64 + r * step + (j % step);
      const half = keep / 2;
      const byte = bits === 4 ? u8[at] : u8[tile + keep * TILE + r * half + (j % half)];
      const index = bits === 4 || j >= half ? byte >> 4 : byte & 15;
      sum += (bits === 4 ? (u8[at] & 15) - 8 : i8[at]) * i8[x + index];
    }
    return sum;
  }

  return {
    gemmSparse(bits, group, M, N, K, x, xR, xScale, xScaleR, w, out, outR, flags) {
      checkSparse(bits, group, K);
      const { f32, u8, u16, i32 } = arena;
      const tiles = Math.ceil(K / TILE);
      const groupTiles = Math.ceil(Math.min(group, K) / TILE);
      for (let m = 0; m < M; m += 1) {
        for (let n = 0; n < N; n += 1) {
          const entry = w + Math.floor(n / TILE) * 4;
          const block = entry + i32[entry / 4];
          let at = block + Math.ceil(tiles / 16) * 16;
          const target = (out + m * outR) / 4 + n;
          let acc = flags & FLAG_CONTINUE ? f32[target] : 0;
          for (let first = 0; first < tiles; first += groupTiles) {
            let sum = 0;
            for (let tile = first; tile < Math.min(tiles, first + groupTiles); tile += 1) {
              const keep = u8[block + tile];
              sum += tileSum(bits, at, keep, n % TILE, x + m * xR + tile * TILE);
              at += sparse16TileBytes(bits, keep);
            }
            const scale = decodeFp16(u16[at / 2 + (n % TILE)]);
            acc = f(acc + f(f(sum) * scale));
            at += SCALE_BYTES;
          }
          f32[target] = flags & FLAG_FINISH ? f(acc * f32[(xScale + m * xScaleR) / 4]) : acc;
        }
      }
    },
  };
}
