/** Where the parts of the scratch memory of convolutions lie. All of it belongs to the calling thread during a call. */
import { ENTRY_BYTES, PANEL_STEP, TILE_COLUMNS } from './convolution-tile.js';

/** Left rows (pixels or filters) that are laid out at once. */
export const TILE_PIXELS = 64;
/** Steps of a row that are laid out at once: a panel of 8 columns, 8 KiB, stays in the first-level cache. */
export const CHUNK_STEPS = 256;
/** Right columns that are laid out at once. */
export const PANEL_COLUMNS = 128;

/** Most operands of neighbouring taps that a weight gradient takes as the channels of one tap. */
export const GRADIENT_RUN = 64;

/** Channels that the depthwise product takes at once, and taps. */
export const DEPTHWISE_LANES = 256;
export const DEPTHWISE_TAPS = 64;

const TABLE_BYTES = (TILE_PIXELS + 4) * ENTRY_BYTES;
/** Room for what is written past the end of a row. */
const SLACK = 64;
const ROWS_BYTES = TILE_PIXELS * (CHUNK_STEPS * 4 + 16) + SLACK;
/** Pointers to the pixels of a chunk of a weight gradient, and one more. */
const POINTER_BYTES = CHUNK_STEPS * 2 * 4 + SLACK;
const PANEL_BYTES = (PANEL_COLUMNS / TILE_COLUMNS) * CHUNK_STEPS * PANEL_STEP + SLACK;

/** Bytes of a copy of a run that leaves the image, for operands of `size` bytes. */
export const sideBytes = (size: number): number => GRADIENT_RUN * size + 16;
const ZERO_BYTES = PANEL_COLUMNS * 4 + SLACK;
/** Copies for a chunk of 512 pixels of int8, or 256 of float32. */
const SIDES_BYTES = Math.max(CHUNK_STEPS * 2 * sideBytes(1), CHUNK_STEPS * sideBytes(4)) + SLACK;

/** Offsets of the parts. */
export const PARTS = {
  table: 0,
  rows: TABLE_BYTES,
  panel: TABLE_BYTES + ROWS_BYTES,
  /** Of the weight gradient. */
  pointers: TABLE_BYTES + ROWS_BYTES + PANEL_BYTES,
  pixelZeros: TABLE_BYTES + ROWS_BYTES + PANEL_BYTES + POINTER_BYTES,
  sides: TABLE_BYTES + ROWS_BYTES + PANEL_BYTES + POINTER_BYTES + ZERO_BYTES,
  /** Of the depthwise product, after one table entry: pointers to taps, zeros for taps outside, weights. */
  taps: ENTRY_BYTES,
  zeros: TABLE_BYTES,
  lanes: TABLE_BYTES + DEPTHWISE_LANES * 4 + SLACK,
} as const;

/** Bytes of scratch memory that one thread needs. */
export const CONVOLUTION_SCRATCH_BYTES = Math.max(
  PARTS.sides + SIDES_BYTES,
  PARTS.lanes + DEPTHWISE_TAPS * DEPTHWISE_LANES * 4 + SLACK,
);
