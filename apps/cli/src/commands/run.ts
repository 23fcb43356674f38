/** `bitloom run`: generates text. stdout is the text and nothing else, or one JSON document. */

import type { InstructionBytes, ReportTotals } from '@bitloom/ir';
import { type GenerationStep, generateAsync, promptIds } from '@bitloom/runtime';
import { EXIT } from '../exit-codes.js';
import { openEngine } from '../input/engine.js';
import type { Terminal } from '../terminal/terminal.js';

export interface RunOptions {
  readonly prompt: string;
  readonly maxTokens: number;
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly seed: number;
  readonly stop?: readonly string[];
  readonly scheme?: string;
  readonly device?: string;
  readonly tokenizer?: string;
  readonly context?: number;
  readonly model?: string;
  readonly threads: number;
}

/** What `--json` prints. */
export interface RunDocument {
  readonly text: string;
  readonly finish: NonNullable<GenerationStep['finish']> | 'none';
  readonly model: string;
  readonly device: string;
  readonly scheme: string;
  readonly promptTokens: number;
  /** Generated tokens. */
  readonly tokens: number;
  readonly tokenIds: readonly number[];
  /** Wall time on this machine, prompt included. */
  readonly seconds: number;
  readonly tokensPerSecond: number;
  /** Card time, of a simulated card. */
  readonly card?: ReportTotals & { readonly instructionBytes: InstructionBytes };
}

export async function run(spec: string, options: RunOptions, terminal: Terminal): Promise<number> {
  const opened = await openEngine(spec, { ...options, timed: terminal.json }, terminal);
  try {
    const { engine, tokenizer } = opened;
    const prompt = promptIds(tokenizer, options.prompt);
    const tokenIds: number[] = [];
    let text = '';
    let finish: RunDocument['finish'] = 'none';
    const started = performance.now();
    const { maxTokens, temperature, topK, topP, seed, stop } = options;
    const sampling = { temperature, topK, topP, seed };
    for await (const step of generateAsync(engine, tokenizer, prompt, {
      maxTokens,
      ...sampling,
      ...(stop === undefined ? {} : { stop }),
    })) {
      tokenIds.push(step.token);
      finish = step.finish ?? finish;
      text += step.text;
      if (!terminal.json) terminal.write(step.text);
    }
    const seconds = (performance.now() - started) / 1000;
    if (terminal.json) {
      const document: RunDocument = {
        text,
        finish,
        model: opened.name,
        device: opened.device,
        scheme: opened.scheme,
        promptTokens: prompt.length,
        tokens: tokenIds.length,
        tokenIds,
        seconds,
        tokensPerSecond: seconds > 0 ? tokenIds.length / seconds : 0,
        ...(opened.report === undefined ? {} : { card: opened.report().totals }),
      };
      terminal.document(document);
    }
    return EXIT.ok;
  } finally {
    opened.close();
  }
}
