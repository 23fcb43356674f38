/**
 * Sections that are computed when they are read: codes and scales of quantised weights, and float16 tensors widened
 * to float32. Rows do not depend on each other, so any range costs only the rows it touches, and a model that does
 * not fit in memory can be quantised tensor by tensor. Same input, same bytes, whatever the ranges.
 */
import { type GroupShape, groupsPerRow, packCanonical, quantizeGroups } from '@bitloom/formats';
import { BitloomError, missingSection, requireSectionRange, type SectionSource } from '@bitloom/ir';
import { type FloatDType, readFloats } from './dense-floats.js';

/** Elements quantised at a time: 4 MiB of float32. */
const STEP_ELEMENTS = 2 ** 20;

/** Where the float elements of a tensor come from. */
export interface FloatSource {
  /** Name of the constant, for errors. */
  readonly constant: string;
  readonly section: string;
  readonly dtype: FloatDType;
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
 * The two sections of a matrix quantised by rounding. They share what they compute: reading the codes leaves the
 * scales of those rows behind in `cache`.
 */
export function quantizedSections(
  base: SectionSource,
  source: FloatSource,
  shape: GroupShape,
  cache: QuantizedCache,
): { readonly codes: ComputedSection; readonly scales: ComputedSection } {
  const groups = groupsPerRow(shape);
  const rowBytes = Math.ceil((shape.cols * shape.bits) / 8);
  const quantizeRows = (first: number, last: number): QuantizedRows => {
    try {
      const values = readFloats(
        base,
        source.section,
        source.dtype,
        first * shape.cols,
        (last - first) * shape.cols,
      );
      const { codes, scales } = packCanonical(quantizeGroups(values, { ...shape, rows: last - first }));
      return { codes, scales };
    } catch (error) {
      throw inTensor(error, source.constant, first);
    }
  };
  const step = Math.max(1, Math.floor(STEP_ELEMENTS / Math.max(1, shape.cols)));
  const component = (
    bytesPerRow: number,
    bytesOf: (first: number, last: number) => Uint8Array,
  ): ComputedSection => ({
    byteLength: shape.rows * bytesPerRow,
    read(offset, length) {
      const out = new Uint8Array(length);
      // Steps lie on a fixed grid, so that ranges which follow each other meet the rows already computed.
      const start = Math.floor(offset / bytesPerRow / step) * step;
      for (let first = start; first * bytesPerRow < offset + length; first += step) {
        const bytes = bytesOf(first, Math.min(shape.rows, first + step));
        const at = first * bytesPerRow;
        const from = Math.max(0, offset - at);
        const to = Math.min(bytes.length, offset + length - at);
        out.set(bytes.subarray(from, to), at + from - offset);
      }
      return out;
    },
  });
  const { constant } = source;
  return {
    codes: component(rowBytes, (first, last) =>
      cache.codes(constant, first, () => quantizeRows(first, last)),
    ),
    scales: component(groups * 2, (first, last) => {
      const scales = cache.scales(constant, first, () => quantizeRows(first, last));
      return new Uint8Array(scales.buffer, scales.byteOffset, scales.byteLength);
    }),
  };
}

/** Consecutive rows of a matrix, quantised. */
interface QuantizedRows {
  readonly codes: Uint8Array;
  readonly scales: Uint16Array;
}

/**
 * The last steps that were computed: codes of a few (1 MiB each), scales of many (64 KiB each at groups of 32), so
 * that a writer who takes all codes of a tensor and then all scales does not quantise it twice.
 */
export class QuantizedCache {
  readonly #codes = new Map<string, Uint8Array>();
  readonly #scales = new Map<string, Uint16Array>();

  codes(constant: string, first: number, compute: () => QuantizedRows): Uint8Array {
    const key = `${first} ${constant}`;
    return this.#codes.get(key) ?? this.#keep(key, compute()).codes;
  }

  scales(constant: string, first: number, compute: () => QuantizedRows): Uint16Array {
    const key = `${first} ${constant}`;
    return this.#scales.get(key) ?? this.#keep(key, compute()).scales;
  }

  #keep(key: string, rows: QuantizedRows): QuantizedRows {
    insert(this.#codes, key, rows.codes, 8);
    insert(this.#scales, key, rows.scales, 1024);
    return rows;
  }
}

/** Adds an entry and drops the oldest beyond `capacity`. */
function insert<T>(map: Map<string, T>, key: string, value: T, capacity: number): void {
  const [oldest] = map.keys();
  if (map.size >= capacity && oldest !== undefined) map.delete(oldest);
  map.set(key, value);
}

/** The same error, naming the tensor; rows count from its start. */
function inTensor(error: unknown, constant: string, firstRow: number): unknown {
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
