/**
 * Sizes of the blocks of a float32 product and where its scratch memory lies. {@link COLUMNS} is part of the definition
 * of the result (see `matmulF32`), the others only of its speed.
 */

/** Columns of a whole block of K: what is added up by itself before it goes to the output. */
export const COLUMNS = 512;
/** Rows of the left operand that are laid out at once: 256 KiB, half of a second-level cache. */
export const BLOCK_ROWS = 128;
/**
 * Rows of the right operand (columns of the output) that are laid out at once. Where K is its slower axis these are the
 * 256 bytes that are read from one place before the next, pages apart.
 */
export const BLOCK_OUTPUTS = 64;

/** Rows of the left operand and columns of the output in one tile. */
export const TILE_ROWS = 2;
export const TILE_OUTPUTS = 4;

/** Outputs whose chains are lines of sums: four of 4 KiB for a row. */
export const LINE_OUTPUTS = 1024;

const SPARE_BYTES = TILE_ROWS * TILE_OUTPUTS * 16;

/** Offsets of the parts of the scratch memory: room for the chains of a tile, and the two operands. */
export const FLOAT_PLACES = {
  spare: 0,
  right: SPARE_BYTES,
  left: SPARE_BYTES + BLOCK_OUTPUTS * COLUMNS * 4,
} as const;

/** Bytes of scratch memory that one thread needs. */
export const FLOAT_PRODUCT_SCRATCH_BYTES = FLOAT_PLACES.left + BLOCK_ROWS * COLUMNS * 4;
