/**
 * `simulate`: the timing reading of a whole session on one card: a prefill of some tokens, then decode steps one
 * after the other. Moves no bytes, so it runs shape-only models.
 */
import type { Device, InstructionBytes, Program, Report, Trace } from '@bitloom/ir';
import {
  type CompiledEntry,
  checkLengths,
  checkProgram,
  compileEntry,
  type EncodedLength,
  findEntry,
  type Lengths,
} from './compiled-stream.js';
import { buildReport, checkEnergy } from './report.js';
import { reuseSteps } from './reuse/reuse-steps.js';
import { type Counters, createCounters } from './time/counters.js';
import { type RunOptions, TimedCard } from './time/timed-run.js';
import { TraceRecorder } from './time/trace-recorder.js';

export interface SimulateOptions {
  /** Tokens of the prompt; 0 leaves prefill out. */
  readonly prefill: number;
  /** Decode steps; step i reads a KV cache of length prefill + i and appends one. */
  readonly decode: number;
  readonly model: string;
  readonly instructionBytes: InstructionBytes;
  readonly encodedLength: EncodedLength;
  /** Record executed instructions. */
  readonly trace?: boolean;
  /**
   * Record this call alone, the prompt or decode step i (from 0), from cycle 0 of the trace on. It is executed once more
   * for that, so others may be reused. Default: every call.
   */
  readonly traceStep?: 'prefill' | number;
  /**
   * Execute only as many decode steps as it takes to know the sum of all within 0.05 % (two standard errors), and of
   * many steps only a few of the layers whose text repeats; the report says how many.
   * Where all are recorded for a trace, all are executed, and the report says so. Default false.
   */
  readonly reuse?: boolean;
  /**
   * What runs in place of an entry at some lengths: a program of those lengths alone, made by the compiler, and the
   * lengths that it computes (those of a bucket are longer). Default: the program itself, which resolves lengths.
   */
  readonly fixed?: (
    entry: string,
    lengths: Lengths,
  ) => { readonly program: Program; readonly lengths: Lengths };
  /** Lines for the report's notes. */
  readonly notes?: readonly string[];
  /** Called with the steps done, for a progress bar. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface Simulation {
  readonly report: Report;
  readonly trace: Trace | undefined;
}

/** Why asking for reuse changed nothing. */
const NOT_REUSED =
  'decode: every step executed, none reused, because every step is recorded for the trace; record a single call to reuse others';

/**
 * Times a program.
 * @throws BitloomError `simulator-device-mismatch`, `context-full`, `program-length`, `program-entry-unknown`, `simulator-deadlock`,
 *   `simulator-unsupported`, `simulator-energy`
 */
export function simulate(program: Program, device: Device, options: SimulateOptions): Simulation {
  return simulateRest(program, device, options, undefined);
}

/**
 * What of {@link simulate} is left when all decode steps have been counted elsewhere.
 * @param steps what they add up to; undefined: nothing was counted, all is done here
 */
export function simulateRest(
  program: Program,
  device: Device,
  options: SimulateOptions,
  steps: Counters | undefined,
): Simulation {
  checkProgram(program, device);
  checkEnergy(device);
  // What a run would only meet at its end is refused before its beginning.
  if (options.decode > 0)
    checkLengths(program, findEntry(program, 'decode'), {
      seq: 1,
      past: options.prefill + options.decode - 1,
    });
  const card = new TimedCard(device);
  const recorder = options.trace === true ? new TraceRecorder(device) : undefined;
  const [prefill, decode] = [createCounters(device), steps ?? createCounters(device)];
  const entries = new Map<string, CompiledEntry>();
  const compiled = (name: string): CompiledEntry => {
    const known =
      entries.get(name) ?? compileEntry(program, findEntry(program, name), device, options.encodedLength);
    entries.set(name, known);
    return known;
  };
  // Steps of one bucket follow each other: the last program is likely to be the next.
  let latest: { readonly program: Program; readonly entry: CompiledEntry } | undefined;
  const fixedEntry = (own: Program, name: string): CompiledEntry => {
    if (latest?.program !== own)
      latest = {
        program: own,
        entry: compileEntry(own, findEntry(own, name), device, options.encodedLength),
      };
    return latest.entry;
  };
  const { traceStep } = options;
  const call = (name: string, lengths: Lengths, counters: Counters, how: RunOptions): number => {
    checkLengths(program, findEntry(program, name), lengths);
    if (options.fixed === undefined) return card.run(compiled(name), lengths, counters, how);
    const own = options.fixed(name, lengths);
    return card.run(fixedEntry(own.program, name), own.lengths, counters, how);
  };
  let clock = 0;
  const run = (name: string, lengths: Lengths, counters: Counters, reuse: RunOptions = {}): void => {
    const how = traceStep === undefined ? { recorder, origin: clock } : {};
    clock += call(name, lengths, counters, { ...how, ...reuse });
    counters.tokens += lengths.seq;
  };
  const isReused = options.reuse === true && (recorder === undefined || traceStep !== undefined);
  const total = (options.prefill > 0 ? 1 : 0) + options.decode;
  if (options.prefill > 0) {
    run('prefill', { seq: options.prefill, past: 0 }, prefill);
    options.onProgress?.(1, total);
  }
  const notes: string[] = [...(options.notes ?? [])];
  if (isReused && options.decode > 0 && steps === undefined) {
    notes.push(
      reuseSteps({
        steps: options.decode,
        first: options.prefill,
        piece: (past) => {
          const lengths = { seq: 1, past };
          checkLengths(program, findEntry(program, 'decode'), lengths);
          return card.piece(compiled('decode'), lengths);
        },
        repetitions: options.fixed === undefined ? card.repetitions(compiled('decode')) : 0,
        run: (past, plan, onRepetitions) => {
          const counters = createCounters(device);
          run('decode', { seq: 1, past }, counters, { plan, onRepetitions });
          return counters;
        },
        into: decode,
        onProgress: (done) => options.onProgress?.(total - options.decode + done, total),
      }),
    );
  } else {
    if (options.reuse === true && options.decode > 0) notes.push(NOT_REUSED);
    for (let i = 0; i < options.decode && steps === undefined; i++) {
      run('decode', { seq: 1, past: options.prefill + i }, decode);
      options.onProgress?.((options.prefill > 0 ? 1 : 0) + i + 1, total);
    }
  }
  if (recorder !== undefined && traceStep !== undefined) {
    const lengths =
      traceStep === 'prefill'
        ? { seq: options.prefill, past: 0 }
        : { seq: 1, past: options.prefill + traceStep };
    call(traceStep === 'prefill' ? 'prefill' : 'decode', lengths, createCounters(device), { recorder });
  }
  const report = buildReport({
    program,
    device,
    model: options.model,
    prefill,
    decode,
    total: createCounters(device),
    prefillTokens: options.prefill,
    decodeTokens: options.decode,
    instructionBytes: options.instructionBytes,
    mode: 'time',
    notes,
  });
  const trace = recorder?.finish({ model: options.model, provenance: program.provenance });
  return { report, trace };
}
