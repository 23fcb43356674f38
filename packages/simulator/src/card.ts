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
  checkLengths,
  checkProgram,
  compileStream,
  createEnvironment,
  type EncodedLength,
  type Environment,
  findEntry,
  onlyStream,
  restingRegisters,
  type Step,
  setLoopVariable,
  setRegister,
} from './compiled-stream.js';
import { CardMemory } from './function/card-memory.js';
import { createCopyRuns } from './function/copy-runs.js';
import { DeferredLoads } from './function/deferred-loads.js';
import { buildExecute, type Execute, type ExecuteContext } from './function/execute.js';
import { loadImage } from './function/load-image.js';
import { buildReport } from './report.js';
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
  readonly steps: readonly Step[];
  /** Function of each unit step, by index; undefined for control. */
  readonly execute: readonly (Execute | undefined)[];
}

/** Most rows a gather can ask for at once: the identity list has as many entries. */
const IDENTITY_ROWS = 4096;

export class SimulatedCard {
  readonly program: Program;
  readonly device: Device;
  private readonly options: CardOptions;
  private readonly memory: CardMemory;
  private readonly entries = new Map<string, LoadedEntry>();
  private readonly context: ExecuteContext;
  /** Arena below this card, and above it once it was loaded. */
  private readonly mark: number;
  private readonly top: number;
  private readonly timed: TimedCard;
  private prefill: Counters;
  private decode: Counters;

  /**
   * Loads a program and its weights.
   * @throws BitloomError `simulator-device-mismatch`, `simulator-shape-only`, `simulator-model-mismatch`, `arena-full`
   */
  constructor(options: CardOptions) {
    const { program, device, kernels } = options;
    checkProgram(program, device);
    this.program = program;
    this.device = device;
    this.options = options;
    this.mark = kernels.arena.mark();
    this.memory = new CardMemory(kernels.arena, program, device);
    const rows = Math.max(IDENTITY_ROWS, program.capacity);
    const identity = kernels.arena.alloc(rows * 4, 64);
    for (let i = 0; i < rows; i++) kernels.arena.i32[identity / 4 + i] = i;
    const copyRuns = createCopyRuns(kernels.arena);
    this.context = {
      kernels,
      memory: this.memory,
      copyRuns,
      deferred: new DeferredLoads(copyRuns),
      identity,
    };
    loadImage(this.memory, program, options.bundle);
    this.top = kernels.arena.used;
    this.timed = new TimedCard(device);
    this.prefill = createCounters(device);
    this.decode = createCounters(device);
  }

  /**
   * Runs an entry: writes the inputs into their mailboxes, carries the stream out, and gives the outputs, which
   * stay valid until the next call.
   * @throws BitloomError `program-entry-unknown`, `context-full`, `program-length`, `simulator-input`
   */
  run(
    name: string,
    lengths: { seq: number; past: number },
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
      this.timed.run(loaded.steps, createEnvironment(lengths), counters, undefined, entry, 0, observer);
      counters.tokens += lengths.seq;
    }
    if (order === 'program') {
      runFunction(loaded, createEnvironment(lengths));
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
    const steps = compileStream(
      onlyStream(entry),
      this.options.encodedLength,
      restingRegisters(this.program),
    );
    const execute = steps.map((step) =>
      step.kind === 'unit' ? buildExecute(step.instruction, this.context) : undefined,
    );
    const loaded = { steps, execute };
    this.entries.set(name, loaded);
    return loaded;
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
    this.context.deferred.beforeWrite(pointer, pointer + values.byteLength);
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
function runStarted({ steps, execute }: LoadedEntry, started: readonly StartedInstruction[]): void {
  const actions = new Map(steps.map((step, i) => [step.instruction, execute[i]]));
  for (const { instruction, environment } of started) actions.get(instruction)?.(environment);
}

/** Carries a stream out in program order, which verification has shown to be a legal schedule. */
function runFunction(loaded: LoadedEntry, env: Environment): void {
  const { steps, execute } = loaded;
  const iterations: number[] = [];
  const trips: number[] = [];
  let pc = 0;
  for (;;) {
    const action = execute[pc];
    if (action !== undefined) {
      action(env);
      pc++;
      continue;
    }
    const step = steps[pc];
    if (step === undefined || step.kind === 'halt') return;
    switch (step.kind) {
      case 'loop': {
        const count = step.trips(env);
        if (count <= 0) {
          pc = step.end + 1;
        } else {
          iterations.push(0);
          trips.push(count);
          setLoopVariable(env, step.variable, 0);
          pc++;
        }
        break;
      }
      case 'end': {
        const depth = iterations.length - 1;
        const next = (iterations[depth] ?? 0) + 1;
        const loop = steps[step.start];
        if (loop?.kind !== 'loop') throw internalError('END without a LOOP');
        if (next < (trips[depth] ?? 0)) {
          iterations[depth] = next;
          setLoopVariable(env, loop.variable, next);
          pc = step.start + 1;
        } else {
          iterations.pop();
          trips.pop();
          pc++;
        }
        break;
      }
      case 'base':
        setRegister(env, step.register(env), step.value(env));
        pc++;
        break;
      default:
        pc++;
    }
  }
}
