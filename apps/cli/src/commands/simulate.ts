/** `bitloom simulate`: the timing reading of a prompt and its continuation on a card. */
import { availableParallelism } from 'node:os';
import { BitloomError, encodedLength, type Report } from '@bitloom/ir';
import { simulate } from '@bitloom/simulator';
import { simulateOnThreads } from '@bitloom/simulator/node';
import { EXIT } from '../exit-codes.js';
import {
  type CompiledModel,
  countInstructionBytes,
  openCompiled,
  type SourceOptions,
} from '../input/compiled-model.js';
import { fixedPrograms, LENGTH_NOTES } from '../input/fixed-lengths.js';
import { MOST_THREADS } from '../input/kernel-names.js';
import type { LengthMode } from '../input/length-modes.js';
import { modelInputs } from '../output/require-not-input.js';
import { requireWritable } from '../output/require-writable.js';
import type { ReportPageInput } from '../report/report-page.js';
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
  /** Threads for decode steps; as many as the machine has where nobody says. */
  readonly threads?: number;
  /** The only call to record: the prompt, a decode step from 0, or the last of these. */
  readonly traceStep?: 'prefill' | 'last' | number;
}

/** @throws BitloomError `simulate-nothing`, and what opening, compiling, simulating and writing throw */
export async function simulateModel(
  spec: string,
  options: SimulateOptions,
  terminal: Terminal,
): Promise<number> {
  const { trace, html, saveReport, saveTrace } = options;
  if (options.prefill + options.decode === 0) throw nothingToSimulate();
  const traceStep = stepToTrace(options);
  const inputs = [...modelInputs(spec, options.tokenizer), options.device];
  for (const path of [trace, html, saveReport, saveTrace]) requireWritable(path, inputs);
  const compiled = await openCompiled(spec, options, terminal, { tokens: options.prefill + options.decode });
  let report: Report;
  try {
    report = await time(compiled, { ...options, traceStep }, terminal);
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

/** The call to record, in the simulator's terms. */
function stepToTrace({ traceStep, prefill, decode }: SimulateOptions): 'prefill' | number | undefined {
  const step = traceStep === 'last' ? (decode > 0 ? decode - 1 : 'prefill') : traceStep;
  const isThere = step === undefined || (step === 'prefill' ? prefill > 0 : step < decode);
  if (isThere) return step;
  throw new BitloomError({
    code: 'trace-step-missing',
    message: 'the step to record is not part of the run',
    where: '--trace-step',
    expected: [
      ...(prefill > 0 ? ['prefill'] : []),
      ...(decode > 0 ? [`a decode step from 0 to ${decode - 1}`, 'last'] : []),
    ].join(', '),
    got: String(traceStep),
    hint: 'decode steps are counted from 0; --prefill and --decode say how much is simulated',
  });
}

/** What the page and the terminal call the recorded call. */
function stepName(step: 'prefill' | number, { prefill }: SimulateOptions): string {
  return step === 'prefill'
    ? `the prefill of ${prefill} tokens alone`
    : `decode step ${step} alone, with a cache of ${prefill + step}`;
}

interface TimeOptions extends SimulateOptions {
  readonly traceStep: 'prefill' | number | undefined;
}

async function time(compiled: CompiledModel, options: TimeOptions, terminal: Terminal): Promise<Report> {
  const { program, device, name } = compiled;
  const instructionBytes = await countInstructionBytes(program, terminal);
  const progress = await terminal.progress('simulating');
  const common = {
    prefill: options.prefill,
    decode: options.decode,
    model: name,
    instructionBytes,
    reuse: options.reuse === true,
    ...(options.traceStep === undefined ? {} : { traceStep: options.traceStep }),
    trace: [options.trace, options.html, options.saveTrace].some((path) => path !== undefined),
    onProgress: (done: number, total: number) => progress.update(done, total),
  };
  const { report, trace } =
    options.lengths === 'resolved'
      ? await simulateOnThreads(program, device, {
          ...common,
          threads: options.threads ?? Math.min(availableParallelism(), MOST_THREADS),
        })
      : simulate(program, device, {
          ...common,
          encodedLength,
          fixed: fixedPrograms(program, options.lengths),
          notes: [LENGTH_NOTES[options.lengths]],
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
    writeText(options.trace, chromeTrace(trace, report, options.traceStep !== undefined));
    terminal.log(`wrote ${options.trace}; open it at ui.perfetto.dev`);
  }
  if (options.html !== undefined) {
    const { reportPage } = await import('../report/report-page.js');
    writeText(options.html, reportPage({ report, trace, device, ...traced(options) }));
    terminal.log(`wrote ${options.html}`);
  }
  return report;
}

/** What the page must know of a trace that is of one call. */
function traced(options: TimeOptions): Pick<ReportPageInput, 'traced'> {
  const { traceStep } = options;
  if (traceStep === undefined) return {};
  const phase = traceStep === 'prefill' ? 'prefill' : 'decode';
  return { traced: { phase, name: stepName(traceStep, options) } };
}
