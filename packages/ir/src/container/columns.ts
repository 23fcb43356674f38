/**
 * Arrays of numbers as little-endian bytes, whatever the machine's own order.
 */
import { BitloomError } from '../error.js';
import type { SectionSource } from '../model/graph.js';

export type Column = Uint8Array | Int32Array | Uint32Array | Float64Array;

/** Makes typed arrays over a buffer. */
export interface ColumnType<T extends Column> {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer): T;
}

/** Whether this machine keeps the low byte of a number first. */
export function isLittleEndianMachine(): boolean {
  return new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
}

/** The bytes of a column: a view on little-endian machines. */
export function columnBytes(column: Column, isLittleEndian = isLittleEndianMachine()): Uint8Array {
  const bytes = new Uint8Array(column.buffer, column.byteOffset, column.byteLength);
  return isLittleEndian ? bytes : swapped(bytes, column.BYTES_PER_ELEMENT);
}

/**
 * A column of `rows` numbers from a section.
 *
 * @throws BitloomError `section-missing`, `container-column`
 */
export function readColumn<T extends Column>(
  sections: SectionSource,
  section: string,
  rows: number,
  type: ColumnType<T>,
  isLittleEndian = isLittleEndianMachine(),
): T {
  const byteLength = rows * type.BYTES_PER_ELEMENT;
  if (sections.byteLength(section) !== byteLength) {
    throw new BitloomError({
      code: 'container-column',
      message: 'a column does not have as many rows as the header says',
      where: `section '${section}'`,
      expected: `${rows} rows of ${type.BYTES_PER_ELEMENT} bytes`,
      got: `${sections.byteLength(section)} bytes`,
    });
  }
  // A copy: views of the file may start anywhere, and typed arrays may not.
  const bytes = isLittleEndian
    ? new Uint8Array(sections.read(section))
    : swapped(sections.read(section), type.BYTES_PER_ELEMENT);
  return new type(bytes.buffer);
}

/** Every element with its bytes in reverse, in a buffer of its own. */
function swapped(bytes: Uint8Array, width: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(bytes.byteLength);
  for (let start = 0; start < bytes.byteLength; start += width) {
    for (let i = 0; i < width; i++) out[start + i] = bytes[start + width - 1 - i];
  }
  return out;
}
