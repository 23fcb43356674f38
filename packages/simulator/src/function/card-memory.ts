/**
 * The memories and buffers of a card as ranges of one kernel arena, so that kernels work on them in place.
 * Memories hold what the program's image declares, no more.
 */
import { BitloomError, type Device, type Program, type Region, type SpaceName, STRIPED } from '@bitloom/ir';
import type { Arena } from '@bitloom/kernels';

export class CardMemory {
  private readonly bases = new Map<SpaceName, { readonly pointer: number; readonly bytes: number }>();
  readonly arena: Arena;

  /** @throws BitloomError `simulator-unsupported` for a region on a channel of its own */
  constructor(arena: Arena, program: Program, device: Device) {
    this.arena = arena;
    for (const region of program.regions) requireStriped(region);
    for (const memory of device.memories) {
      const bytes = program.regions
        .filter((r) => r.space === memory.space)
        .reduce((end, r) => Math.max(end, r.offset + r.bytes), 0);
      this.add(memory.space, bytes);
    }
    for (const buffer of device.buffers) this.add(buffer.space, buffer.bytes);
  }

  /** Kernels may read a few bytes past an operand, so every space has a margin. */
  private add(space: SpaceName, bytes: number): void {
    const pointer = this.arena.alloc(bytes + 256, 4096);
    this.bases.set(space, { pointer, bytes });
  }

  /** Arena pointer of the first byte of a space. */
  base(space: SpaceName): number {
    const found = this.bases.get(space);
    if (found === undefined) {
      throw new BitloomError({
        code: 'simulator-space',
        message: `the card has no space '${space}'`,
        expected: [...this.bases.keys()].join(', '),
        got: space,
      });
    }
    return found.pointer;
  }

  bytes(space: SpaceName): number {
    this.base(space);
    return this.bases.get(space)?.bytes ?? 0;
  }
}

/** Bytes are kept by offset: a region on one channel would share them with others at the same offset. */
function requireStriped(region: Region): void {
  if (region.channel === STRIPED) return;
  throw new BitloomError({
    code: 'simulator-unsupported',
    message: 'regions on a single memory channel are timed but not executed by this version',
    where: `region '${region.name}'`,
    expected: `striped over all channels (${STRIPED})`,
    got: `channel ${region.channel}`,
  });
}
