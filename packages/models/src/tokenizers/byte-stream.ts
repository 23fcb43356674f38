/** Joins the bytes of tokens into text without ever splitting a character. */
import type { StreamDecoder } from './tokenizer.js';

/**
 * A stream decoder over bytes. Bytes that are no UTF-8 come out as U+FFFD, the rest is kept.
 * @param bytesOf the bytes a token adds; called once for each token, in order
 */
export function byteStream(bytesOf: (id: number) => Uint8Array): StreamDecoder {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  return {
    push: (id) => decoder.decode(bytesOf(id), { stream: true }),
    end: () => decoder.decode(),
  };
}

/** Decodes all of `ids` through a stream. */
export function decodeAll(stream: StreamDecoder, ids: readonly number[]): string {
  let text = '';
  for (const id of ids) text += stream.push(id);
  return text + stream.end();
}

/** Lone surrogates as U+FFFD: what UTF-8 would make of them. */
export function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd');
}
