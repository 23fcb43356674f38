/**
 * The dispatcher of a core: walks the stream, runs counted loops, resolves quasi-affine fields and hands
 * instructions over one by one. It keeps its own clock and knows nothing of units, but for barriers, where it
 * asks to be told when they have drained.
 */
import { type Device, internalError } from '@bitloom/ir';
import {
  type CompiledInstruction,
  type Environment,
  type Step,
  setLoopVariable,
  setRegister,
} from '../compiled-stream.js';
import type { Counters } from './counters.js';

export class Dispatcher {
  /** Cycle from which it can hand over the next instruction. */
  free = 0;
  /** Since when it has worked without a break. */
  workingSince = 0;
  /** Cycle at which the last barrier was passed. */
  lastBarrier = 0;
  isDone = false;
  private readonly device: Device;
  private readonly steps: readonly Step[];
  private readonly env: Environment;
  private readonly counters: Counters;
  private readonly loops: {
    readonly at: number;
    readonly length: number;
    iteration: number;
    readonly trips: number;
  }[] = [];
  private pc = 0;

  constructor(device: Device, steps: readonly Step[], env: Environment, counters: Counters) {
    this.device = device;
    this.steps = steps;
    this.env = env;
    this.counters = counters;
  }

  /**
   * Walks control instructions up to the next instruction for a unit, and pays for decoding it.
   * @param drain lets all units run dry and gives the cycle at which the last one has
   */
  next(drain: () => number): CompiledInstruction | undefined {
    const { dispatcher } = this.device;
    for (;;) {
      const step = this.steps[this.pc];
      if (step === undefined || step.kind === 'halt') {
        this.isDone = true;
        return undefined;
      }
      this.countFetch(step);
      this.free +=
        dispatcher.cyclesPerInstruction + step.instruction.operations * dispatcher.cyclesPerOperation;
      switch (step.kind) {
        case 'loop':
          this.enterLoop(step);
          break;
        case 'end':
          this.free += dispatcher.cyclesPerIteration;
          this.endIteration(step);
          break;
        case 'barrier':
          this.free = Math.max(this.free, drain());
          this.workingSince = this.free;
          this.lastBarrier = this.free;
          this.pc++;
          break;
        case 'base':
          setRegister(this.env, step.register(this.env), step.value(this.env));
          this.pc++;
          break;
        case 'frame':
          this.pc++;
          break;
        case 'unit':
          this.pc++;
          return step.instruction;
      }
    }
  }

  /** Hands an instruction over at a cycle: a break when the queue made it wait. */
  handOver(at: number): void {
    if (at > this.free) this.workingSince = at;
    this.free = at;
  }

  private enterLoop(step: Extract<Step, { kind: 'loop' }>): void {
    const trips = step.trips(this.env);
    if (trips <= 0) {
      this.pc = step.end + 1;
      return;
    }
    setLoopVariable(this.env, step.variable, 0);
    this.loops.push({ at: this.pc, length: step.end - this.pc, iteration: 0, trips });
    this.pc++;
  }

  private endIteration(step: Extract<Step, { kind: 'end' }>): void {
    const loop = this.loops[this.loops.length - 1];
    const start = this.steps[step.start];
    if (loop === undefined || start?.kind !== 'loop') throw internalError('END without a running loop');
    loop.iteration++;
    if (loop.iteration < loop.trips) {
      setLoopVariable(this.env, start.variable, loop.iteration);
      this.pc = step.start + 1;
    } else {
      this.loops.pop();
      this.pc++;
    }
  }

  /** Instruction bytes: fetched once, and again in each iteration of a loop that the loop buffer cannot hold. */
  private countFetch(step: Step): void {
    this.counters.instructions++;
    const { loopBufferInstructions } = this.device.dispatcher;
    if (this.loops.some((loop) => loop.iteration > 0 && loop.length <= loopBufferInstructions)) return;
    const space = this.device.memories[0]?.space;
    const memory = space === undefined ? undefined : this.counters.memories.get(space);
    if (memory !== undefined) memory.instructions += step.instruction.encodedBytes;
  }
}
