/** `bitloom simulate`: the timing reading of a prompt and its continuation on a card. */
import { BitloomError, encodedLength, type Report } from '@bitloom/ir';
import { simulate } from '@bitloom/simulator';
import { EXIT } from '../exit-codes.js';
import {
  type CompiledModel,
  countInstructionBytes,
  openCompiled,
  type SourceOptions,
} from '../input/compiled-model.js';
import { fixedPrograms, LENGTH_NOTES } from '../input/fixed-lengths.js';
import type { LengthMode } from '../input/length-modes.js';
import { modelInputs } from '../output/require-not-input.js';
import { requireWritable } from '../output/require-writable.js';
import { reportText } from '../report/report-text.js';
import type { Terminal } from '../terminal/terminal.js';

export interface SimulateOptions extends SourceOptions {
  readonly prefill: number;
  readonly decode: number;
  readonly trace?: string;
  readonly html?: string;
  readonly saveReport?: string;
  readonly saveTrace?: string;
  readonly lengths: LengthMode;
  readonly reuse?: boolean;
}

/** @throws BitloomError `simulate-nothing`, and what opening, compiling, simulating and writing throw */
export async function simulateModel(
  spec: string,
  options: SimulateOptions,
  terminal: Terminal,
): Promise<number> {
  const { trace, html, saveReport, saveTrace } = options;
  if (options.prefill + options.decode === 0) throw nothingToSimulate();
  const inputs = [...modelInputs(spec, options.tokenizer), options.device];
  for (const path of [trace, html, saveReport, saveTrace]) requireWritable(path, inputs);
  const compiled = await openCompiled(spec, options, terminal, { tokens: options.prefill + options.decode });
  let report: Report;
  try {
    report = await time(compiled, options, terminal);
  } finally {
    compiled.close();
  }
  if (terminal.json) terminal.document(report);
  else terminal.write(reportText(report, terminal.out));
  return EXIT.ok;
}

/** A report of no work would be a page of zeros and divisions by them. */
function nothingToSimulate(): BitloomError {
  return new BitloomError({
    code: 'simulate-nothing',
    message: 'there is nothing to simulate without a token',
    where: '--prefill and --decode',
    expected: 'at least one token of either',
    got: '0 and 0',
    hint: 'give --prefill 1 or more for a prompt, or --decode 1 or more for generated tokens',
  });
}

async function time(compiled: CompiledModel, options: SimulateOptions, terminal: Terminal): Promise<Report> {
  const { program, device, name } = compiled;
  const instructionBytes = await countInstructionBytes(program, terminal);
  const progress = await terminal.progress('simulating');
  const { report, trace } = simulate(program, device, {
    prefill: options.prefill,
    decode: options.decode,
    model: name,
    instructionBytes,
    encodedLength,
    ...(options.lengths === 'resolved'
      ? {}
      : { fixed: fixedPrograms(program, options.lengths), notes: [LENGTH_NOTES[options.lengths]] }),
    reuse: options.reuse === true,
    trace: [options.trace, options.html, options.saveTrace].some((path) => path !== undefined),
    onProgress: (done, total) => progress.update(done, total),
  });
  progress.stop();
  if (options.saveReport !== undefined) {
    const { writeReport } = await import('@bitloom/ir/node');
    writeReport(options.saveReport, report);
    terminal.log(`wrote ${options.saveReport}`);
  }
  if (trace === undefined) return report;
  const { writeText } = await import('../output/write-text.js');
  if (options.saveTrace !== undefined) {
    const { writeTrace } = await import('@bitloom/ir/node');
    writeTrace(options.saveTrace, trace);
    terminal.log(`wrote ${options.saveTrace}`);
  }
  if (options.trace !== undefined) {
    const { chromeTrace } = await import('../report/chrome-trace.js');
    writeText(options.trace, chromeTrace(trace, report));
    terminal.log(`wrote ${options.trace}; open it at ui.perfetto.dev`);
  }
  if (options.html !== undefined) {
    const { reportPage } = await import('../report/report-page.js');
    writeText(options.html, reportPage({ report, trace, device }));
    terminal.log(`wrote ${options.html}`);
  }
  return report;
}
