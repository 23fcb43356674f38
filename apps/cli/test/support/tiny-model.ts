/** A tiny random Llama with a tokenizer, as a model artefact, so that the tests need no data from outside. */
import { writeModel } from '@bitloom/ir/node';
import { type DecoderConfig, randomDecoder, type SentencePieceRecord, TOKEN_TYPE } from '@bitloom/models';

const PIECES = ['<unk>', '<s>', '</s>', ...'abcdefghijklmnopqrstuvwxyz,.', '\u2581', '\u2581the', '\u2581a'];

const RECORD: SentencePieceRecord = {
  kind: 'sentencepiece-bpe',
  bosId: 1,
  eosIds: [2],
  unknownId: 0,
  addBos: true,
  pieces: PIECES,
  scores: PIECES.map((_, i) => -i),
  types: PIECES.map((_, id) => {
    if (id === 0) return TOKEN_TYPE.unknown;
    return id < 3 ? TOKEN_TYPE.control : TOKEN_TYPE.normal;
  }),
  space: '\u2581',
  addSpacePrefix: true,
};

/** FFN width and head size are no multiples of a tile. */
export const TINY: DecoderConfig = {
  family: 'llama',
  vocabSize: PIECES.length,
  layers: 2,
  width: 48,
  heads: 6,
  kvHeads: 2,
  headDim: 8,
  hiddenWidth: 76,
  norm: { kind: 'rms', epsilon: 1e-5 },
  positions: { kind: 'rope', theta: 10000, layout: 'half', scaling: { kind: 'none' } },
  biases: { qkv: false, output: false, feedForward: false },
  feedForward: { gated: true, activation: 'silu' },
  tiedEmbeddings: false,
  maxPositions: 64,
};

/** Writes the tiny model, or another one with its vocabulary, to `path`. */
export function writeTinyModel(path: string, config: DecoderConfig = TINY): void {
  const text = { tokenizer: { ...RECORD }, bosId: 1, eosIds: [2] };
  writeModel(path, randomDecoder(config, { seed: 7, name: 'tiny', text }));
}
