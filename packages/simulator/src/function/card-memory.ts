/**
 * The memories and buffers of a card as ranges of one kernel arena, so that kernels work on them in place. Memories
 * are one for all cores and hold what the program's image declares, no more; every core has buffers of its own.
 */
import { BitloomError, type Device, type Program, type Region, type SpaceName, STRIPED } from '@bitloom/ir';
import type { Arena } from '@bitloom/kernels';

/** Where the spaces are that one core sees. */
export interface CoreMemory {
  readonly arena: Arena;
  /** Arena pointer of the first byte of a space. @throws BitloomError `simulator-space` */
  base(space: SpaceName): number;
}

export class CardMemory {
  readonly arena: Arena;
  /** By core. */
  readonly cores: readonly CoreMemory[];

  /** @throws BitloomError `simulator-unsupported` for a region on a channel of its own */
  constructor(arena: Arena, program: Program, device: Device) {
    this.arena = arena;
    for (const region of program.regions) requireStriped(region);
    // Kernels may read a few bytes past an operand, so every space has a margin.
    const place = (bytes: number): number => arena.alloc(bytes + 256, 4096);
    const memories = device.memories.map((memory): [SpaceName, number] => {
      const regions = program.regions.filter((region) => region.space === memory.space);
      return [
        memory.space,
        place(regions.reduce((end, { offset, bytes }) => Math.max(end, offset + bytes), 0)),
      ];
    });
    this.cores = Array.from({ length: device.cores }, () => {
      const buffers = device.buffers.map(({ space, bytes }): [SpaceName, number] => [space, place(bytes)]);
      return coreMemory(arena, new Map([...memories, ...buffers]));
    });
  }

  /** Arena pointer of the first byte of a memory. */
  base(space: SpaceName): number {
    return this.cores[0].base(space);
  }
}

function coreMemory(arena: Arena, bases: ReadonlyMap<SpaceName, number>): CoreMemory {
  return {
    arena,
    base: (space) => {
      const found = bases.get(space);
      if (found !== undefined) return found;
      throw new BitloomError({
        code: 'simulator-space',
        message: `the card has no space '${space}'`,
        expected: [...bases.keys()].join(', '),
        got: space,
      });
    },
  };
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
