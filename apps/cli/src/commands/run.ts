/** `bitloom run`: generates text. stdout is the text and nothing else, or one JSON document. */

import type { InstructionBytes, ReportTotals } from '@bitloom/ir';
import { type GenerationStep, generateAsync, promptIds } from '@bitloom/runtime';
import { EXIT } from '../exit-codes.js';
import { openEngine } from '../input/engine.js';
import type { KernelsName } from '../input/kernel-names.js';
import type { OpenEngine } from '../input/open-engine.js';
import { bytes, quantity } from '../terminal/quantity.js';
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
  readonly threads?: number;
  readonly kernels?: KernelsName;
  /** Say on stderr what it cost. */
  readonly stats?: boolean;
}

/** What a run cost this machine, in wall time. */
export interface RunCost {
  /** From the start of the command's work to an engine that is ready. */
  readonly loadSeconds: number;
  /** The prompt and the first token. */
  readonly prefillSeconds: number;
  /** All tokens after the first. */
  readonly decodeSeconds: number;
  readonly decodeTokensPerSecond: number;
  readonly kernels: string;
  readonly threads: number;
  /** Kernels that failed their check on this machine and run on a slower backend; empty when all is well. */
  readonly fallbacks: readonly string[];
  /** Largest resident memory of the process. */
  readonly peakMemoryBytes: number;
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
  readonly host: RunCost;
  /** Card time, of a simulated card. */
  readonly card?: ReportTotals & { readonly instructionBytes: InstructionBytes };
}

export async function run(spec: string, options: RunOptions, terminal: Terminal): Promise<number> {
  const begun = performance.now();
  const opened = await openEngine(spec, { ...options, timed: terminal.json }, terminal);
  try {
    const { engine, tokenizer } = opened;
    const prompt = promptIds(tokenizer, options.prompt);
    const tokenIds: number[] = [];
    let text = '';
    let finish: RunDocument['finish'] = 'none';
    const started = performance.now();
    let first = started;
    const { maxTokens, temperature, topK, topP, seed, stop } = options;
    const sampling = { temperature, topK, topP, seed };
    for await (const step of generateAsync(engine, tokenizer, prompt, {
      maxTokens,
      ...sampling,
      ...(stop === undefined ? {} : { stop }),
    })) {
      if (tokenIds.length === 0) first = performance.now();
      tokenIds.push(step.token);
      finish = step.finish ?? finish;
      text += step.text;
      if (!terminal.json) terminal.write(step.text);
    }
    const ended = performance.now();
    const seconds = (ended - started) / 1000;
    const cost = runCost(opened, { begun, started, first, ended }, tokenIds.length);
    if (options.stats === true) terminal.log(costText(cost, prompt.length, tokenIds.length));
    else if (cost.fallbacks.length > 0) terminal.log(fallbacksText(cost.fallbacks));
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
        host: cost,
        ...(opened.report === undefined ? {} : { card: opened.report().totals }),
      };
      terminal.document(document);
    }
    return EXIT.ok;
  } finally {
    opened.close();
  }
}

function runCost(
  { kernels }: OpenEngine,
  at: { readonly begun: number; readonly started: number; readonly first: number; readonly ended: number },
  tokens: number,
): RunCost {
  const decodeSeconds = (at.ended - at.first) / 1000;
  return {
    loadSeconds: (at.started - at.begun) / 1000,
    prefillSeconds: (at.first - at.started) / 1000,
    decodeSeconds,
    decodeTokensPerSecond: tokens > 1 ? (tokens - 1) / decodeSeconds : 0,
    kernels: kernels.backend,
    threads: kernels.threads,
    fallbacks: kernels.fallbacks,
    peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
  };
}

/** The line on stderr where the machine computes something wrongly and a slower backend stands in. */
export function fallbacksText(names: readonly string[]): string {
  return `kernels that failed their check and run on a slower backend: ${names.join(', ')}`;
}

/** What `--stats` prints. */
export function costText(cost: RunCost, promptTokens: number, tokens: number): string {
  const { loadSeconds, prefillSeconds, decodeSeconds, kernels, threads, fallbacks } = cost;
  const rate = (count: number, seconds: number): string =>
    `${count} tokens in ${quantity(seconds, 's')}${count > 0 && seconds > 0 ? `, ${quantity(count / seconds, 'token/s')}` : ''}`;
  return [
    `load     ${quantity(loadSeconds, 's')}`,
    `prefill  ${rate(promptTokens, prefillSeconds)}`,
    `decode   ${rate(Math.max(0, tokens - 1), decodeSeconds)}`,
    `kernels  ${kernels}, ${threads} ${threads === 1 ? 'thread' : 'threads'}; peak memory ${bytes(cost.peakMemoryBytes)}`,
    `fallback ${fallbacks.length === 0 ? 'none' : fallbacks.join(', ')}`,
  ].join('\n');
}
