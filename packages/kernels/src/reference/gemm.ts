/**
 * Reference of the two weight products: `gemmGroups` over int8 activations and rows16 weight blocks, and
 * `gemmF32`. The rows16 layout itself is defined in `@bitloom/formats`; here it is read code by code.
 */
import { decodeFp16 } from '@bitloom/formats';
import { BitloomError } from '@bitloom/ir';
import type { Arena } from '../arena.js';
import type { FloatProductKernels } from '../interface/float-products.js';
import {
  FLAG_CONTINUE,
  FLAG_FINISH,
  type GroupProductKernels,
  MAX_GROUP_LENGTH,
} from '../interface/group-products.js';
import { sum16 } from './float.js';

const f = Math.fround;
const BLOCK_ROWS = 16;
/** One step of the layout: 4 bytes for each of the 16 rows. */
const STEP_BYTES = 64;
const SCALE_BYTES = 32;

/**
 * Checks the arguments of `gemmGroups` that choose a code path.
 *
 * @throws BitloomError `kernel-bits`, `kernel-group`.
 */
export function checkGroups(bits: number, group: number, K: number): void {
  if (bits !== 4 && bits !== 8) {
    throw new BitloomError({
      code: 'kernel-bits',
      message: 'gemmGroups has no container of this width',
      expected: '4 or 8 bits',
      got: String(bits),
      hint: 'pack 2 and 3 bits into the 4-bit container, 5 to 7 bits into the 8-bit container',
    });
  }
  if (!(group >= 1) || (group % 8 !== 0 && group < K) || Math.min(group, K) > MAX_GROUP_LENGTH) {
    throw new BitloomError({
      code: 'kernel-group',
      message: 'gemmGroups cannot work on groups of this length',
      expected: `a multiple of 8, or at least K = ${K}; and at most ${MAX_GROUP_LENGTH} long`,
      got: String(group),
      hint: 'quantise with a group of 32, 64 or 128',
    });
  }
}

/** Bytes of the codes of one group of `length` columns in a block of 16 rows. */
export function groupCodeBytes(bits: number, length: number): number {
  return Math.ceil(length / (bits === 4 ? 8 : 4)) * STEP_BYTES;
}

export function groupProductKernels(arena: Arena): GroupProductKernels {
  /** The signed code of row r (of 16), column k of the group whose codes start at `codes`. */
  function codeAt(bits: number, codes: number, r: number, k: number): number {
    if (bits === 8) return arena.i8[codes + Math.floor(k / 4) * STEP_BYTES + r * 4 + (k % 4)];
    const byte = arena.u8[codes + Math.floor(k / 8) * STEP_BYTES + r * 4 + (k % 4)];
    return (k % 8 < 4 ? byte & 15 : byte >> 4) - 8;
  }

  return {
    gemmGroups(bits, group, M, N, K, x, xR, xScale, xScaleR, w, out, outR, flags) {
      checkGroups(bits, group, K);
      const { f32, i8, u16 } = arena;
      const groups = Math.ceil(K / group);
      const lastLength = K - (groups - 1) * group;
      const groupBytes = groupCodeBytes(bits, Math.min(group, K)) + SCALE_BYTES;
      const blockBytes =
        groups === 0 ? 0 : (groups - 1) * groupBytes + groupCodeBytes(bits, lastLength) + SCALE_BYTES;
      for (let m = 0; m < M; m += 1) {
        for (let n = 0; n < N; n += 1) {
          const block = w + Math.floor(n / BLOCK_ROWS) * blockBytes;
          const r = n % BLOCK_ROWS;
          const at = (out + m * outR) / 4 + n;
          let acc = flags & FLAG_CONTINUE ? f32[at] : 0;
          for (let g = 0; g < groups; g += 1) {
            const codes = block + g * groupBytes;
            const length = g === groups - 1 ? lastLength : group;
            let sum = 0;
            for (let k = 0; k < length; k += 1)
              sum += i8[x + m * xR + g * group + k] * codeAt(bits, codes, r, k);
            const scale = decodeFp16(u16[(codes + groupCodeBytes(bits, length)) / 2 + r]);
            acc = f(acc + f(f(sum) * scale));
          }
          f32[at] = flags & FLAG_FINISH ? f(acc * f32[(xScale + m * xScaleR) / 4]) : acc;
        }
      }
    },
  };
}

export function floatProductKernels(arena: Arena): FloatProductKernels {
  return {
    gemmF32(M, N, K, x, xR, w, wR, out, outR) {
      const { f32 } = arena;
      for (let m = 0; m < M; m += 1) {
        for (let n = 0; n < N; n += 1) {
          const a = (x + m * xR) / 4;
          const b = (w + n * wR) / 4;
          f32[(out + m * outR) / 4 + n] = sum16(K, (k) => f(f32[a + k] * f32[b + k]));
        }
      }
    },
  };
}
