/**
 * Reference of the two weight products: `gemmGroups` over int8 activations and rows16 weight blocks, and
 * `gemmF32`. The rows16 layout itself is defined in `@bitloom/formats`; here it is read code by code.
 */
import {
  decodeFp16,
  ROWS16_BLOCK_ROWS,
  ROWS16_CONTAINERS,
  ROWS16_STEP_BYTES,
  type Rows16Container,
  rows16BlockBytes,
  rows16Container,
  rows16GroupBytes,
} from '@bitloom/formats';
import { BitloomError } from '@bitloom/ir';
import type { Arena } from '../arena.js';
import {
  FLAG_CONTINUE,
  FLAG_FINISH,
  type GroupProductKernels,
  MAX_GROUP_LENGTH,
} from '../interface/group-products.js';

const f = Math.fround;
const SCALE_BYTES = 32;

/**
 * Checks the arguments of `gemmGroups` that choose a code path.
 *
 * @throws BitloomError `kernel-bits`, `kernel-group`.
 */
export function checkGroups(bits: number, group: number, K: number): void {
  if (!ROWS16_CONTAINERS.some((container) => container.bits === bits)) {
    throw new BitloomError({
      code: 'kernel-bits',
      message: 'gemmGroups has no container of this width',
      expected: `${ROWS16_CONTAINERS.map((container) => container.bits).join(', ')} bits`,
      got: String(bits),
      hint: 'codes of 7 bits lie in the container of 8 bits: see rows16ContainerBits',
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

export function groupProductKernels(arena: Arena): GroupProductKernels {
  /** The signed code of lane r (of 16), column k of the group whose codes start at `codes`. */
  function codeAt(container: Rows16Container, codes: number, r: number, k: number): number {
    const { planes, offset, unitColumns, unitBytes } = container;
    const quad = Math.floor((k % unitColumns) / 4);
    let stored = 0;
    let plane = codes + Math.floor(k / unitColumns) * unitBytes;
    for (const { bits, shift } of planes) {
      const bit = quad * bits;
      const byte = arena.u8[plane + Math.floor(bit / 8) * ROWS16_STEP_BYTES + r * 4 + (k % 4)];
      stored |= ((byte >> (bit % 8)) & (2 ** bits - 1)) << shift;
      plane += ((unitColumns * bits) / 32) * ROWS16_STEP_BYTES;
    }
    return offset === 0 ? (stored << 24) >> 24 : stored - offset;
  }

  return {
    gemmGroups(bits, group, M, N, K, x, xR, xScale, xScaleR, w, out, outR, flags) {
      checkGroups(bits, group, K);
      const { f32, i8, u16 } = arena;
      const container = rows16Container(bits);
      const groups = Math.ceil(K / group);
      const groupBytes = rows16GroupBytes(bits, Math.min(group, K));
      const blockBytes = rows16BlockBytes(bits, K, group);
      const weights = new Int8Array(K);
      const scales = new Float64Array(groups);
      for (let n = 0; n < N; n += 1) {
        const block = w + Math.floor(n / ROWS16_BLOCK_ROWS) * blockBytes;
        const r = n % ROWS16_BLOCK_ROWS;
        for (let g = 0; g < groups; g += 1) {
          const codes = block + g * groupBytes;
          const length = Math.min(group, K - g * group);
          for (let k = 0; k < length; k += 1) weights[g * group + k] = codeAt(container, codes, r, k);
          const scaleAt = codes + rows16GroupBytes(bits, length) - SCALE_BYTES;
          scales[g] = decodeFp16(u16[scaleAt / 2 + r]);
        }
        for (let m = 0; m < M; m += 1) {
          const at = (out + m * outR) / 4 + n;
          let acc = flags & FLAG_CONTINUE ? f32[at] : 0;
          for (let g = 0; g < groups; g += 1) {
            const end = Math.min(K, (g + 1) * group);
            let sum = 0;
            for (let k = g * group; k < end; k += 1) sum += i8[x + m * xR + k] * weights[k];
            acc = f(acc + f(f(sum) * scales[g]));
          }
          f32[at] = flags & FLAG_FINISH ? f(acc * f32[(xScale + m * xScaleR) / 4]) : acc;
        }
      }
    },
  };
}
