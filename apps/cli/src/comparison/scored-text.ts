/** The text of `--text`, with what scoring it needs; nothing where there is none. */
import type { OpenModel } from '@bitloom/models';
import { requireTokenizer } from '../input/engine.js';
import { readText } from '../input/read-text.js';
import type { ScoredText } from './compared-scheme.js';

export interface ScoredTextOptions {
  readonly text?: string;
  readonly context: number;
  readonly chunks?: number;
  readonly threads: number;
}

/** @throws BitloomError `file-unreadable`, `text-not-utf8`, `tokenizer-missing` */
export function scoredText(
  spec: string,
  model: OpenModel,
  { text, context, chunks, threads }: ScoredTextOptions,
): ScoredText | undefined {
  if (text === undefined) return undefined;
  return {
    text: readText(text),
    tokenizer: requireTokenizer(model.tokenizer, spec),
    context,
    threads,
    ...(chunks === undefined ? {} : { chunks }),
  };
}
