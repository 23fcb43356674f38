/**
 * What an access may reach: each on-chip buffer and each declared region of a memory is one area, and so are the
 * pages behind a page table. Accesses conflict within an area only: regions are checked to be apart, and pages
 * are for the runtime to keep apart from everything else.
 */
import { type Device, findBuffer, findMemory, type MemoryDecl } from '../../device/device.js';
import { BitloomError } from '../../error.js';
import { type Address, STRIPED } from '../instruction-fields.js';
import type { Program, Region } from '../program.js';

export interface Area {
  readonly name: string;
  readonly space: string;
  /** Offsets [start, end) that belong to it, in the coordinates of accesses. */
  readonly start: number;
  readonly end: number;
  /** Holds constants of the model, which programs must not write. */
  readonly isReadOnly: boolean;
  /** Whether cores share it. */
  readonly isShared: boolean;
}

/** Areas of a program on a device. */
export class MemoryAreas {
  readonly #program: Program;
  readonly #device: Device;
  /** Region areas of each space and channel, by offset. */
  readonly #regions = new Map<string, readonly Area[]>();
  readonly #others = new Map<string, Area>();
  /** Addresses are looked up once per execution, so each one's areas are remembered. */
  readonly #byAddress = new Map<Address, readonly Area[]>();

  constructor(program: Program, device: Device) {
    this.#program = program;
    this.#device = device;
    const groups = new Map<string, Area[]>();
    for (const region of program.regions) {
      const key = `${region.space}/${region.channel}`;
      const list = groups.get(key) ?? [];
      groups.set(key, list);
      list.push({
        name: `region '${region.name}'`,
        space: region.space,
        start: region.offset,
        end: region.offset + region.bytes,
        isReadOnly: region.contents.from === 'constant',
        isShared: true,
      });
    }
    for (const [key, list] of groups) {
      this.#regions.set(
        key,
        list.sort((a, b) => a.start - b.start),
      );
    }
  }

  /** The area that holds all of [start, end) of an address, or undefined. */
  find(address: Address, start: number, end: number): Area | undefined {
    const area = address.page ? this.#pages(address) : this.#absolute(address, start);
    return area !== undefined && start >= area.start && end <= area.end ? area : undefined;
  }

  /** Region areas of a space and channel that meet [start, end). */
  regionsIn(address: Address, start: number, end: number): readonly Area[] {
    const list = this.#regions.get(`${address.space}/${address.channel}`) ?? [];
    return list.filter((area) => area.start < end && start < area.end);
  }

  /** What an access through this address should have stayed in, for an error. */
  describe(address: Address, start: number): string {
    const text = (area: Area): string => `${area.start}..${area.end} (${area.name})`;
    if (address.page) return text(this.#pages(address));
    if (findBuffer(this.#device, address.space) !== undefined) return text(this.#buffer(address.space));
    const list = this.#regions.get(`${address.space}/${address.channel}`) ?? [];
    const at = list.findLast((area) => area.start <= start) ?? list[0];
    const channel = address.channel === STRIPED ? 'striped' : `channel ${address.channel}`;
    return at === undefined ? `a region in ${address.space}, ${channel}; there is none` : text(at);
  }

  #absolute(address: Address, start: number): Area | undefined {
    const list = this.#areasOf(address);
    // The last area that starts at or before `start`.
    let [low, high] = [0, list.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (list[middle].start <= start) low = middle + 1;
      else high = middle;
    }
    return list[low - 1];
  }

  /** Areas in the coordinates of an address, by offset. */
  #areasOf(address: Address): readonly Area[] {
    let list = this.#byAddress.get(address);
    if (list === undefined) {
      const isBuffer = findBuffer(this.#device, address.space) !== undefined;
      const regions = this.#regions.get(`${address.space}/${address.channel}`) ?? [];
      list = isBuffer ? [this.#buffer(address.space)] : regions;
      this.#byAddress.set(address, list);
    }
    return list;
  }

  #buffer(space: string): Area {
    const end = findBuffer(this.#device, space)?.bytes ?? 0;
    return this.#other(space, {
      name: `buffer '${space}'`,
      space,
      start: 0,
      end,
      isReadOnly: false,
      isShared: false,
    });
  }

  #pages(address: Address): Area {
    const { space, register } = address;
    const decl = this.#program.registers.find((candidate) => candidate.index === register);
    const end = (decl?.pageTable?.pageBytes ?? 0) * (decl?.pageTable?.entries ?? 0);
    return this.#other(`${space}/${register}`, {
      name: `pages of register ${register} (${decl?.name ?? 'undeclared'})`,
      space,
      start: 0,
      end,
      isReadOnly: false,
      isShared: true,
    });
  }

  #other(key: string, area: Area): Area {
    const known = this.#others.get(key);
    if (known !== undefined) return known;
    this.#others.set(key, area);
    return area;
  }
}

/**
 * Regions lie in memories of the device, inside of their channel, under names of their own, and apart from each
 * other, striped ones from those on a channel too. A striped offset `o` stands on channel
 * `floor(o / interleave) mod channels`.
 *
 * @throws BitloomError `program-region`
 */
export function checkRegions(program: Program, device: Device): void {
  const names = new Set<string>();
  const pieces = new Map<string, { start: number; end: number; region: Region }[]>();
  for (const region of program.regions) {
    if (names.has(region.name))
      failRegion(region, 'two regions have one name', 'a name of its own', region.name);
    names.add(region.name);
    const memory = findMemory(device, region.space);
    if (memory === undefined) {
      const known = device.memories.map((decl) => decl.space).join(', ');
      failRegion(region, 'the region is not in a memory of the device', known, region.space);
    }
    checkExtent(region, memory);
    for (const [channel, start, end] of channelPieces(region, memory)) {
      const key = `${region.space}/${channel}`;
      const list = pieces.get(key) ?? [];
      pieces.set(key, list);
      list.push({ start, end, region });
    }
  }
  for (const list of pieces.values()) {
    list.sort((a, b) => a.start - b.start);
    let last = list[0];
    for (const piece of list.slice(1)) {
      if (piece.start < last.end) {
        failRegion(
          piece.region,
          'two regions share bytes',
          'regions apart',
          `overlap with '${last.region.name}'`,
        );
      }
      if (piece.end > last.end) last = piece;
    }
  }
}

function failRegion(region: Region, message: string, expected: string, got: string): never {
  throw new BitloomError({
    code: 'program-region',
    message,
    where: `region '${region.name}'`,
    expected,
    got,
  });
}

function checkExtent(region: Region, memory: MemoryDecl): void {
  const { channel, offset, bytes } = region;
  const isStriped = channel === STRIPED;
  if (!isStriped && !(Number.isInteger(channel) && channel >= 0 && channel < memory.channels)) {
    const expected = `0..${memory.channels - 1}, or ${STRIPED} (striped)`;
    failRegion(region, 'the region is on a channel that the memory does not have', expected, String(channel));
  }
  const room = memory.bytesPerChannel * (isStriped ? memory.channels : 1);
  const isSane = Number.isSafeInteger(offset) && Number.isSafeInteger(bytes) && offset >= 0 && bytes >= 0;
  if (!isSane || offset + bytes > room) {
    const got = `${offset}..${offset + bytes}`;
    failRegion(region, 'the region does not fit into the memory', `0..${room} of ${region.space}`, got);
  }
}

/** Local byte range of a region on each channel it touches: [channel, start, end]. */
function channelPieces(region: Region, memory: MemoryDecl): [number, number, number][] {
  const { offset, bytes, channel } = region;
  if (bytes === 0) return [];
  if (channel !== STRIPED) return [[channel, offset, offset + bytes]];
  const { interleaveBytes: run, channels } = memory;
  const [first, last] = [Math.floor(offset / run), Math.floor((offset + bytes - 1) / run)];
  const out: [number, number, number][] = [];
  for (let c = 0; c < channels; c++) {
    const low = first + ((((c - first) % channels) + channels) % channels);
    const high = last - ((((last - c) % channels) + channels) % channels);
    if (low > last) continue;
    const start = Math.floor(low / channels) * run + (low === first ? offset % run : 0);
    const end = Math.floor(high / channels) * run + (high === last ? ((offset + bytes - 1) % run) + 1 : run);
    out.push([c, start, end]);
  }
  return out;
}
