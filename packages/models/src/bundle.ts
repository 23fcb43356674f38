/** From a checkpoint to a model with its weights: the graph, lazy sections and what a user of text needs. */
import { BitloomError, type ConstantDecl, type ModelBundle, type TextInterface } from '@bitloom/ir';
import { buildDecoder, decoderContext } from './decoder/build-decoder.js';
import type { DecoderConfig } from './decoder/decoder-config.js';
import { storedConstants, weightSections } from './decoder/weights.js';
import type { Checkpoint } from './families/checkpoint.js';
import { createTokenizer } from './tokenizers/create-tokenizer.js';
import type { Tokenizer, TokenizerRecord } from './tokenizers/tokenizer.js';

/** A model that is open: its sections are read from files as they are asked for, until `close`. */
export interface OpenModel extends ModelBundle {
  /** Configuration, where the model came from a checkpoint or the zoo. */
  readonly config?: DecoderConfig;
  /** Absent where no tokenizer was found or given. */
  readonly tokenizer?: Tokenizer;
  /**
   * Matrices that the file keeps as symmetric group integers (GGUF's Q4_0 and Q8_0): declarations over the sections of
   * this model, by name, each as good as the float32 constant of that name. Nothing is read before a section is.
   */
  readonly stored?: ReadonlyMap<string, ConstantDecl>;
  close(): void;
}

export interface BundleOptions {
  readonly name: string;
  /** Longest sequence to make room for. */
  readonly context?: number;
  readonly tokenizer?: TokenizerRecord;
  readonly chatTemplate?: string;
  /** Format the checkpoint came in, for people. */
  readonly format: string;
}

/**
 * The model of a checkpoint.
 * @throws BitloomError `tokenizer-vocabulary-mismatch`, `model-config-invalid`, and what the tokenizer throws
 */
export function bundleCheckpoint(checkpoint: Checkpoint, options: BundleOptions): OpenModel {
  const { config } = checkpoint;
  const context = decoderContext(config, options.context);
  const tokenizer = options.tokenizer === undefined ? undefined : createTokenizer(options.tokenizer);
  if (tokenizer !== undefined) requireVocabulary(tokenizer, config.vocabSize, checkpoint.name);
  const text = textInterface(tokenizer, options.chatTemplate);
  const model = buildDecoder(config, {
    name: options.name,
    context,
    ...(text === undefined ? {} : { text }),
    metadata: { format: options.format, ...checkpoint.facts },
  });
  const weights = checkpoint.weights(context);
  const stored = storedConstants(weights);
  return {
    model,
    sections: weightSections(weights),
    config,
    ...(stored.size === 0 ? {} : { stored }),
    ...(tokenizer === undefined ? {} : { tokenizer }),
    close: () => checkpoint.close(),
  };
}

/** What a model carries of its tokenizer and chat template. */
export function textInterface(
  tokenizer: Tokenizer | undefined,
  chatTemplate: string | undefined,
): TextInterface | undefined {
  if (tokenizer === undefined && chatTemplate === undefined) return undefined;
  return {
    ...(tokenizer === undefined ? {} : { tokenizer: { ...tokenizer.toJSON() } }),
    ...(chatTemplate === undefined ? {} : { chatTemplate }),
    ...(tokenizer?.bosId === undefined ? {} : { bosId: tokenizer.bosId }),
    eosIds: tokenizer?.eosIds ?? [],
  };
}

/**
 * A tokenizer must not give ids the model has no row for. It may have fewer: many models pad their embedding.
 * @throws BitloomError `tokenizer-vocabulary-mismatch`
 */
export function requireVocabulary(tokenizer: Tokenizer, vocabSize: number, model: string): void {
  if (tokenizer.vocabSize <= vocabSize) return;
  throw new BitloomError({
    code: 'tokenizer-vocabulary-mismatch',
    message: 'the tokenizer has more tokens than the model',
    where: model,
    expected: `at most ${vocabSize} tokens`,
    got: `${tokenizer.vocabSize} tokens`,
    hint: 'use the tokenizer that came with the model',
  });
}
