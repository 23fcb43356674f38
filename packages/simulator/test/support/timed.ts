/** Times a stream of hand-made instructions and keeps everything a test may ask about. */
import {
  type Device,
  encodedLength,
  type Instruction,
  QUEUES,
  type QueueName,
  type Trace,
} from '@bitloom/ir';
import { tinyDevice, tinyProgram } from '../../../ir/test/support/tiny-program.js';
import { compileEntry } from '../../src/compiled-stream.js';
import { type Counters, createCounters, type UnitCounters } from '../../src/time/counters.js';
import { type StartedInstruction, TimedCard } from '../../src/time/timed-run.js';
import { TraceRecorder } from '../../src/time/trace-recorder.js';

export interface Timed {
  readonly cycles: number;
  readonly counters: Counters;
  /** In the order of starts. */
  readonly started: readonly StartedInstruction[];
  readonly trace: Trace;
}

export interface TimedOptions {
  readonly device?: Device;
  readonly seq?: number;
  readonly past?: number;
  /** Streams of further cores. */
  readonly others?: readonly (readonly Instruction[])[];
}

export function time(instructions: readonly Instruction[], options: TimedOptions = {}): Timed {
  const device = options.device ?? tinyDevice();
  const program = tinyProgram(instructions, { others: options.others ?? [] });
  const counters = createCounters(device);
  const started: StartedInstruction[] = [];
  const recorder = new TraceRecorder(device);
  const entry = compileEntry(program, program.entries[0], device, encodedLength);
  const lengths = { seq: options.seq ?? 1, past: options.past ?? 0 };
  const observer = (one: StartedInstruction): void => void started.push(one);
  const cycles = new TimedCard(device).run(entry, lengths, counters, { recorder, observer });
  const trace = recorder.finish({ model: 'none', provenance: program.provenance });
  return { cycles, counters, started, trace };
}

export function unit(timed: Timed, queue: QueueName, core = 0): UnitCounters {
  return timed.counters.units[core * QUEUES.length + QUEUES.indexOf(queue)];
}

/** Busy, stalls and idle of a unit, which must be the whole time. */
export function accounted({
  busy,
  token,
  memory,
  bufferPort,
  dispatch,
  barrier,
  idle,
}: UnitCounters): number {
  return busy + token + memory + bufferPort + dispatch + barrier + idle;
}

/** A dispatcher that costs nothing, so that times are those of the units. */
export function freeDispatch(changes: Partial<Device> = {}): Device {
  const device = tinyDevice();
  return {
    ...device,
    dispatcher: {
      ...device.dispatcher,
      cyclesPerInstruction: 0,
      cyclesPerOperation: 0,
      cyclesPerIteration: 0,
    },
    ...changes,
  };
}
