/**
 * Sections that are computed when they are read: codes and scales of quantised weights, and float16 tensors widened
 * to float32. Rows do not depend on each other, so any range costs only the rows it touches, and a model that does
 * not fit in memory can be quantised tensor by tensor. Same input, same bytes, whatever the ranges.
 */
import {
  componentBytes,
  type FixedQuantizedType,
  isRowLocal,
  type NmSparsity,
  packNmTensor,
  quantize,
} from '@bitloom/formats';
import {
  BitloomError,
  fillFromSection,
  missingSection,
  requireSectionRange,
  type SectionSource,
  type TensorScheme,
} from '@bitloom/ir';
import { type FloatDType, readFloats, takeColumns } from './dense-floats.js';
import { PRUNED_ROWS, pruneRows } from './prune-nm.js';

/** Elements quantised at a time: 4 MiB of float32. */
const STEP_ELEMENTS = 2 ** 20;

/** Where the float elements of a tensor come from. */
export interface FloatSource {
  /** Name of the constant, for errors. */
  readonly constant: string;
  readonly section: string;
  readonly dtype: FloatDType;
  /** Where the tensor is columns of a matrix: the first of them, the columns of a row of the matrix, and which band it is. */
  readonly band?: { readonly start: number; readonly of: number; readonly index: number };
}

/** A computed section. */
export interface ComputedSection {
  readonly byteLength: number;
  read(offset: number, length: number): Uint8Array;
}

/** Sections by name; what is not computed comes from `base`. */
export function layeredSections(
  base: SectionSource,
  computed: ReadonlyMap<string, ComputedSection>,
): SectionSource {
  return {
    has: (section) => computed.has(section) || base.has(section),
    byteLength: (section) => computed.get(section)?.byteLength ?? base.byteLength(section),
    read(section, offset = 0, length) {
      const own = computed.get(section);
      if (own === undefined) {
        if (!base.has(section)) throw missingSection(section, [...computed.keys()]);
        return base.read(section, offset, length);
      }
      const wanted = length ?? own.byteLength - offset;
      requireSectionRange(section, offset, wanted, own.byteLength);
      return own.read(offset, wanted);
    },
    readInto(section, offset, target) {
      const own = computed.get(section);
      if (own === undefined) {
        if (!base.has(section)) throw missingSection(section, [...computed.keys()]);
        fillFromSection(base, section, offset, target);
        return;
      }
      requireSectionRange(section, offset, target.length, own.byteLength);
      target.set(own.read(offset, target.length));
    },
  };
}

/** A tensor of `elements` elements as float32. */
export function widenedSection(base: SectionSource, source: FloatSource, elements: number): ComputedSection {
  return {
    byteLength: elements * 4,
    read(offset, length) {
      const first = Math.floor(offset / 4);
      const last = Math.ceil((offset + length) / 4);
      const floats = readFloats(base, source.section, source.dtype, first, last - first);
      return new Uint8Array(floats.buffer, floats.byteOffset + offset - first * 4, length);
    },
  };
}

/**
 * The component sections of a matrix under a scheme, pruned where a sparsity is given. They share what they compute: reading one leaves the others of
 * those rows behind in `cache`. Under a scheme whose scales lie within rows any range costs only the rows it touches;
 * under another one the whole matrix is quantised at the first read.
 */
export function quantizedSections(
  base: SectionSource,
  source: FloatSource,
  type: FixedQuantizedType,
  scheme: TensorScheme,
  cache: QuantizedCache,
  sparsity?: NmSparsity,
): Record<string, ComputedSection> {
  const { constant, section, dtype, band } = source;
  const [rows, cols] = type.shape;
  const sizes = componentBytes(type);
  const key = band === undefined ? constant : `${band.index} of ${constant}`;
  const step = isRowLocal(scheme) ? stepRows(cols, sparsity === undefined ? 1 : PRUNED_ROWS) : rows;
  const stepSizes = step >= rows ? sizes : componentBytes({ ...type, shape: [step, cols] });
  const quantizeRows = (first: number, last: number): Components => {
    try {
      const width = band?.of ?? cols;
      const floats = readFloats(base, section, dtype, first * width, (last - first) * width);
      const data = takeColumns(floats, width, band?.start ?? 0, cols);
      const shape = [last - first, cols];
      if (sparsity === undefined) return quantize({ data, shape }, scheme).components;
      const pruned = quantize({ data: pruneRows(data, shape, sparsity), shape }, scheme);
      return packNmTensor(pruned, sparsity).components;
    } catch (error) {
      throw inTensor(error, constant, first);
    }
  };
  const sectionOf = (component: string, byteLength: number): ComputedSection => {
    const stepBytes = stepSizes[component];
    return {
      byteLength,
      read(offset, length) {
        const out = new Uint8Array(length);
        if (length === 0) return out;
        // Steps lie on a fixed grid, so that ranges which follow each other meet the rows already computed.
        for (let index = Math.floor(offset / stepBytes); index * stepBytes < offset + length; index += 1) {
          const first = index * step;
          const bytes = cache.component(key, first, component, () =>
            quantizeRows(first, Math.min(rows, first + step)),
          );
          const at = index * stepBytes;
          const from = Math.max(0, offset - at);
          out.set(bytes.subarray(from, Math.min(bytes.length, offset + length - at)), at + from - offset);
        }
        return out;
      },
    };
  };
  return Object.fromEntries(
    Object.entries(sizes).map(([component, bytes]) => [component, sectionOf(component, bytes)]),
  );
}

/** Rows that are quantised at a time: whole `blocks` of them. */
function stepRows(cols: number, block: number): number {
  return Math.max(1, Math.floor(STEP_ELEMENTS / Math.max(1, cols) / block)) * block;
}

type Components = Readonly<Record<string, Uint8Array>>;

/** Components that hold a code per element: the large ones. */
const LARGE = new Set(['codes', 'blocks']);

/**
 * The last steps that were computed: the codes of a few (1 MiB each), the scales of many (64 KiB each at groups of 32),
 * so that a writer who takes all codes of a tensor and then all scales does not quantise it twice.
 */
export class QuantizedCache {
  readonly #large = new Map<string, Uint8Array>();
  readonly #small = new Map<string, Uint8Array>();

  component(constant: string, first: number, component: string, compute: () => Components): Uint8Array {
    const key = (name: string): string => `${first} ${name} ${constant}`;
    const known = (LARGE.has(component) ? this.#large : this.#small).get(key(component));
    if (known !== undefined) return known;
    const computed = compute();
    for (const [name, bytes] of Object.entries(computed)) {
      if (LARGE.has(name)) insert(this.#large, key(name), bytes, 8);
      else insert(this.#small, key(name), bytes, 2048);
    }
    return computed[component];
  }
}

/** Adds an entry and drops the oldest beyond `capacity`. */
function insert<T>(map: Map<string, T>, key: string, value: T, capacity: number): void {
  const [oldest] = map.keys();
  if (map.size >= capacity && oldest !== undefined) map.delete(oldest);
  map.set(key, value);
}

/** The same error, naming the tensor; rows count from its start. */
export function inTensor(error: unknown, constant: string, firstRow: number): unknown {
  if (!(error instanceof BitloomError) || error.code === 'internal') return error;
  const place = error.where === undefined ? '' : ` (${error.where}, counting from row ${firstRow})`;
  return new BitloomError({
    code: error.code,
    message: 'a tensor cannot be quantised',
    where: `constant '${constant}'${place}`,
    ...(error.expected === undefined ? {} : { expected: error.expected }),
    ...(error.got === undefined ? {} : { got: error.got }),
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    cause: error,
  });
}
