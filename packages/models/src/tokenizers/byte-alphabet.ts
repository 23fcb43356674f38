/**
 * The GPT-2 byte alphabet: a printable character for each byte, so that tokens over bytes can be stored as text.
 * Printable Latin-1 bytes stand for themselves, the other 68 are U+0100 and up, in order.
 */

/** The 256 characters, by byte. */
export function byteAlphabet(): string[] {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    return String.fromCharCode(printable ? byte : next++);
  });
}

/** The bytes a token in the alphabet stands for; characters outside it stand for their own UTF-8. */
export function bytesOfToken(token: string, byteOf: ReadonlyMap<string, number>): Uint8Array {
  const out: number[] = [];
  for (const character of token) {
    const byte = byteOf.get(character);
    if (byte !== undefined) out.push(byte);
    else out.push(...new TextEncoder().encode(character));
  }
  return Uint8Array.from(out);
}
