/** The values of all codes of a narrow format, as a table. */
import { BitloomError, type ElementFormat } from '@bitloom/ir';
import { codeCount, decodeElement } from './decode-element.js';

/**
 * Value of every code of a format of at most 16 bits, 2^bits of them; NaN for codes that a code book leaves out. NaNs
 * are quiet and have the sign of their code.
 *
 * @throws BitloomError `format-record` for more bits
 */
export function decodeTable(format: ElementFormat): Float32Array {
  if (!(format.bits <= 16)) {
    throw new BitloomError({
      code: 'format-record',
      message: `a table of the values of ${format.name} would be too long`,
      expected: 'a format of at most 16 bits',
      got: `${format.bits} bits`,
      hint: 'decode its codes instead',
    });
  }
  const size = 2 ** format.bits;
  const count = codeCount(format);
  const table = new Float32Array(size);
  const bits = new Uint32Array(table.buffer);
  for (let code = 0; code < size; code += 1) {
    const value = code < count ? decodeElement(code, format) : Number.NaN;
    if (Number.isNaN(value)) bits[code] = format.signed && code >= size / 2 ? 0xffc00000 : 0x7fc00000;
    else table[code] = value;
  }
  return table;
}
