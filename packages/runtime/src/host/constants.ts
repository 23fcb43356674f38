/**
 * Constants in the arena: each is read from its sections once per form that some step asks for (float32, rows16
 * blocks, canonical table). Floats, blocks and tables come in pieces, so that a large tensor needs no second copy on
 * the way in; codes that become float32 are read whole, and weigh a fraction of what they become.
 */
import {
  canonicalRowBytes,
  componentBytes,
  decodeBf16Array,
  decodeFp16Array,
  denseNmType,
  dequantize,
  groupsPerRow,
  isNmLayout,
  packRows16,
  parseRows16LayoutId,
  ROWS16_BLOCK_ROWS,
  rows16BlockBytes,
  rows16Bytes,
  rows16ContainerBits,
} from '@bitloom/formats';
import {
  BitloomError,
  bandConstants,
  bandMatrices,
  type ConstantDecl,
  type DenseType,
  fillFromSection,
  formatType,
  internalError,
  isGroupIntegers,
  type ModelBundle,
  type QuantizedType,
} from '@bitloom/ir';
import type { Arena } from '@bitloom/kernels';
import { packSparseRows, type SparseMatrix, sparseMatrix } from './sparse-blocks.js';
import { type NodeIdentity, unsupportedNode } from './unsupported.js';

/** Bytes read from a section at a time: several chunks of a container, each of which is checked as a whole. */
const PIECE_BYTES = 2 * 2 ** 20;

/** A float32 tensor, row-major. */
export interface FloatConstant {
  readonly pointer: number;
  readonly shape: readonly number[];
}

/** A weight matrix [rows, cols] as rows16 blocks, or as those of sparse16. */
export interface BlockConstant {
  readonly pointer: number;
  readonly bytes: number;
  readonly rows: number;
  readonly cols: number;
  /** Width of the container: 2, 3, 4, 5, 6 or 8; of sparse16 4 or 8. */
  readonly bits: number;
  /** Columns per scale. */
  readonly group: number;
}

/** A band of a matrix, by the name under which the store knows it, and its first column. */
export interface BandName {
  readonly name: string;
  readonly start: number;
}

/** A tensor of bytes, row-major. */
export interface ByteConstant {
  readonly pointer: number;
  readonly shape: readonly number[];
}

/** A quantised matrix [rows, cols] in canonical layout. */
export interface TableConstant {
  readonly rows: number;
  readonly cols: number;
  readonly bits: number;
  readonly group: number;
  readonly codes: number;
  readonly codesRowBytes: number;
  /** fp16, `scalesRowBytes` per row. */
  readonly scales: number;
  readonly scalesRowBytes: number;
}

/** Group integers as the quantised type says them. */
interface GroupIntegers {
  readonly rows: number;
  readonly cols: number;
  readonly bits: number;
  readonly groupSize: number;
}

export class ConstantStore {
  readonly #bundle: ModelBundle;
  readonly #arena: Arena;
  readonly #declarations: ReadonlyMap<string, ConstantDecl>;
  readonly #bands = new Map<string, readonly BandName[]>();
  readonly #floats = new Map<string, FloatConstant>();
  readonly #blocks = new Map<string, BlockConstant>();
  readonly #sparse = new Map<string, BlockConstant>();
  readonly #bytes = new Map<string, ByteConstant>();
  readonly #tables = new Map<string, TableConstant>();

  constructor(bundle: ModelBundle, arena: Arena) {
    this.#bundle = bundle;
    this.#arena = arena;
    const { constants } = bundle.model;
    const declarations = new Map(constants.map((constant) => [constant.name, constant]));
    for (const constant of constants) {
      const parts = bandConstants(constant);
      if (parts === undefined || constant.type.kind !== 'quantized') continue;
      const starts = bandMatrices(constant.type).map(({ start }) => start);
      const own = parts.map((part, band) => {
        let { name } = part;
        while (declarations.has(name)) name += '_';
        declarations.set(name, { ...part, name });
        return { name, start: starts[band] };
      });
      this.#bands.set(constant.name, own);
    }
    this.#declarations = declarations;
  }

  /** What a matrix consists of along its columns: its bands in order, or itself. */
  bands(name: string): readonly BandName[] {
    return this.#bands.get(name) ?? [{ name, start: 0 }];
  }

  /** @throws BitloomError `internal` when the plan names a constant that is not there. */
  declaration(name: string): ConstantDecl {
    const found = this.#declarations.get(name);
    if (found === undefined) throw internalError(`the plan names a constant '${name}' that the model lacks`);
    return found;
  }

  /** Whether {@link table} can read a constant. */
  isTable(name: string): boolean {
    const { type } = this.declaration(name);
    return type.kind === 'quantized' && type.layout === 'canonical' && isGroupIntegers(type);
  }

  /** A float constant as float32; of a quantised one, the values it stands for. */
  float(name: string, user: NodeIdentity): FloatConstant {
    return remember(this.#floats, name, () => {
      const { type } = this.declaration(name);
      if (type.kind === 'quantized') return this.#dequantized(name, type);
      if (type.kind !== 'dense' || (type.dtype !== 'f32' && type.dtype !== 'f16' && type.dtype !== 'bf16')) {
        throw unsupportedNode(user, `constant '${name}' as a dense float tensor`, formatType(type));
      }
      const shape = numericShape(name, type.shape);
      return {
        pointer: this.#loadFloats(
          name,
          type,
          shape.reduce((a, b) => a * b, 1),
        ),
        shape,
      };
    });
  }

  /** A quantised weight matrix in the layout of the products. */
  blocks(name: string, user: NodeIdentity): BlockConstant {
    return remember(this.#blocks, name, () => {
      const { type } = this.declaration(name);
      if (type.kind !== 'quantized')
        throw unsupportedNode(user, `constant '${name}' quantised`, formatType(type));
      const matrix = groupIntegers(name, type, user);
      const bits = rows16ContainerBits(matrix.bits);
      const { rows, cols, groupSize: group } = matrix;
      const pointer = this.#loadBlocks(name, type, matrix, user);
      return { pointer, bytes: rows16Bytes(matrix), rows, cols, bits, group };
    });
  }

  /** A dense tensor of bytes. */
  bytes(name: string, user: NodeIdentity): ByteConstant {
    return remember(this.#bytes, name, () => {
      const { type } = this.declaration(name);
      if (type.kind !== 'dense' || type.dtype !== 'u8')
        throw unsupportedNode(user, `constant '${name}' of bytes`, formatType(type));
      const shape = numericShape(name, type.shape);
      const count = shape.reduce((a, b) => a * b, 1);
      return { pointer: this.#loadBytes(this.#section(name, 'data', count), count), shape };
    });
  }

  /** Whether {@link sparse} is how products read a constant. */
  isSparse(name: string): boolean {
    const { type } = this.declaration(name);
    return type.kind === 'quantized' && type.sparsity !== undefined;
  }

  /** A quantised weight matrix of N:M sparsity in the layout of the sparse products. */
  sparse(name: string, user: NodeIdentity): BlockConstant {
    return remember(this.#sparse, name, () => {
      const { type } = this.declaration(name);
      if (type.kind !== 'quantized' || !isNmLayout(type))
        throw unsupportedNode(user, `constant '${name}' of N:M sparsity in layout nm`, formatType(type));
      const fixed = { ...type, shape: numericShape(name, type.shape) };
      const matrix = groupIntegers(name, denseNmType(fixed), user);
      const scaleBytes = groupsPerRow(matrix) * 2;
      const scaleSection = this.#section(name, 'scales', matrix.rows * scaleBytes);
      const codes = this.#bundle.sections.read(this.#anySection(name, 'codes'));
      const sparse = sparseMatrix(fixed, matrix.groupSize, codes, (expected, got) =>
        unsupportedNode(user, `constant '${name}' ${expected}`, got),
      );
      return { ...this.#loadSparse(sparse, scaleSection, scaleBytes), ...sparse.container };
    });
  }

  /** A quantised matrix as a look-up table. */
  table(name: string, user: NodeIdentity): TableConstant {
    return remember(this.#tables, name, () => {
      const { type } = this.declaration(name);
      if (type.kind !== 'quantized')
        throw unsupportedNode(user, `constant '${name}' quantised`, formatType(type));
      if (type.layout !== 'canonical')
        throw unsupportedNode(user, `constant '${name}' in layout canonical`, type.layout);
      const matrix = groupIntegers(name, type, user);
      const { rows, cols, bits, groupSize: group } = matrix;
      const codesRowBytes = canonicalRowBytes(matrix);
      const scalesRowBytes = groupsPerRow(matrix) * 2;
      const codes = this.#loadBytes(this.#section(name, 'codes', rows * codesRowBytes), rows * codesRowBytes);
      const scales = this.#loadBytes(
        this.#section(name, 'scales', rows * scalesRowBytes),
        rows * scalesRowBytes,
      );
      return { rows, cols, bits, group, codes, codesRowBytes, scales, scalesRowBytes };
    });
  }

  /** Drops every constant at or above an address, whose memory is about to be released. */
  forget(mark: number): void {
    for (const cache of [this.#floats, this.#blocks, this.#sparse, this.#bytes]) {
      for (const [name, { pointer }] of cache) if (pointer >= mark) cache.delete(name);
    }
    for (const [name, { codes }] of this.#tables) if (codes >= mark) this.#tables.delete(name);
  }

  #dequantized(name: string, type: QuantizedType): FloatConstant {
    const shape = numericShape(name, type.shape);
    const fixed = { ...type, shape };
    const components = Object.fromEntries(
      Object.entries(componentBytes(fixed)).map(([component, bytes]) => [
        component,
        this.#bundle.sections.read(this.#section(name, component, bytes)),
      ]),
    );
    const count = shape.reduce((a, b) => a * b, 1);
    const pointer = this.#arena.alloc(count * 4);
    dequantize({ type: fixed, components }, this.#arena.f32.subarray(pointer / 4, pointer / 4 + count));
    return { pointer, shape };
  }

  #loadFloats(name: string, type: DenseType, count: number): number {
    const pointer = this.#arena.alloc(count * 4);
    if (type.dtype === 'f32') {
      this.#copyBytes(this.#section(name, 'data', count * 4), pointer, count * 4);
      return pointer;
    }
    const section = this.#section(name, 'data', count * 2);
    for (let at = 0; at < count; at += PIECE_BYTES / 2) {
      const length = Math.min(PIECE_BYTES / 2, count - at);
      const codes = asUint16(this.#bundle.sections.read(section, at * 2, length * 2));
      const target = this.#arena.f32.subarray(pointer / 4 + at, pointer / 4 + at + length);
      target.set(type.dtype === 'f16' ? decodeFp16Array(codes) : decodeBf16Array(codes));
    }
    return pointer;
  }

  #loadBlocks(name: string, type: QuantizedType, matrix: GroupIntegers, user: NodeIdentity): number {
    const { rows, cols, bits, groupSize } = matrix;
    const bytes = rows16Bytes(matrix);
    if (type.layout !== 'canonical') {
      const layout = parseRows16LayoutId(type.layout);
      if (layout?.containerBits !== rows16ContainerBits(bits) || layout.groupSize !== groupSize) {
        throw unsupportedNode(user, `constant '${name}' in layout canonical or rows16`, type.layout);
      }
      return this.#loadBytes(this.#section(name, 'blocks', bytes), bytes);
    }
    const pointer = this.#arena.alloc(bytes);
    const blockBytes = rows16BlockBytes(bits, cols, groupSize);
    const codeBytes = canonicalRowBytes(matrix);
    const scaleBytes = groupsPerRow(matrix) * 2;
    const codes = this.#section(name, 'codes', rows * codeBytes);
    const scales = this.#section(name, 'scales', rows * scaleBytes);
    const blocks = Math.max(1, Math.floor(PIECE_BYTES / Math.max(1, blockBytes)));
    const step = Math.min(rows, blocks * ROWS16_BLOCK_ROWS);
    const codeRoom = new Uint8Array(step * codeBytes);
    const scaleRoom = new Uint16Array((step * scaleBytes) / 2);
    for (let row = 0; row < rows; row += step) {
      const count = Math.min(step, rows - row);
      const piece = {
        rows: count,
        cols,
        bits,
        groupSize,
        codes: codeRoom.subarray(0, count * codeBytes),
        scales: scaleRoom.subarray(0, (count * scaleBytes) / 2),
      };
      fillFromSection(this.#bundle.sections, codes, row * codeBytes, piece.codes);
      fillFromSection(this.#bundle.sections, scales, row * scaleBytes, asBytes(piece.scales));
      const at = pointer + (row / ROWS16_BLOCK_ROWS) * blockBytes;
      packRows16(piece, {}, this.#arena.u8.subarray(at, at + rows16Bytes(piece)));
    }
    return pointer;
  }

  #loadSparse(
    sparse: SparseMatrix,
    scaleSection: string,
    scaleBytes: number,
  ): Pick<BlockConstant, 'pointer' | 'bytes'> {
    const { bytes, stepRows, container } = sparse;
    const pointer = this.#arena.alloc(bytes);
    for (let row = 0; row < container.rows; row += stepRows) {
      const count = Math.min(stepRows, container.rows - row);
      const scales = new Uint16Array((count * scaleBytes) / 2);
      fillFromSection(this.#bundle.sections, scaleSection, row * scaleBytes, asBytes(scales));
      packSparseRows(sparse, row, scales, this.#arena.u8.subarray(pointer, pointer + bytes));
    }
    return { pointer, bytes };
  }

  #loadBytes(section: string, bytes: number): number {
    const pointer = this.#arena.alloc(bytes);
    this.#copyBytes(section, pointer, bytes);
    return pointer;
  }

  #copyBytes(section: string, pointer: number, bytes: number): void {
    for (let at = 0; at < bytes; at += PIECE_BYTES) {
      const end = Math.min(bytes, at + PIECE_BYTES);
      fillFromSection(
        this.#bundle.sections,
        section,
        at,
        this.#arena.u8.subarray(pointer + at, pointer + end),
      );
    }
  }

  /** Section of a component, checked for its length. */
  #section(name: string, component: string, bytes: number): string {
    const section = this.#anySection(name, component);
    const got = this.#bundle.sections.byteLength(section);
    if (got !== bytes) {
      throw new BitloomError({
        code: 'constant-length',
        message: `the bytes of a constant do not have the length its type asks for`,
        where: `constant '${name}', section '${section}'`,
        expected: `${bytes} bytes`,
        got: `${got} bytes`,
        hint: 'the artefact is damaged; write it again',
      });
    }
    return section;
  }

  /** Section of a component. */
  #anySection(name: string, component: string): string {
    const { components } = this.declaration(name);
    const section = Object.hasOwn(components, component) ? components[component] : undefined;
    if (section === undefined) {
      throw new BitloomError({
        code: 'constant-component-missing',
        message: `a constant has no bytes for its component '${component}'`,
        where: `constant '${name}'`,
        expected: component,
        got: Object.keys(components).join(', ') || 'none (shape-only)',
        hint: 'import the model with its weights',
      });
    }
    return section;
  }
}

function remember<T>(cache: Map<string, T>, name: string, make: () => T): T {
  const known = cache.get(name);
  if (known !== undefined) return known;
  const made = make();
  cache.set(name, made);
  return made;
}

/** A shape without symbols, as constants have. */
export function numericShape(name: string, shape: DenseType['shape']): readonly number[] {
  return shape.map((dimension) => {
    if (typeof dimension === 'number') return dimension;
    throw internalError(`constant '${name}' has a symbolic dimension`);
  });
}

/** Symmetric integers with one fp16 multiplier per group of columns; anything else is refused. */
function groupIntegers(name: string, type: QuantizedType, user: NodeIdentity): GroupIntegers {
  const [rows, cols] = numericShape(name, type.shape);
  if (!isGroupIntegers(type)) {
    throw unsupportedNode(
      user,
      `constant '${name}' as symmetric integers of 2 to 8 bits with one fp16 scale per group of columns`,
      formatType(type),
    );
  }
  const [scale] = type.scales;
  return { rows, cols, bits: type.element.bits, groupSize: scale.block[1] === 0 ? cols : scale.block[1] };
}

/** The bytes of fp16 patterns, little-endian as on every machine that runs JavaScript today. */
function asBytes(halves: Uint16Array): Uint8Array {
  return new Uint8Array(halves.buffer, halves.byteOffset, halves.byteLength);
}

/** Bytes as little-endian uint16; copies only where they are misaligned. */
function asUint16(bytes: Uint8Array): Uint16Array {
  const aligned = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice();
  return new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 2);
}
