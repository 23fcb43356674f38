/**
 * A compiled stream as the event loop reads it: one number per step and property, and the shapes of its
 * instructions as they come up. Belongs to one device; several cores may run it at once.
 */
import { type Device, SPACES } from '@bitloom/ir';
import type { CompiledInstruction, Environment, Getter, Step } from '../compiled-stream.js';
import { type InstructionShape, makeShape } from './instruction-shape.js';

export const UNIT = 0;
export const LOOP = 1;
export const END = 2;
export const BARRIER = 3;
export const BASE = 4;
export const FRAME = 5;
export const HALT = 6;

const KINDS: Readonly<Record<Step['kind'], number>> = {
  unit: UNIT,
  loop: LOOP,
  end: END,
  barrier: BARRIER,
  base: BASE,
  frame: FRAME,
  halt: HALT,
};

const SPACE_INDEX: ReadonlyMap<string, number> = new Map(SPACES.map((space, i) => [space, i]));
const ZERO: Getter = () => 0;

/** Shapes kept per instruction: tiles of a loop mostly have two lengths, the whole one and the last. */
const KEPT_SHAPES = 8;

export class PreparedStream {
  readonly length: number;
  readonly kind: Uint8Array;
  /** Cycles of the dispatcher. */
  readonly cost: Float64Array;
  readonly encodedBytes: Float64Array;
  /** Queue of a unit's instruction; masks of the queues it takes tokens of and gives tokens to, and how many. */
  readonly queue: Uint8Array;
  readonly waits: Uint8Array;
  readonly releases: Uint8Array;
  readonly tokenCount: Int32Array;
  readonly isExchange: Uint8Array;
  readonly origin: Uint32Array;
  readonly opcode: Uint8Array;
  /** Index of the END of a LOOP, of the LOOP of an END; loop variable; whether the loop buffer holds the body. */
  readonly target: Int32Array;
  readonly variable: Int32Array;
  readonly isHeld: Uint8Array;
  /** Trips of a LOOP, value of a BASE; and the register of a BASE. */
  readonly value: readonly Getter[];
  readonly register: readonly Getter[];
  readonly hasExchange: boolean;
  private readonly instructions: readonly CompiledInstruction[];
  private readonly varying: readonly (readonly Getter[])[];
  private readonly last: InstructionShape[] = [];
  private readonly shapes: InstructionShape[][];
  private readonly device: Device;

  constructor(steps: readonly Step[], device: Device) {
    const { cyclesPerInstruction, cyclesPerOperation, loopBufferInstructions } = device.dispatcher;
    const of = (read: (instruction: CompiledInstruction) => number): number[] =>
      steps.map(({ instruction }) => read(instruction));
    const mask = (queues: readonly number[]): number =>
      queues.reduce((bits, queue) => bits | (1 << queue), 0);
    this.device = device;
    this.length = steps.length;
    this.kind = Uint8Array.from(steps, ({ kind }) => KINDS[kind]);
    this.cost = Float64Array.from(
      of(({ operations }) => cyclesPerInstruction + operations * cyclesPerOperation),
    );
    this.encodedBytes = Float64Array.from(of(({ encodedBytes }) => encodedBytes));
    this.queue = Uint8Array.from(of(({ queue }) => queue));
    this.waits = Uint8Array.from(of(({ waits }) => mask(waits)));
    this.releases = Uint8Array.from(of(({ releases }) => mask(releases)));
    this.tokenCount = Int32Array.from(of(({ tokenCount }) => tokenCount));
    this.isExchange = Uint8Array.from(of(({ spec }) => (spec.name === 'XCH' ? 1 : 0)));
    this.origin = Uint32Array.from(of(({ source }) => source.origin));
    this.opcode = Uint8Array.from(of(({ spec }) => spec.opcode));
    this.target = Int32Array.from(steps, (step) =>
      step.kind === 'loop' ? step.end : step.kind === 'end' ? step.start : -1,
    );
    this.variable = Int32Array.from(steps, (step) => (step.kind === 'loop' ? step.variable : 0));
    this.isHeld = Uint8Array.from(steps, (step, i) =>
      step.kind === 'loop' && step.end - i <= loopBufferInstructions ? 1 : 0,
    );
    this.value = steps.map((step) =>
      step.kind === 'loop' ? step.trips : step.kind === 'base' ? step.value : ZERO,
    );
    this.register = steps.map((step) => (step.kind === 'base' ? step.register : ZERO));
    this.hasExchange = this.isExchange.includes(1);
    this.instructions = steps.map(({ instruction }) => instruction);
    this.varying = steps.map(({ instruction }) => instruction.varyingNumbers);
    this.shapes = steps.map(() => []);
  }

  /** The shape of the instruction at `pc` in `env`. */
  shape(pc: number, env: Environment): InstructionShape {
    const varying = this.varying[pc];
    const last = this.last[pc];
    if (last !== undefined && (varying.length === 0 || matches(last, varying, env))) return last;
    const known = this.shapes[pc];
    let shape = last === undefined ? undefined : known.find((one) => matches(one, varying, env));
    if (shape === undefined) {
      shape = makeShape(this.instructions[pc], env, this.device, SPACE_INDEX);
      if (known.length < KEPT_SHAPES) {
        known.push(shape);
      } else {
        // What leaves the list may still wait in a queue: its executions are counted before it goes.
        this.retired.push(known[this.oldest]);
        known[this.oldest] = shape;
        this.oldest = (this.oldest + 1) % KEPT_SHAPES;
      }
    }
    this.last[pc] = shape;
    return shape;
  }

  private oldest = 0;
  private retired: InstructionShape[] = [];

  /** Every shape that was executed since the last call. */
  drainShapes(visit: (shape: InstructionShape) => void): void {
    const take = (shape: InstructionShape): void => {
      if (shape.executions === 0) return;
      visit(shape);
      shape.executions = 0;
      shape.busy = 0;
    };
    this.retired.forEach(take);
    this.retired = [];
    for (const list of this.shapes) for (let i = 0; i < list.length; i++) take(list[i]);
  }
}

function matches(shape: InstructionShape, varying: readonly Getter[], env: Environment): boolean {
  const { numbers } = shape;
  for (let i = 0; i < varying.length; i++) if (varying[i](env) !== numbers[i]) return false;
  return true;
}
