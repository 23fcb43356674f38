/**
 * Where buffers lie in the scratch memory of a module. Large arrays begin 16 bytes into a page, and processors copy
 * several times slower between addresses that differ by little modulo 4096; half a page from there is far from both
 * sides of that.
 */
const PAGE = 4096;
const START = PAGE / 2 + 16;

/** The first good place for a buffer at or after `address`. */
export function bufferAt(address: number): number {
  return Math.ceil((address - START) / PAGE) * PAGE + START;
}
