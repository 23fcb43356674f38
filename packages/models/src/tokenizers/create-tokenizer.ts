/** Makes a tokenizer from its record. */
import { ByteLevelBpe } from './byte-level-bpe.js';
import { HfJsonTokenizer } from './hf-json.js';
import { parseTokenizerRecord } from './records.js';
import { SentencePieceBpe } from './sentencepiece-bpe.js';
import type { Tokenizer } from './tokenizer.js';

/**
 * The tokenizer a record describes. The record may come from a file: it is checked.
 * @throws BitloomError `tokenizer-record-invalid`, `pre-tokenizer-unknown`, `tokenizer-json-invalid`
 */
export function createTokenizer(record: unknown): Tokenizer {
  const checked = parseTokenizerRecord(record);
  switch (checked.kind) {
    case 'sentencepiece-bpe':
      return new SentencePieceBpe(checked);
    case 'byte-level-bpe':
      return new ByteLevelBpe(checked);
    case 'hf-json':
      return new HfJsonTokenizer(checked);
  }
}
