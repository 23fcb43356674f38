/** The text of `--text`, with what scoring it needs; nothing where there is none. */
import type { OpenModel } from '@bitloom/models';
import { requireTokenizer } from '../input/open-engine.js';
import { readText } from '../input/read-text.js';
import type { Terminal } from '../terminal/terminal.js';
import { announceWindows } from './announce-windows.js';
import type { ScoredText } from './compared-scheme.js';

export interface ScoredTextOptions {
  readonly text?: string;
  readonly context: number;
  readonly chunks?: number;
  readonly threads: number;
}

/**
 * @param schemes how many schemes are scored on it
 * @throws BitloomError `file-unreadable`, `text-not-utf8`, `tokenizer-missing`
 */
export function scoredText(
  spec: string,
  model: OpenModel,
  { text, context, chunks, threads }: ScoredTextOptions,
  schemes: number,
  terminal: Terminal,
): ScoredText | undefined {
  if (text === undefined) return undefined;
  const windows = chunks === undefined ? {} : { chunks };
  return {
    text: readText(text),
    tokenizer: requireTokenizer(model.tokenizer, spec),
    context,
    threads,
    ...windows,
    onWindows: announceWindows(terminal, { context, ...windows }, schemes),
  };
}
