/**
 * The dispatcher of a core: walks the stream, runs counted loops, pays for quasi-affine fields and stops at the next
 * instruction for a unit or at a barrier. It keeps its own clock and knows nothing of units.
 */
import { type DispatcherDecl, internalError } from '@bitloom/ir';
import type { Environment } from '../compiled-stream.js';
import type { ExpressionValues } from './expression-table.js';
import type { PeriodWalk } from './period-walk.js';
import { BARRIER, BASE, END, HALT, LOOP, type PreparedStream, UNIT } from './prepared-stream.js';

/** What {@link Dispatcher.next} gives when there is no instruction for a unit. */
export const AT_BARRIER = -1;
export const AT_END = -2;

export class Dispatcher {
  /** Cycle from which it can hand over the next instruction. */
  free = 0;
  /** Since when it has worked without a break, and the trace row that ended the last break (-1: none). */
  workingSince = 0;
  restartRow = -1;
  /** Cycle at which the last barrier was passed. */
  lastBarrier = 0;
  /** Instructions decoded, and bytes of them fetched from memory. */
  instructions = 0;
  fetchedBytes = 0;
  readonly env: Environment;
  /** Expressions of the stream in `env`. */
  readonly values: ExpressionValues;
  /** What the instructions being handed over count. */
  weight = 1;
  private readonly stream: PreparedStream;
  private readonly decl: DispatcherDecl;
  private readonly walk: PeriodWalk | undefined;
  /** Index at which the walk decides where to go on, -1 for none. */
  private mark: number;
  /** Running loops, outermost first: index of their LOOP, iterations done, trips. */
  private readonly loopAt: Int32Array;
  private readonly iteration: Float64Array;
  private readonly trips: Float64Array;
  private depth = 0;
  /** Running loops whose body the loop buffer holds already. */
  private heldLoops = 0;
  private pc = 0;

  /** @param walk leaves out repetitions of the stream's period; all are walked without */
  constructor(stream: PreparedStream, env: Environment, decl: DispatcherDecl, walk?: PeriodWalk) {
    this.stream = stream;
    this.walk = walk;
    this.mark = walk?.mark ?? -1;
    this.env = env;
    this.values = stream.valuesIn(env);
    this.decl = decl;
    const deepest = stream.kind.reduce((loops, kind) => loops + (kind === LOOP ? 1 : 0), 0);
    this.loopAt = new Int32Array(deepest);
    this.iteration = new Float64Array(deepest);
    this.trips = new Float64Array(deepest);
  }

  /** Walks up to the next instruction for a unit and pays for decoding it; gives its index, or AT_BARRIER, AT_END. */
  next(): number {
    const { stream } = this;
    for (;;) {
      if (this.pc === this.mark) this.cross();
      const { pc } = this;
      const kind = pc < stream.length ? stream.kind[pc] : HALT;
      if (kind === HALT) return AT_END;
      this.instructions += this.weight;
      // Fetched once, and again in each iteration of a loop that the loop buffer cannot hold.
      if (this.heldLoops === 0) this.fetchedBytes += this.weight * stream.encodedBytes[pc];
      this.free += stream.cost[pc];
      this.pc = pc + 1;
      if (kind === UNIT) return pc;
      if (kind === LOOP) this.enterLoop(pc);
      else if (kind === END) this.endIteration(pc);
      else if (kind === BARRIER) return AT_BARRIER;
      else if (kind === BASE) this.write(stream.slot[pc], stream.control(pc, this.values));
    }
  }

  /** Hands an instruction over at a cycle: a break when the queue made it wait, until the start of row `taken`. */
  handOver(at: number, taken: number): void {
    if (at > this.free) {
      this.workingSince = at;
      this.restartRow = taken;
    }
    this.free = at;
  }

  /** Goes on behind a barrier once every unit has drained, at cycle `drained` with trace row `last`. */
  passBarrier(drained: number, last: number): void {
    this.free = Math.max(this.free, drained) + this.decl.barrierCycles;
    this.workingSince = this.free;
    this.lastBarrier = this.free;
    this.restartRow = last;
  }

  private cross(): void {
    const { walk } = this;
    if (walk === undefined) return;
    this.pc = walk.cross(this.free);
    this.mark = walk.mark;
    this.weight = walk.weight;
  }

  private write(slot: number, value: number): void {
    this.env[slot] = value;
    this.values.moved(slot);
  }

  private enterLoop(pc: number): void {
    const { stream, depth } = this;
    const trips = stream.control(pc, this.values);
    if (trips <= 0) {
      this.pc = stream.target[pc] + 1;
      return;
    }
    this.write(stream.slot[pc], 0);
    this.loopAt[depth] = pc;
    this.iteration[depth] = 0;
    this.trips[depth] = trips;
    this.depth = depth + 1;
  }

  private endIteration(pc: number): void {
    this.free += this.decl.cyclesPerIteration;
    const { stream } = this;
    const top = this.depth - 1;
    const start = stream.target[pc];
    if (top < 0 || this.loopAt[top] !== start) throw internalError('END without a running loop');
    const iteration = this.iteration[top] + 1;
    this.iteration[top] = iteration;
    const isHeld = stream.isHeld[start] === 1;
    if (iteration < this.trips[top]) {
      if (isHeld && iteration === 1) this.heldLoops++;
      this.write(stream.slot[start], iteration);
      this.pc = start + 1;
    } else {
      if (isHeld && iteration > 1) this.heldLoops--;
      this.depth = top;
    }
  }
}
