/**
 * The operands of the self-test: seeded bytes, small floats, ids, weights, and a region for results. Cases of a family
 * are functions of these places; strides are chosen so that every result stays within `out`.
 */
import {
  canonicalRowBytes,
  packCanonical,
  packRows16,
  packSparse16,
  ROWS16_CONTAINERS,
  type Rows16ContainerBits,
} from '@bitloom/formats';
import type { Arena } from '../arena.js';

/** Where the operands of a case lie. `out` is zero before each run and compared after it. */
export interface Places {
  readonly floats: number;
  readonly bytes: number;
  readonly ids: number;
  /** rows16 blocks of {@link GEMM}, by container; codes of the whole range, scales of either sign. */
  readonly weights: ReadonlyMap<Rows16ContainerBits, number>;
  /** Matrices of the same shape whose tiles keep 0 to 16 of 16 values, in the layout `sparse16`. */
  readonly sparse: { readonly 4: number; readonly 8: number };
  /** int8 that are not negative, half as many as `bytes`. */
  readonly rectified: number;
  /** fp16 numbers of either sign with magnitudes between 0.25 and 1. */
  readonly halves: number;
  /** Symmetric codes of 4 and of 6 bits, one per byte. */
  readonly narrow: { readonly 4: number; readonly 6: number };
  /** MLS group scales, uint16 codes 0 to 127. */
  readonly scaleCodes: number;
  /** A copy of `floats`, made anew before each run, for kernels that overwrite an operand. */
  readonly scratch: number;
  readonly out: number;
}

/** One call or a few per kernel of a family. */
export type SelfTestCases<T> = { readonly [K in keyof T]: (kernels: T, places: Places) => void };

/** Bytes of `floats`, `bytes`, `ids` and `scratch`. */
export const REGION = 4096;
/** Bytes of `narrow` and `scaleCodes`. */
const NARROW = 1024;
/** Bytes of `out`. */
export const OUT_BYTES = 2 * REGION;
/** Ragged on purpose: neither a multiple of 16 rows nor of 4 columns; two groups of 32. */
export const GEMM = { M: 5, N: 19, K: 44, group: 32 } as const;

/** Deterministic numbers in [0, 1): a linear congruential generator, good enough to fill operands. */
function generator(): () => number {
  let state = 12345;
  return () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state / 0x80000000;
  };
}

/** Allocates and fills the operands. */
export function layOutPlaces(arena: Arena): Places {
  const random = generator();
  const floats = arena.alloc(REGION);
  const bytes = arena.alloc(REGION);
  const ids = arena.alloc(REGION);
  const halves = arena.alloc(64);
  const { N, K, group } = GEMM;
  const pack = (bits: Rows16ContainerBits): number => {
    const shape = { rows: N, cols: K, bits, groupSize: group };
    const codes = Uint8Array.from({ length: N * canonicalRowBytes(shape) }, () => random() * 256);
    const scales = Uint16Array.from({ length: N * Math.ceil(K / group) }, (_, i) => {
      return 0x3000 + Math.floor(random() * 0x400) + (i % 3 === 0 ? 0x8000 : 0);
    });
    const packed = packRows16({ ...shape, codes, scales });
    const at = arena.alloc(packed.length);
    arena.u8.set(packed, at);
    return at;
  };
  // Tile t of a block of rows keeps 2^(t + 1) values of 16; those of the second block none, 16 and 2.
  const packPruned = (bits: 4 | 8): number => {
    const shape = { rows: N, cols: K, bits, groupSize: group };
    const codes = Int8Array.from({ length: N * K }, (_, i) => {
      const [row, col] = [Math.floor(i / K), i % K];
      const keep = row < 16 ? 2 << (col >> 4) : [0, 16, 2][col >> 4];
      return (col * 5 + row) % 16 < keep ? Math.floor(random() * 2 ** bits) - 2 ** (bits - 1) : 0;
    });
    const scales = Uint16Array.from({ length: N * Math.ceil(K / group) }, (_, i) => 0x3000 + i);
    const packed = packSparse16(packCanonical({ ...shape, codes, scales }));
    const at = arena.alloc(packed.length);
    arena.u8.set(packed, at);
    return at;
  };
  const sparse = { 4: packPruned(4), 8: packPruned(8) };
  const weights = new Map(ROWS16_CONTAINERS.map(({ bits }) => [bits, pack(bits)]));
  const codes = (bits: 4 | 6): number => {
    const at = arena.alloc(NARROW);
    const most = 2 ** (bits - 1) - 1;
    for (let i = 0; i < NARROW; i += 1) arena.i8[at + i] = Math.floor(random() * (2 * most + 1)) - most;
    return at;
  };
  const narrow = { 4: codes(4), 6: codes(6) };
  const scaleCodes = arena.alloc(NARROW);
  for (let i = 0; i < NARROW / 2; i += 1) arena.u16[scaleCodes / 2 + i] = Math.floor(random() * 128);
  const scratch = arena.alloc(REGION);
  const out = arena.alloc(OUT_BYTES);
  for (let i = 0; i < REGION / 4; i += 1) arena.f32[floats / 4 + i] = (random() - 0.5) * 8;
  for (let i = 0; i < REGION; i += 1) arena.i8[bytes + i] = Math.floor(random() * 255) - 127;
  for (let i = 0; i < 32; i += 1)
    arena.u16[halves / 2 + i] = 0x3400 + Math.floor(random() * 0x800) + (i % 2) * 0x8000;
  // Ids for the look-ups and small whole float32 for gemmF32 share a region: the first three words are ids.
  for (let i = 0; i < REGION / 4; i += 1) arena.f32[ids / 4 + i] = Math.floor(random() * 17) - 8;
  arena.i32.set([2, 0, 1], ids / 4);
  const rectified = arena.alloc(REGION / 2);
  for (let i = 0; i < REGION / 2; i += 1) arena.i8[rectified + i] = Math.floor(random() * 128);
  return { floats, bytes, rectified, ids, weights, sparse, halves, narrow, scaleCodes, scratch, out };
}
