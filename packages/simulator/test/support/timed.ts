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
import { compileStream, createEnvironment } from '../../src/compiled-stream.js';
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
}

export function time(instructions: readonly Instruction[], options: TimedOptions = {}): Timed {
  const device = options.device ?? tinyDevice();
  const program = tinyProgram(instructions);
  const counters = createCounters(device);
  const started: StartedInstruction[] = [];
  const recorder = new TraceRecorder();
  const cycles = new TimedCard(device).run(
    compileStream(instructions, encodedLength),
    createEnvironment({ seq: options.seq ?? 1, past: options.past ?? 0 }),
    counters,
    recorder,
    program.entries[0],
    0,
    (one) => started.push(one),
  );
  const { provenance } = program;
  const trace = recorder.finish({ model: 'none', device: device.name, clockHz: device.clockHz, provenance });
  return { cycles, counters, started, trace };
}

export function unit(timed: Timed, queue: QueueName): UnitCounters {
  return timed.counters.units[QUEUES.indexOf(queue)];
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
