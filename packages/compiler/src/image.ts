/**
 * Placement of constants and state in the card's memories: weights and KV cache in HBM, small tables and the
 * host's mailboxes in DDR (in HBM where a card has no DDR). Gives each a region of the memory image with the
 * layout its bytes must have there.
 */
import {
  type Address,
  BitloomError,
  bandMatrices,
  type ConstantDecl,
  type Device,
  dramRowBytes,
  type Expression,
  findBuffer,
  findMemory,
  formatType,
  internalError,
  isGroupIntegers,
  type Model,
  peakBytesPerSecond,
  type QuantizedType,
  type Region,
  type SectionSource,
  type SpaceName,
  STRIPED,
  weightTileBytes,
} from '@bitloom/ir';
import {
  bandsOf,
  type ChooseTile,
  chooseWeightTile,
  type MatrixBand,
  type MatrixShape,
  type WeightTile,
} from './cost.js';
import type { SightTables } from './visible-columns.js';
import { weightSlots } from './weight-ring.js';

/** Base registers of the slot descriptor; all hold 0 unless a runtime moves a part of the image. */
export const REGISTERS = [
  { index: 1, name: 'weights', doc: 'added to addresses of packed weights' },
  { index: 2, name: 'tables', doc: 'added to addresses of small tables' },
  { index: 3, name: 'state', doc: 'added to addresses of the KV cache of this slot' },
  { index: 4, name: 'io', doc: 'added to addresses of the mailboxes and the scratch memory of this slot' },
  { index: 8, name: 'buffers', doc: 'added to on-chip buffer addresses' },
] as const;

const REGISTER_OF: Readonly<Record<Region['purpose'], number>> = {
  weights: 1,
  table: 2,
  kv: 3,
  input: 4,
  output: 4,
  scratch: 4,
};

/** Buffer base register. */
export const BUFFER_REGISTER = 8;

const ALIGNMENT = 4096;

/** A packed weight matrix in the image. */
export interface PackedMatrix extends MatrixShape {
  readonly region: Region;
  /** Rows that each core computes, the last ones fewer; all rows on a card of one core. */
  readonly perCore: number;
  /** Bytes from the rows of one core to those of the next. */
  readonly sliceBytes: number;
  /** How the rows of a core are cut; tiles lie one behind the other, the inner parts of a row tile first. */
  readonly tile: WeightTile;
}

/** Group-quantised rows in canonical layout, for gathers. */
export interface CodeTable {
  readonly codes: Region;
  readonly scales: Region;
  readonly rowBytes: number;
  readonly scaleRowBytes: number;
  readonly cols: number;
  readonly bits: number;
  readonly group: number;
}

/**
 * Keys or values of one layer: codes [heads, capacity, headDim] and scales [heads, capacity]. Heads are a little further
 * apart than they are long, so that the same token of all heads does not lie in one channel.
 */
export interface CacheRegions {
  readonly codes: Region;
  readonly scales: Region;
  readonly heads: number;
  readonly headDim: number;
  /** Width of a code, and bytes of the codes of a token: two codes of 4 bits share a byte. */
  readonly bits: number;
  readonly rowBytes: number;
  /** Bytes from head to head. */
  readonly codesHead: number;
  readonly scalesHead: number;
}

/** Widths of codes that caches have. */
const CACHE_BITS: readonly number[] = [4, 8];

export class MemoryImage {
  readonly regions: Region[] = [];
  readonly notes: string[] = [];
  /** Tables of masks by what they depend on. */
  readonly sights = new Map<string, SightTables | undefined>();
  private readonly model: Model;
  private readonly device: Device;
  private readonly capacity: number;
  private readonly sparseChains: boolean;
  private readonly chooseTile: ChooseTile;
  private readonly sections: SectionSource | undefined;
  private readonly next = new Map<SpaceName, number>();
  private readonly matrices = new Map<string, PackedMatrix>();
  private readonly tiles = new Map<string, WeightTile>();
  private readonly tables = new Map<string, CodeTable>();
  private readonly floats = new Map<string, Region>();
  private readonly caches = new Map<string, CacheRegions>();
  private readonly smallSpace: SpaceName;

  /**
   * @param sparseChains false: zeros of sparse weights are stored and computed like any code
   * @param sections bytes of constants that shape the program
   */
  constructor(
    model: Model,
    device: Device,
    capacity: number,
    sparseChains = true,
    chooseTile: ChooseTile = chooseWeightTile,
    sections?: SectionSource,
  ) {
    this.model = model;
    this.device = device;
    this.capacity = capacity;
    this.sparseChains = sparseChains;
    this.chooseTile = chooseTile;
    this.sections = sections;
    this.smallSpace = findMemory(device, 'ddr') === undefined ? 'hbm' : 'ddr';
  }

  constant(name: string): ConstantDecl | undefined {
    return this.model.constants.find((constant) => constant.name === name);
  }

  /** Rows of a weight. */
  matrixRows(name: string): number {
    return staticDim(this.constant(name)?.type.shape[0], name);
  }

  /**
   * A quantised matrix, packed in whole kernel blocks.
   * @param ownRows rows of one core, a multiple of 16 where there are several; default: all
   */
  matrix(name: string, ownRows?: number): PackedMatrix {
    const known = this.matrices.get(name);
    if (known !== undefined) {
      if (known.perCore === (ownRows ?? known.rows)) return known;
      throw internalError(`weight '${name}' is divided in two ways`);
    }
    const constant = this.constant(name);
    if (constant === undefined || constant.type.kind !== 'quantized') {
      throw new BitloomError({
        code: 'compiler-weight-unsupported',
        message: `the weight '${name}' is not a group-quantised constant`,
        expected: 'symmetric integer codes with fp16 group scales',
        got: constant === undefined ? 'no such constant' : constant.type.kind,
        hint: 'quantise the model first, e.g. with --scheme W8A8',
      });
    }
    const shape = this.matrixShape(name, constant.type);
    const { rows, cols, group } = shape;
    const perCore = ownRows ?? rows;
    const tile = this.weightTile(name, { ...shape, rows: perCore });
    const slices = Array.from({ length: Math.ceil(rows / perCore) }, (_, core) =>
      sliceBytes(shape, tile, Math.min(perCore, rows - core * perCore)),
    );
    if (rows % 16 !== 0)
      this.notes.push(`weight '${name}': ${rows} rows padded to ${Math.ceil(rows / 16) * 16} in memory`);
    if (cols % group !== 0) this.notes.push(`weight '${name}': last group of ${cols % group} of ${group}`);
    const layout = weightLayout(shape, tile, slices.length > 1 ? perCore : 0);
    const region = this.place(
      name,
      'hbm',
      slices.reduce((sum, bytes) => sum + bytes, 0),
      'weights',
      {
        from: 'constant',
        constant: name,
        component: 'packed',
        layout,
      },
    );
    const matrix = { region, ...shape, perCore, sliceBytes: slices[0] ?? 0, tile };
    this.matrices.set(name, matrix);
    return matrix;
  }

  /** Shape and containers of a matrix, or of its bands. */
  private matrixShape(name: string, type: QuantizedType): MatrixShape {
    const [rows, cols] = [staticDim(type.shape[0], name), staticDim(type.shape[1], name)];
    const bands = bandMatrices(type).map((band, index, all) => {
      const where = type.bands === undefined ? name : `${name}[${index}]`;
      const { codeBits, group, ...codes } = groupCodes(where, band.type);
      const keep = this.sparseChains ? codes.keep : 0;
      // The engine adds up a group in one go: it must end on a step of the inner length.
      const step = keep === 0 ? 8 : 16;
      if (group % step !== 0 && group < cols) {
        throw unsupportedFormat(
          where,
          `groups of a multiple of ${step} columns, or one group per row`,
          `groups of ${group}`,
        );
      }
      // So must a band: a tile is of one width.
      if (index < all.length - 1 && (band.cols % group !== 0 || band.type.scales[0].block[1] === 0)) {
        throw unsupportedFormat(where, `bands of whole groups of ${group} columns`, `${band.cols} columns`);
      }
      const own = {
        cols: band.cols,
        keep,
        bits: containerBits(codeBits, keep, this.device.matrix.weightBits),
      };
      this.requireEngine(where, own);
      return { ...own, group };
    });
    const [{ group, bits, keep }] = bands;
    const shape = { rows, cols, group, bits, keep };
    return type.bands === undefined ? shape : { ...shape, bands };
  }

  /** Refuses codes that the card's engine does not take. */
  private requireEngine(name: string, { bits, keep }: MatrixBand): void {
    const { weightBits, keeps } = this.device.matrix;
    if (!weightBits.includes(bits)) {
      throw new BitloomError({
        code: 'compiler-weight-unsupported',
        message: `the expander of '${this.device.name}' does not take ${bits}-bit codes`,
        where: `weight '${name}'`,
        expected: weightBits.join(', '),
        got: String(bits),
      });
    }
    if (keep !== 0 && !keeps.includes(keep)) {
      throw new BitloomError({
        code: 'compiler-weight-unsupported',
        message: `the chains of '${this.device.name}' do not select ${keep} of 16 values`,
        where: `weight '${name}'`,
        expected: keeps.length === 0 ? 'dense weights' : keeps.map((n) => `${n}:16`).join(', '),
        got: `${keep}:16`,
        hint: 'use a card with sparse chains, or --no-sparse-chains, which computes the zeros too',
      });
    }
  }

  private weightTile(name: string, shape: MatrixShape): WeightTile {
    const widths = bandsOf(shape).map(({ cols, bits, keep }) => `${cols} ${bits} ${keep}`);
    const key = `${shape.rows} ${shape.group} ${widths.join(' ')}`;
    const known = this.tiles.get(key);
    if (known !== undefined) return known;
    const slotBytes = ringSlotBytes(this.device, 'weights', weightSlots(this.device));
    const memory = findMemory(this.device, 'hbm');
    const bytesPerCycle =
      memory === undefined
        ? 1
        : (peakBytesPerSecond(memory) * memory.efficiency) / this.device.clockHz / this.device.cores;
    const tile = this.chooseTile(shape, slotBytes, bytesPerCycle, this.device);
    if (tile === undefined) {
      const least = Math.max(
        ...bandsOf(shape).map(({ cols, bits, keep }) =>
          weightTileBytes(bits, shape.group, keep, Math.min(shape.group, cols), 16),
        ),
      );
      throw new BitloomError({
        code: 'compiler-does-not-fit',
        message: 'a weight tile of 16 rows by one group is larger than a slot of the weight buffer',
        where: `weight '${name}'`,
        expected: `at most ${slotBytes} bytes`,
        got: `${least} bytes: short by ${least - slotBytes}`,
        hint: 'use a card with a larger weight buffer',
      });
    }
    this.tiles.set(key, tile);
    return tile;
  }

  /** A quantised table whose rows are gathered. */
  table(name: string): CodeTable {
    const known = this.tables.get(name);
    if (known !== undefined) return known;
    const constant = this.constant(name);
    if (constant === undefined || constant.type.kind !== 'quantized') {
      throw new BitloomError({
        code: 'compiler-weight-unsupported',
        message: `the table '${name}' is not quantised`,
        hint: 'quantise the model first',
      });
    }
    const { rows, cols, group, codeBits: bits } = groupCodes(name, constant.type);
    const rowBytes = Math.ceil((cols * bits) / 8);
    const scaleRowBytes = 2 * Math.ceil(cols / group);
    const codes = this.place(`${name}.codes`, this.smallSpace, rows * rowBytes, 'table', {
      from: 'constant',
      constant: name,
      component: 'codes',
      layout: 'canonical',
    });
    const scales = this.place(`${name}.scales`, this.smallSpace, rows * scaleRowBytes, 'table', {
      from: 'constant',
      constant: name,
      component: 'scales',
      layout: 'canonical',
    });
    const table = { codes, scales, rowBytes, scaleRowBytes, cols, bits, group };
    this.tables.set(name, table);
    return table;
  }

  /** A float32 constant: norm weights, biases, rotary tables, position tables. */
  floats32(name: string): Region {
    const known = this.floats.get(name);
    if (known !== undefined) return known;
    const constant = this.constant(name);
    if (constant === undefined || constant.type.kind !== 'dense' || constant.type.dtype !== 'f32') {
      throw new BitloomError({
        code: 'compiler-weight-unsupported',
        message: `'${name}' is not a float32 constant`,
        where: `constant '${name}'`,
        expected: 'f32',
        got:
          constant === undefined
            ? 'no such constant'
            : constant.type.kind === 'dense'
              ? constant.type.dtype
              : 'codes',
      });
    }
    const elements = constant.type.shape.reduce<number>((product, dim) => product * staticDim(dim, name), 1);
    const region = this.place(name, this.smallSpace, elements * 4, 'table', {
      from: 'constant',
      constant: name,
      component: 'data',
      layout: 'f32',
    });
    this.floats.set(name, region);
    return region;
  }

  /** A mask of blocks of scores: bytes [1 or heads, block rows, block columns], where they are known. */
  mask(name: string): {
    readonly region: Region;
    readonly heads: number;
    readonly rows: number;
    readonly cols: number;
    readonly seen: Uint8Array | undefined;
  } {
    const constant = this.constant(name);
    const { type } = constant ?? {};
    if (type?.kind !== 'dense' || type.dtype !== 'u8' || type.shape.length !== 3) {
      throw new BitloomError({
        code: 'compiler-op-unsupported',
        message: `the mask '${name}' of attention is not a constant of bytes`,
        expected: 'u8 [1 or heads, block rows, block columns]',
        got: type === undefined ? 'no such constant' : formatType(type),
      });
    }
    const [heads, rows, cols] = type.shape.map((dim) => staticDim(dim, name));
    const known = this.floats.get(name);
    const region =
      known ??
      this.place(name, this.smallSpace, heads * rows * cols, 'table', {
        from: 'constant',
        constant: name,
        component: 'data',
        layout: 'canonical',
      });
    this.floats.set(name, region);
    const section = constant?.components.data;
    const seen =
      section !== undefined && this.sections?.has(section) === true ? this.sections.read(section) : undefined;
    return { region, heads, rows, cols, seen };
  }

  /** Keys or values of one layer. */
  cache(name: string): CacheRegions {
    const known = this.caches.get(name);
    if (known !== undefined) return known;
    const state = this.model.states.find((s) => s.name === name);
    if (
      state === undefined ||
      state.type.kind !== 'quantized' ||
      state.type.element.kind !== 'int' ||
      !CACHE_BITS.includes(state.type.element.bits)
    ) {
      throw new BitloomError({
        code: 'compiler-numerics-unsupported',
        message: `the state '${name}' is not a KV cache of int8 or int4`,
        expected: 'a quantised state [heads, capacity, headDim]',
        got: state === undefined ? 'no such state' : formatType(state.type),
      });
    }
    const [heads, headDim] = [staticDim(state.type.shape[0], name), staticDim(state.type.shape[2], name)];
    const { bits } = state.type.element;
    const rowBytes = (headDim * bits) / 8;
    const { weightBits } = this.device.matrix;
    if (!Number.isInteger(rowBytes) || !weightBits.includes(bits)) {
      const isTorn = !Number.isInteger(rowBytes);
      throw new BitloomError({
        code: 'compiler-numerics-unsupported',
        message: `'${this.device.name}' cannot hold the state '${name}' as codes of ${bits} bits`,
        where: `state '${name}'`,
        expected: isTorn
          ? 'heads of an even width'
          : `an expander that takes ${weightBits.join(' or ')} bits`,
        got: isTorn ? `heads of ${headDim}` : `${bits} bits`,
        hint: 'choose the scheme without -KV4',
      });
    }
    const [codesHead, scalesHead] = [
      this.headBytes(this.capacity * rowBytes),
      this.headBytes(this.capacity * 4),
    ];
    const codes = this.place(`${name}.codes`, 'hbm', heads * codesHead, 'kv', { from: 'zeros' });
    const scales = this.place(`${name}.scales`, 'hbm', heads * scalesHead, 'kv', { from: 'zeros' });
    const cache = { codes, scales, heads, headDim, bits, rowBytes, codesHead, scalesHead };
    this.caches.set(name, cache);
    return cache;
  }

  /**
   * Distance of heads of `bytes` each, such that the same token of all heads is spread: over channels, by an odd number
   * of turns of the interleaving; and, where heads are longer than a row of every channel, over banks, by an odd number
   * of rows.
   */
  private headBytes(bytes: number): number {
    const memory = findMemory(this.device, 'hbm');
    if (memory === undefined || bytes < 2 * memory.interleaveBytes) return bytes;
    const { interleaveBytes, channels, dram } = memory;
    const odd = (count: number): number => count + 1 - (count % 2);
    const row = channels * dramRowBytes(dram);
    if (bytes < row) return odd(Math.ceil(bytes / interleaveBytes)) * interleaveBytes;
    return odd(Math.ceil(bytes / row)) * row + interleaveBytes;
  }

  /** A mailbox that the host reads or writes. */
  mailbox(name: string, purpose: 'input' | 'output', bytes: number): Region {
    const known = this.regions.find((region) => region.name === name);
    if (known === undefined) return this.place(name, this.smallSpace, bytes, purpose, { from: 'zeros' });
    if (known.bytes >= bytes) return known;
    throw new BitloomError({
      code: 'internal',
      message: `internal: mailbox '${name}' asked for with two sizes`,
    });
  }

  /** Memory for values that leave the chip between two nodes: `bytes` for each core. */
  scratch(name: string, bytes: number): Region {
    const known = this.regions.find((region) => region.name === name);
    if (known !== undefined && known.bytes === bytes * this.device.cores) return known;
    if (known !== undefined) throw internalError(`scratch '${name}' asked for with two sizes`);
    return this.place(name, 'hbm', bytes * this.device.cores, 'scratch', { from: 'zeros' });
  }

  private place(
    name: string,
    space: SpaceName,
    bytes: number,
    purpose: Region['purpose'],
    contents: Region['contents'],
  ): Region {
    const memory = findMemory(this.device, space);
    const offset = this.next.get(space) ?? 0;
    const size = memory === undefined ? 0 : memory.channels * memory.bytesPerChannel;
    const end = offset + Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    if (end > size) {
      throw new BitloomError({
        code: 'compiler-does-not-fit',
        message: `the model does not fit into the ${space} of '${this.device.name}'`,
        where: `region '${name}'`,
        expected: `at most ${size} bytes`,
        got: `${end} bytes: short by ${end - size}`,
        hint: 'use a narrower scheme, a shorter context (--context), or a card with more memory',
      });
    }
    this.next.set(space, end);
    const region: Region = { name, space, channel: STRIPED, offset, bytes, purpose, contents };
    this.regions.push(region);
    return region;
  }
}

/** Widths of containers in the layouts of dense and of sparse weights. */
const DENSE_WIDTHS: readonly number[] = [2, 3, 4, 5, 6, 8];
const SPARSE_WIDTHS: readonly number[] = [2, 3, 4, 8];

/**
 * Width of the container of codes: the narrowest that holds them and that the card expands. Every card is asked for 4
 * bits for what fits them, and for 8 otherwise, where it has nothing narrower.
 */
function containerBits(codeBits: number, keep: number, weightBits: readonly number[]): number {
  const widest = codeBits <= 4 ? 4 : 8;
  const widths = keep === 0 ? DENSE_WIDTHS : SPARSE_WIDTHS;
  return widths.find((bits) => bits >= codeBits && bits <= widest && weightBits.includes(bits)) ?? widest;
}

interface GroupCodes {
  readonly rows: number;
  readonly cols: number;
  readonly group: number;
  readonly keep: number;
  readonly codeBits: number;
}

/** Reads the one format of this path: symmetric integer codes, one level of fp16 multipliers per row and group. */
function groupCodes(name: string, type: QuantizedType): GroupCodes {
  const keep = keptOf16(type);
  const isPlain = type.sparsity === undefined ? type.layout === 'canonical' : type.layout.startsWith('nm.');
  if (!isGroupIntegers({ ...type, sparsity: undefined }) || keep === undefined || !isPlain) {
    throw unsupportedFormat(
      name,
      'symmetric integer codes of 2 to 8 bits, one level of fp16 multipliers per row and group, dense or N:M of 16 with one N, as `compression` writes them',
      formatType(type) +
        (type.sparsity === undefined ? '' : ', sparse') +
        (type.indexMap === undefined ? '' : ', with an index map'),
    );
  }
  const [rows, cols] = [staticDim(type.shape[0], name), staticDim(type.shape[1], name)];
  const [, block] = type.scales[0].block;
  return { rows, cols, group: block === 0 ? cols : block, keep, codeBits: type.element.bits };
}

/** Kept values of each 16 columns, one number for the whole matrix; 0 for a dense one, undefined for other sparsity. */
function keptOf16({ sparsity }: QuantizedType): number | undefined {
  if (sparsity === undefined) return 0;
  if (sparsity.kind !== 'n-of-m' || new Set(sparsity.keep).size !== 1) return undefined;
  const kept = (sparsity.keep[0] * 16) / sparsity.m;
  return 16 % sparsity.m === 0 && Number.isInteger(kept) ? kept : undefined;
}

/** Bytes of the rows of one core. */
function sliceBytes({ group }: MatrixShape, tile: WeightTile, rows: number): number {
  const ofTile = (count: number): number =>
    tile.kParts.reduce(
      (sum, { length, bits, keep }) => sum + weightTileBytes(bits, group, keep, length, count),
      0,
    );
  const whole = Math.floor(rows / tile.rows);
  return whole * ofTile(tile.rows) + (rows % tile.rows === 0 ? 0 : ofTile(rows % tile.rows));
}

/**
 * Name of the layout of a packed matrix: `rows16.u4.g128.t64x8`; in bands `banded.u4x16t8.s8k4x2t2.g128.t64`, with the
 * groups of each band and those of its tiles; `.c1376` behind either where cores have slices of so many rows.
 */
function weightLayout(shape: MatrixShape, tile: WeightTile, sliceRows: number): string {
  const { group, bands } = shape;
  const container = (bits: number): string => (bits === 8 ? 's8' : `u${bits}`);
  const tileGroups = (start: number): number => {
    const part = tile.kParts.find((one) => one.start === start);
    return Math.ceil((part?.length ?? shape.cols) / group);
  };
  const slice = sliceRows === 0 ? '' : `.c${sliceRows}`;
  if (bands === undefined) {
    const { bits, keep } = shape;
    const kept = keep === 0 ? '' : `.k${keep}`;
    return `${keep === 0 ? 'rows16' : 'sparse16'}.${container(bits)}.g${group}${kept}.t${tile.rows}x${tileGroups(0)}${slice}`;
  }
  let start = 0;
  const names = bands.map(({ cols, bits, keep }) => {
    const kept = keep === 0 ? '' : `k${keep}`;
    const name = `${container(bits)}${kept}x${Math.ceil(cols / group)}t${tileGroups(start)}`;
    start += cols;
    return name;
  });
  return `banded.${names.join('.')}.g${group}.t${tile.rows}${slice}`;
}

function unsupportedFormat(name: string, expected: string, got: string): BitloomError {
  return new BitloomError({
    code: 'compiler-weight-unsupported',
    message: `the format of weight '${name}' has no instruction on this path`,
    where: `constant '${name}'`,
    expected,
    got,
  });
}

/** Bytes of one slot of a ring that takes a whole buffer. */
export function ringSlotBytes(device: Device, space: string, slots: number): number {
  return Math.floor((findBuffer(device, space)?.bytes ?? 0) / slots / 64) * 64;
}

/** Address of a byte of a region. */
export function regionAddress(region: Region, offset: Expression): Address {
  return {
    space: region.space,
    channel: region.channel,
    register: REGISTER_OF[region.purpose],
    page: false,
    offset,
  };
}

function staticDim(dim: Expression | undefined, name: string): number {
  if (typeof dim === 'number') return dim;
  throw new BitloomError({
    code: 'compiler-shape-unsupported',
    message: `the constant or state '${name}' has a symbolic dimension where a number is needed`,
    where: name,
  });
}
