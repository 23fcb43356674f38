/** `bitloom run`: generates text. stdout is the text and nothing else, or one JSON document. */
import { BitloomError, type InstructionBytes, type ReportTotals } from '@bitloom/ir';
import { type GenerationStep, generateAsync, promptIds } from '@bitloom/runtime';
import { EXIT } from '../exit-codes.js';
import { openEngine } from '../input/engine.js';
import type { KernelsName } from '../input/kernel-names.js';
import type { OpenEngine } from '../input/open-engine.js';
import { costLine, type HostCost, hostCost, type Work } from '../report/host-cost.js';
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
export interface RunCost extends HostCost {
  /** The prompt and the first token, if any. */
  readonly prefillSeconds: number;
  /** All tokens after the first. */
  readonly decodeSeconds: number;
  readonly decodeTokensPerSecond: number;
}

/** What `--json` prints. */
export interface RunDocument {
  readonly text: string;
  /**
   * Why the text ends: an end token, a stop string, as many tokens as were asked for, or a full context; `none` where no
   * token was asked for. A full context is an error as well, after the document.
   */
  readonly finish: NonNullable<GenerationStep['finish']> | 'context' | 'none';
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

/**
 * @throws BitloomError `context-full` after all text is out, or at once when the prompt does not fit; and what opening and
 *   generating throw
 */
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
    let first: number | undefined;
    const { maxTokens, temperature, topK, topP, seed, stop } = options;
    const sampling = { temperature, topK, topP, seed };
    let full: BitloomError | undefined;
    try {
      for await (const step of generateAsync(engine, tokenizer, prompt, {
        maxTokens,
        ...sampling,
        ...(stop === undefined ? {} : { stop }),
      })) {
        first ??= performance.now();
        tokenIds.push(step.token);
        finish = step.finish ?? finish;
        text += step.text;
        if (!terminal.json) terminal.write(step.text);
      }
    } catch (error) {
      // The text so far is a result; only a prompt that does not fit has none.
      if (!isContextFull(error) || tokenIds.length === 0) throw error;
      full = error;
      finish = 'context';
    }
    const ended = performance.now();
    const seconds = (ended - started) / 1000;
    // Without a token all of it is the prompt's.
    const cost = runCost(opened, { begun, started, first: first ?? ended, ended }, tokenIds.length);
    const said = costLine(cost, runWork(cost, prompt.length, tokenIds.length), options.stats === true);
    if (said !== undefined) terminal.log(said);
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
    if (full !== undefined) throw full;
    return EXIT.ok;
  } finally {
    opened.close();
  }
}

function isContextFull(error: unknown): error is BitloomError {
  return error instanceof BitloomError && error.code === 'context-full';
}

function runCost(
  opened: OpenEngine,
  at: { readonly begun: number; readonly started: number; readonly first: number; readonly ended: number },
  tokens: number,
): RunCost {
  const decodeSeconds = (at.ended - at.first) / 1000;
  return {
    ...hostCost(opened, (at.started - at.begun) / 1000),
    prefillSeconds: (at.first - at.started) / 1000,
    decodeSeconds,
    decodeTokensPerSecond: tokens > 1 ? (tokens - 1) / decodeSeconds : 0,
  };
}

/** The kinds of work of a run: the prompt with the first token, then all tokens after it. */
function runWork(cost: RunCost, promptTokens: number, tokens: number): readonly Work[] {
  return [
    { name: 'prefill', tokens: promptTokens, seconds: cost.prefillSeconds },
    { name: 'decode', tokens: Math.max(0, tokens - 1), seconds: cost.decodeSeconds },
  ];
}
