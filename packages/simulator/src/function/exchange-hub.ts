/**
 * Where the parts of an exchange meet: each core lays its part down when it comes to its XCH, and with the last one
 * all parts go to their place in the buffers of all cores. Bytes are taken when a core lays them down, so what
 * another core receives never depends on which one came last.
 */
import { internalError, type SpaceName } from '@bitloom/ir';
import type { CardMemory } from './card-memory.js';
import type { DeferredLoads } from './deferred-loads.js';

/** The part of one core: `rows` runs of `length` bytes. */
export interface ExchangePart {
  /** Arena pointer of the first byte, and bytes from run to run. */
  readonly source: number;
  readonly sourceRow: number;
  /** Where it comes to lie in every core. */
  readonly space: SpaceName;
  readonly offset: number;
  readonly row: number;
  readonly rows: number;
  readonly length: number;
}

export class ExchangeHub {
  private readonly memory: CardMemory;
  private readonly deferred: DeferredLoads;
  private cores: readonly number[] = [];
  private readonly parts = new Map<number, { readonly part: ExchangePart; readonly bytes: Uint8Array }>();

  constructor(memory: CardMemory, deferred: DeferredLoads) {
    this.memory = memory;
    this.deferred = deferred;
  }

  /** Begins an entry that these cores run. */
  begin(cores: readonly number[]): void {
    this.cores = cores;
    this.parts.clear();
  }

  /** Whether some cores wait in an exchange for others. */
  get isWaiting(): boolean {
    return this.parts.size > 0;
  }

  put(core: number, part: ExchangePart): void {
    if (this.parts.has(core)) throw internalError(`core ${core} comes to two exchanges at once`);
    this.parts.set(core, { part, bytes: this.take(part) });
    if (this.parts.size < this.cores.length) return;
    for (const { part: one, bytes } of this.parts.values()) {
      for (const to of this.cores) this.lay(to, one, bytes);
    }
    this.parts.clear();
  }

  private take({ source, sourceRow, rows, length }: ExchangePart): Uint8Array {
    const bytes = new Uint8Array(rows * length);
    const { u8 } = this.memory.arena;
    for (let row = 0; row < rows; row++) {
      const at = source + row * sourceRow;
      bytes.set(u8.subarray(at, at + length), row * length);
    }
    return bytes;
  }

  private lay(
    core: number,
    { space, offset, row: stride, rows, length }: ExchangePart,
    bytes: Uint8Array,
  ): void {
    if (bytes.length === 0) return;
    const start = this.memory.cores[core].base(space) + offset;
    this.deferred.beforeWrite(start, start + (rows - 1) * stride + length);
    const { u8 } = this.memory.arena;
    for (let row = 0; row < rows; row++) {
      u8.set(bytes.subarray(row * length, (row + 1) * length), start + row * stride);
    }
  }
}
