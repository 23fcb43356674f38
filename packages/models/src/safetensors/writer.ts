/**
 * Writes safetensors bytes. Equal inputs give equal bytes: entries are laid out in the order given, the header
 * is padded with spaces so that the data begin at a multiple of 8, as the format asks.
 */
import { BitloomError } from '@bitloom/ir';
import { checkedElementCount } from '../tensors/tensor-file.js';

/** A tensor to write: row-major, little-endian. */
export interface SafetensorsEntry {
  readonly name: string;
  readonly dtype: 'F32' | 'F16' | 'BF16' | 'F8_E4M3' | 'I64' | 'I32' | 'I8' | 'U8';
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

const ELEMENT_BYTES: Readonly<Record<SafetensorsEntry['dtype'], number>> = {
  F32: 4,
  F16: 2,
  BF16: 2,
  F8_E4M3: 1,
  I64: 8,
  I32: 4,
  I8: 1,
  U8: 1,
};

/** A float32 tensor as an entry; shares the array's memory. */
export function f32Entry(name: string, shape: readonly number[], values: Float32Array): SafetensorsEntry {
  return {
    name,
    dtype: 'F32',
    shape,
    data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  };
}

/**
 * The bytes of a safetensors file.
 * @param metadata string map stored as `__metadata__`
 * @throws BitloomError `safetensors-tensor-invalid` when data and shape differ in size or a name repeats
 */
export function writeSafetensors(
  entries: readonly SafetensorsEntry[],
  metadata?: Readonly<Record<string, string>>,
): Uint8Array {
  const header = new Map<string, unknown>();
  if (metadata !== undefined) header.set('__metadata__', metadata);
  let end = 0;
  for (const entry of entries) {
    checkEntry(entry, header.has(entry.name));
    const begin = end;
    end += entry.data.byteLength;
    header.set(entry.name, { dtype: entry.dtype, shape: entry.shape, data_offsets: [begin, end] });
  }
  const members = [...header].map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  const text = new TextEncoder().encode(`{${members.join(',')}}`);
  const headerLength = Math.ceil(text.byteLength / 8) * 8;
  const out = new Uint8Array(8 + headerLength + end);
  new DataView(out.buffer).setBigUint64(0, BigInt(headerLength), true);
  out.set(text, 8);
  out.fill(0x20, 8 + text.byteLength, 8 + headerLength);
  let at = 8 + headerLength;
  for (const entry of entries) {
    out.set(entry.data, at);
    at += entry.data.byteLength;
  }
  return out;
}

function checkEntry(entry: SafetensorsEntry, repeated: boolean): void {
  const count = checkedElementCount(entry.shape);
  const bytes = count === undefined ? undefined : count * ELEMENT_BYTES[entry.dtype];
  if (!repeated && bytes === entry.data.byteLength) return;
  throw new BitloomError({
    code: 'safetensors-tensor-invalid',
    message: repeated ? 'a tensor name is given twice' : 'data and shape of a tensor differ in size',
    where: `tensor '${entry.name}'`,
    expected: repeated ? 'each name once' : `${bytes ?? 'a safe number of'} bytes`,
    got: `${entry.data.byteLength} bytes`,
  });
}
