/**
 * Reads the tokenizer file of llama2.c: the longest token's length (int32), then for each token its score
 * (float32), its length in bytes (int32) and its bytes. The number of tokens is the model's. Spaces are plain
 * spaces; ids 0, 1, 2 are unknown, begin and end of text.
 */
import { BitloomError } from '@bitloom/ir';
import type { ByteSource } from '../bytes/byte-source.js';
import { Cursor } from '../bytes/cursor.js';
import { parseTokenizerRecord } from './records.js';
import { byteOfPiece } from './sentencepiece-bpe.js';
import { TOKEN_TYPE, type TokenizerRecord } from './tokenizer.js';

/** Longest token accepted, in bytes; llama2.c's own files have at most 27. */
const MAX_TOKEN_BYTES = 4096;

/**
 * Reads a llama2.c tokenizer file.
 * @param vocabSize number of tokens the model has; the file must hold exactly these. Without it the file decides.
 * @throws BitloomError `llama2c-tokenizer-truncated`, `llama2c-tokenizer-invalid`, `tokenizer-record-invalid`
 */
export async function readLlama2cTokenizer(source: ByteSource, vocabSize?: number): Promise<TokenizerRecord> {
  const cursor = new Cursor(source, 'llama2c-tokenizer-truncated');
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const pieces: string[] = [];
  const scores: number[] = [];
  const fail = (expected: string, got: string): never => {
    throw new BitloomError({
      code: 'llama2c-tokenizer-invalid',
      message: 'this is not the llama2.c tokenizer of the model',
      where: `${source.name} near byte ${cursor.position}, token ${pieces.length}`,
      expected,
      got,
      hint: 'take the tokenizer .bin that was exported with the model (llama2.c: python tokenizer.py -t ...)',
    });
  };
  await cursor.need(4, 'the header');
  const longest = cursor.i32();
  if (longest < 1 || longest > MAX_TOKEN_BYTES)
    fail(`a longest token of 1..${MAX_TOKEN_BYTES} bytes`, String(longest));
  while (cursor.remaining > 0) {
    if (vocabSize !== undefined && pieces.length === vocabSize) fail(`${vocabSize} tokens`, 'more');
    await cursor.need(8, `token ${pieces.length}`);
    scores.push(cursor.f32());
    const length = cursor.i32();
    if (length < 0 || length > longest) fail(`a token of 0..${longest} bytes`, String(length));
    await cursor.need(length, `token ${pieces.length}`);
    try {
      pieces.push(decoder.decode(cursor.bytes(length)));
    } catch {
      fail('UTF-8', 'other bytes');
    }
  }
  if (pieces.length < 3 || (vocabSize !== undefined && pieces.length !== vocabSize)) {
    fail(`${vocabSize ?? 'at least 3'} tokens`, String(pieces.length));
  }
  return parseTokenizerRecord({
    kind: 'sentencepiece-bpe',
    pieces,
    scores,
    types: pieces.map(tokenType),
    space: ' ',
    addSpacePrefix: true,
    bosId: 1,
    // run.c ends a text at the token that begins one: the models were trained on stories set apart by it.
    eosIds: [1, 2],
    unknownId: 0,
    addBos: true,
  });
}

function tokenType(piece: string, id: number): number {
  if (id === 0) return TOKEN_TYPE.unknown;
  if (id === 1 || id === 2) return TOKEN_TYPE.control;
  return byteOfPiece(piece) === undefined ? TOKEN_TYPE.normal : TOKEN_TYPE.byte;
}
