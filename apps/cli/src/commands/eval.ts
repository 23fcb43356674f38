/** `bitloom eval`: perplexity of a text, as llama-perplexity computes it. */
import { type PerplexityResult, textPerplexity } from '@bitloom/runtime';
import { announceWindows } from '../comparison/announce-windows.js';
import { EXIT } from '../exit-codes.js';
import { openEngine } from '../input/engine.js';
import type { KernelsName } from '../input/kernel-names.js';
import { readText } from '../input/read-text.js';
import { costLine, type HostCost, hostCost } from '../report/host-cost.js';
import { quantity } from '../terminal/quantity.js';
import type { Terminal } from '../terminal/terminal.js';

export interface EvalOptions {
  readonly text: string;
  readonly context: number;
  readonly chunks?: number;
  readonly scheme?: string;
  readonly device?: string;
  readonly tokenizer?: string;
  readonly model?: string;
  readonly threads?: number;
  readonly kernels?: KernelsName;
  readonly maxPerplexity?: number;
  /** Say on stderr what it cost. */
  readonly stats?: boolean;
}

/** What `--json` prints. */
export interface EvalDocument extends PerplexityResult {
  readonly model: string;
  readonly device: string;
  readonly scheme: string;
  /** Wall time on this machine. */
  readonly seconds: number;
  /** Tokens that went through the model: those before the first scored one of a window too. */
  readonly tokensRead: number;
  /** `tokensRead` per second of wall time. */
  readonly tokensPerSecond: number;
  readonly host: HostCost;
  readonly passed?: boolean;
}

export async function evaluate(spec: string, options: EvalOptions, terminal: Terminal): Promise<number> {
  const begun = performance.now();
  const text = readText(options.text);
  const { context, chunks, maxPerplexity, ...source } = options;
  const opened = await openEngine(
    spec,
    { ...source, entries: ['prefill', 'decode', 'forward'], tokens: context },
    terminal,
  );
  try {
    const progress = await terminal.progress('evaluating');
    const announce = announceWindows(terminal, options, 1);
    const started = performance.now();
    const result = textPerplexity(opened.engine, opened.tokenizer, text, {
      context,
      ...(chunks === undefined ? {} : { chunks }),
      onProgress: ({ chunk, chunks: total }) => {
        announce(total);
        progress.update(chunk, total);
      },
    });
    progress.stop();
    const seconds = (performance.now() - started) / 1000;
    const tokensRead = result.chunks * (context - 1);
    const cost = hostCost(opened, (started - begun) / 1000);
    const said = costLine(
      cost,
      [{ name: 'eval', tokens: tokensRead, seconds, of: `tokens read, ${result.tokens} of them scored,` }],
      options.stats === true,
    );
    if (said !== undefined) terminal.log(said);
    const passed = maxPerplexity === undefined || result.perplexity <= maxPerplexity;
    const document: EvalDocument = {
      ...result,
      model: opened.name,
      device: opened.device,
      scheme: opened.scheme,
      seconds,
      tokensRead,
      tokensPerSecond: tokensRead / seconds,
      host: cost,
      ...(maxPerplexity === undefined ? {} : { passed }),
    };
    if (terminal.json) terminal.document(document);
    else terminal.write(evalText(document, terminal));
    if (passed) return EXIT.ok;
    terminal.log(`check failed: perplexity ${result.perplexity} is above ${maxPerplexity}`);
    return EXIT.checkFailed;
  } finally {
    opened.close();
  }
}

function evalText(document: EvalDocument, { out }: Terminal): string {
  const { perplexity, nll, tokens, tokensRead, chunks, context, model, scheme, device } = document;
  return (
    `${out.style.strong(`perplexity ${perplexity.toFixed(4)}`)} (${nll.toFixed(4)} nats per token)\n` +
    `  ${model} in ${scheme} on ${device}: ${tokens} of ${tokensRead} tokens scored in ${chunks} windows of ${context}, ` +
    `${quantity(document.tokensPerSecond, 'token/s')} read\n`
  );
}
