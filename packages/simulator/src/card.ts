/**
 * A simulated card with a program and a model on it. It moves real bytes through its memories and buffers, so
 * its outputs are what the card would put out; asked for time too, it also counts what every call cost.
 */
import {
  BitloomError,
  type Device,
  type InstructionBytes,
  internalError,
  type ModelBundle,
  type Port,
  type Program,
  type Report,
} from '@bitloom/ir';
import type { Kernels } from '@bitloom/kernels';
import {
  type CompiledEntry,
  checkLengths,
  checkProgram,
  compileEntry,
  createEnvironment,
  type EncodedLength,
  findEntry,
  type Lengths,
} from './compiled-stream.js';
import type { ExecuteContext } from './function/arguments.js';
import { CardMemory } from './function/card-memory.js';
import { createCopyRuns } from './function/copy-runs.js';
import { type CoreActions, CoreWalk } from './function/core-walk.js';
import { DeferredLoads } from './function/deferred-loads.js';
import { ExchangeHub } from './function/exchange-hub.js';
import { buildExecute } from './function/execute.js';
import { allocateExpanded } from './function/expand-sparse.js';
import { allocateInt4Scratch } from './function/int4-scratch.js';
import { loadImage } from './function/load-image.js';
import { buildReport, checkEnergy } from './report.js';
import { type Counters, createCounters } from './time/counters.js';
import { type StartedInstruction, TimedCard } from './time/timed-run.js';

export interface CardOptions {
  readonly program: Program;
  readonly device: Device;
  readonly bundle: ModelBundle;
  readonly kernels: Kernels;
  readonly encodedLength: EncodedLength;
  readonly instructionBytes: InstructionBytes;
  /** `function` moves bytes only; `both` also counts time and energy. */
  readonly mode: 'function' | 'both';
  /**
   * When instructions take effect: in the order of the program (default), or in that of their starts or ends in
   * card time, which costs a timed run. Tokens make all three equal; a program of which they differ has a race.
   */
  readonly order?: 'program' | 'start' | 'end';
}

interface LoadedEntry {
  readonly compiled: CompiledEntry;
  readonly actions: readonly CoreActions[];
}

/** Most rows a gather can ask for at once: the identity list has as many entries. */
const IDENTITY_ROWS = 4096;

export class SimulatedCard {
  readonly program: Program;
  readonly device: Device;
  private readonly options: CardOptions;
  private readonly memory: CardMemory;
  private readonly entries = new Map<string, LoadedEntry>();
  private readonly deferred: DeferredLoads;
  private readonly exchange: ExchangeHub;
  /** By core. */
  private readonly contexts: readonly ExecuteContext[];
  /** Arena below this card, and above it once it was loaded. */
  private readonly mark: number;
  private readonly top: number;
  private readonly timed: TimedCard;
  private prefill: Counters;
  private decode: Counters;

  /**
   * Loads a program and its weights.
   * @throws BitloomError `simulator-device-mismatch`, `simulator-shape-only`, `simulator-model-mismatch`, `arena-full`;
   *   `simulator-energy` in mode `both`
   */
  constructor(options: CardOptions) {
    const { program, device, kernels } = options;
    checkProgram(program, device);
    if (options.mode === 'both') checkEnergy(device);
    this.program = program;
    this.device = device;
    this.options = options;
    this.mark = kernels.arena.mark();
    this.memory = new CardMemory(kernels.arena, program, device);
    const rows = Math.max(IDENTITY_ROWS, program.capacity);
    const identity = kernels.arena.alloc(rows * 4, 64);
    for (let i = 0; i < rows; i++) kernels.arena.i32[identity / 4 + i] = i;
    const expanded = allocateExpanded(kernels.arena, program, device);
    const copyRuns = createCopyRuns(kernels.arena);
    const deferred = new DeferredLoads(copyRuns);
    const exchange = new ExchangeHub(this.memory, deferred);
    const int4 = allocateInt4Scratch(kernels.arena, program, device);
    this.deferred = deferred;
    this.exchange = exchange;
    this.contexts = this.memory.cores.map((memory, core) => {
      return { kernels, core, memory, exchange, copyRuns, deferred, identity, int4, expanded };
    });
    loadImage(this.memory, program, options.bundle);
    this.top = kernels.arena.used;
    this.timed = new TimedCard(device);
    this.prefill = createCounters(device);
    this.decode = createCounters(device);
  }

  /**
   * Runs an entry: writes the inputs into their mailboxes, carries the stream out, and gives the outputs, which
   * stay valid until the next call.
   * @throws BitloomError `program-entry-unknown`, `context-full`, `program-length`, `simulator-input`,
   *   `simulator-exchange`
   */
  run(
    name: string,
    lengths: Lengths,
    inputs: Readonly<Record<string, Int32Array>>,
  ): Record<string, Float32Array> {
    const entry = findEntry(this.program, name);
    checkLengths(this.program, entry, lengths);
    for (const port of entry.inputs) this.writeInput(port, inputs[port.name], lengths.seq);
    const loaded = this.load(name);
    const { mode, order = 'program' } = this.options;
    const started: StartedInstruction[] = [];
    if (mode === 'both' || order !== 'program') {
      const counters = name === 'decode' ? this.decode : this.prefill;
      const observer = order === 'program' ? undefined : (one: StartedInstruction) => void started.push(one);
      this.timed.run(loaded.compiled, lengths, counters, { observer });
      counters.tokens += lengths.seq;
    }
    this.exchange.begin(loaded.actions.map(({ core }) => core));
    if (order === 'program') {
      this.runInOrder(loaded, lengths);
    } else {
      if (order === 'end') started.sort((a, b) => a.completed - b.completed);
      runStarted(loaded, started);
    }
    return Object.fromEntries(entry.outputs.map((port) => [port.name, this.readOutput(port, lengths.seq)]));
  }

  /** What the calls so far cost, in card time. @throws BitloomError `simulator-no-time` in mode `function`. */
  report(): Report {
    if (this.options.mode !== 'both') {
      throw new BitloomError({
        code: 'simulator-no-time',
        message: 'this card was loaded for function only',
        hint: "load it with mode 'both'",
      });
    }
    return buildReport({
      program: this.program,
      device: this.device,
      model: this.options.bundle.model.name,
      prefill: this.prefill,
      decode: this.decode,
      total: createCounters(this.device),
      prefillTokens: this.prefill.tokens,
      decodeTokens: this.decode.tokens,
      instructionBytes: this.options.instructionBytes,
      mode: 'both',
    });
  }

  resetCounters(): void {
    this.prefill = createCounters(this.device);
    this.decode = createCounters(this.device);
  }

  /** Gives the arena back what the card took of it, if nothing was allocated since. The card is of no use then. */
  close(): void {
    this.entries.clear();
    const { arena } = this.options.kernels;
    if (arena.used === this.top) arena.release(this.mark);
  }

  private load(name: string): LoadedEntry {
    const known = this.entries.get(name);
    if (known !== undefined) return known;
    const entry = findEntry(this.program, name);
    const compiled = compileEntry(this.program, entry, this.device, this.options.encodedLength);
    const actions = compiled.cores.map(({ core, stream: { steps } }): CoreActions => {
      const context = this.contexts[core];
      return {
        core,
        steps,
        execute: steps.map((step) =>
          step.kind === 'unit' ? buildExecute(step.instruction, context) : undefined,
        ),
        hasExchange: steps.some(({ instruction }) => instruction.spec.name === 'XCH'),
      };
    });
    const loaded = { compiled, actions };
    this.entries.set(name, loaded);
    return loaded;
  }

  /** All cores in the order of the program: each up to its next exchange, until all are at the end. */
  private runInOrder({ compiled, actions }: LoadedEntry, lengths: Lengths): void {
    const walks = actions.map((one) => new CoreWalk(one, createEnvironment(lengths, one.core)));
    for (;;) {
      const more = walks.map((walk) => walk.advance());
      if (!more.includes(true)) return;
      if (!this.exchange.isWaiting) continue;
      throw new BitloomError({
        code: 'simulator-exchange',
        message: 'a core ends while others wait for it in an exchange',
        where: `entry '${compiled.name}'`,
        expected: 'the same number of exchanges on every core: a program that passes verification',
        got: `core ${actions.find((_, i) => !more[i])?.core ?? -1} is at its end`,
      });
    }
  }

  private region(port: Port): { pointer: number; bytes: number } {
    const region = this.program.regions.find((r) => r.name === port.region);
    if (region === undefined) throw internalError(`port '${port.name}' names no region`);
    return { pointer: this.memory.base(region.space) + region.offset, bytes: region.bytes };
  }

  private writeInput(port: Port, values: Int32Array | undefined, count: number): void {
    if (values === undefined || values.length !== count) {
      throw new BitloomError({
        code: 'simulator-input',
        message: `input '${port.name}' has the wrong length`,
        expected: `${count} values`,
        got: values === undefined ? 'none' : String(values.length),
      });
    }
    const { pointer } = this.region(port);
    this.deferred.beforeWrite(pointer, pointer + values.byteLength);
    this.memory.arena.i32.set(values, pointer / 4);
  }

  private readOutput(port: Port, seq: number): Float32Array {
    const { pointer, bytes } = this.region(port);
    const rows = port.shape[0] === 1 ? 1 : seq;
    const cols = Number(port.shape[1]);
    if (rows * cols * 4 > bytes) throw internalError(`output '${port.name}' is larger than its mailbox`);
    return new Float32Array(this.memory.arena.f32.buffer, pointer, rows * cols);
  }
}

/** Carries out what a timed run started, in the order given. */
function runStarted({ actions }: LoadedEntry, started: readonly StartedInstruction[]): void {
  const byCore = new Map(
    actions.map(({ core, steps, execute }) => [
      core,
      new Map(steps.map((step, i) => [step.instruction, execute[i]])),
    ]),
  );
  for (const { core, instruction, environment } of started) byCore.get(core)?.get(instruction)?.(environment);
}
