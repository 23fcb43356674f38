/**
 * On-chip memory in blocks. A BRAM36 is 512 words and a URAM 4096 words of 72 bits, of which byte data in widths of
 * powers of two uses 64; both move one word in and one out per cycle, or one of each of two clients. So a buffer is
 * `words of a port` blocks side by side for every two ports, and as many deep as its bytes need.
 *
 * Rule of the kind, where the card names none: a buffer deeper than one BRAM lies in URAM, where one block does for two BRAM or more; any other in
 * BRAM. It does not move buffers to fit.
 */
import type { BufferDecl } from '@bitloom/ir';

/** Bytes of a word: 64 of 72 bits. */
const WORD_BYTES = 8;
const BRAM_WORDS = 512;
const URAM_WORDS = 4096;
export interface MemoryBlocks {
  readonly kind: 'bram' | 'uram';
  readonly blocks: number;
  /** Blocks side by side, and words of each that are used. */
  readonly wide: number;
  readonly words: number;
}

/** Blocks of a buffer. */
export function memoryBlocks({ bytes, ports, bytesPerCyclePerPort, storage }: BufferDecl): MemoryBlocks {
  const wide = Math.ceil(ports / 2) * Math.ceil(bytesPerCyclePerPort / WORD_BYTES);
  const words = Math.ceil(bytes / (wide * WORD_BYTES));
  const kind = storage ?? (words > BRAM_WORDS ? 'uram' : 'bram');
  return { kind, blocks: wide * Math.ceil(words / (kind === 'uram' ? URAM_WORDS : BRAM_WORDS)), wide, words };
}

/** BRAM of a first-in, first-out queue of `bytes` per cycle, one block deep. */
export function queueBlocks(bytesPerCycle: number): number {
  return Math.ceil(bytesPerCycle / WORD_BYTES);
}
