/**
 * The small model of the demo: the trained stories260K where the test data are, otherwise a seeded random model of
 * the same shape with a vocabulary of made-up syllables. Bitloom ships no trained model of its own yet.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ModelBundle } from '@bitloom/ir';
import {
  createTokenizer,
  type DecoderConfig,
  randomDecoder,
  type SentencePieceRecord,
  TOKEN_TYPE,
  type Tokenizer,
} from '@bitloom/models';
import { openModel } from '@bitloom/models/node';

export interface DemoModel {
  readonly bundle: ModelBundle;
  readonly tokenizer: Tokenizer;
  readonly parameters: number;
  /** Whether its text means anything. */
  readonly trained: boolean;
  /** Where it comes from, for people. */
  readonly source: string;
  close(): void;
}

/** Where the test data are looked for: `BITLOOM_DATA`, or beside the repository. */
export function demoDataFolder(env: NodeJS.ProcessEnv): string {
  return join(env.BITLOOM_DATA || join('..', 'shared', 'data'), 'stories260K');
}

/** @param folder of stories260K; a random model is made when it is not there */
export async function openDemoModel(folder: string): Promise<DemoModel> {
  const [weights, vocabulary] = [join(folder, 'stories260K.bin'), join(folder, 'tok512.bin')];
  if (!existsSync(weights) || !existsSync(vocabulary)) return randomModel(folder);
  const open = await openModel(weights, { tokenizer: vocabulary });
  if (open.tokenizer === undefined) return randomModel(folder);
  return {
    bundle: open,
    tokenizer: open.tokenizer,
    parameters: Number(open.model.metadata.parameters),
    trained: true,
    source: `trained, from ${weights}`,
    close: open.close,
  };
}

/** The shape of stories260K. */
const SHAPE: DecoderConfig = {
  family: 'llama',
  vocabSize: 512,
  layers: 5,
  width: 64,
  heads: 8,
  kvHeads: 4,
  headDim: 8,
  hiddenWidth: 172,
  norm: { kind: 'rms', epsilon: 1e-5 },
  positions: { kind: 'rope', theta: 10000, layout: 'interleaved', scaling: { kind: 'none' } },
  biases: { qkv: false, output: false, feedForward: false },
  feedForward: { gated: true, activation: 'silu' },
  tiedEmbeddings: true,
  maxPositions: 512,
};
const SEED = 1;

function randomModel(folder: string): DemoModel {
  const bundle = randomDecoder(SHAPE, { seed: SEED, name: 'random260K' });
  return {
    bundle,
    tokenizer: createTokenizer(syllables(SHAPE.vocabSize)),
    parameters: Number(bundle.model.metadata.parameters),
    trained: false,
    source: `random weights (seed ${SEED}), because there is no ${folder}: its text means nothing`,
    close: () => {},
  };
}

/** A vocabulary of syllables, every second one with a space in front. */
function syllables(size: number): SentencePieceRecord {
  const consonants = [...'bdfghjklmnprstvz', 'ch', 'sh'];
  const [vowels, endings] = ['aeiou', ['', 'l', 'm', 'n', 'r', 's']];
  const names = consonants.flatMap((consonant) =>
    [...vowels].flatMap((vowel) => endings.map((ending) => consonant + vowel + ending)),
  );
  const special = ['<unk>', '<s>', '</s>'];
  const pieces = names
    .slice(0, size - special.length)
    .map((name, i) => (i % 2 === 0 ? `\u2581${name}` : name));
  const all = [...special, ...pieces];
  return {
    kind: 'sentencepiece-bpe',
    bosId: 1,
    eosIds: [2],
    unknownId: 0,
    addBos: true,
    pieces: all,
    scores: all.map((_, i) => -i),
    types: all.map((_, id) => {
      if (id === 0) return TOKEN_TYPE.unknown;
      return id < special.length ? TOKEN_TYPE.control : TOKEN_TYPE.normal;
    }),
    space: '\u2581',
    addSpacePrefix: true,
  };
}
