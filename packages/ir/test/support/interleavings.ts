/**
 * What the units of a core may do with a straight stream, by trying every order: the oracle for the verifier.
 * Queues are as long as needed; instructions of a queue start and end in order, and up to two are in flight.
 */
import { type Access, expandStream, QUEUES, type ResolvedInstruction, type Stream } from '../../src/index.js';

export interface Outcome {
  /** An instruction starts while an earlier one, of another queue, on the same bytes has not ended. */
  readonly hazard: boolean;
  /** Some order gets stuck. */
  readonly deadlock: boolean;
  /** Tokens are left at the end. */
  readonly leftover: boolean;
  /** Most tokens in any counter. */
  readonly most: Readonly<Record<string, number>>;
}

interface Step {
  readonly queue: number;
  readonly wait: readonly number[];
  readonly release: readonly number[];
  /** Earlier steps on the same bytes in other queues: [queue, position in it]. */
  readonly conflicts: readonly [number, number][];
}

/** Bytes of an access, one by one. */
export function bytesOf(access: Pick<Access, 'start' | 'end' | 'runs'>): number[] {
  const { start, end, runs } = access;
  if (runs === undefined) return Array.from({ length: end - start }, (_, i) => start + i);
  const out = new Set<number>();
  for (let j = 0; j < runs.outerCount; j++) {
    for (let i = 0; i < runs.innerCount; i++) {
      const at = start + j * runs.outerStride + i * runs.innerStride;
      for (let b = 0; b < runs.length; b++) out.add(at + b);
    }
  }
  return [...out];
}

function touched(step: ResolvedInstruction): Map<string, boolean> {
  const out = new Map<string, boolean>();
  for (const access of step.spec.accesses(step.fields)) {
    for (const byte of bytesOf(access)) {
      const key = `${access.space}:${byte}`;
      out.set(key, access.write || (out.get(key) ?? false));
    }
  }
  return out;
}

/** Tries every order of starts and ends of a stream without loops, BARRIER or base registers. */
export function allInterleavings(stream: Stream): Outcome {
  const queues: Step[][] = QUEUES.map(() => []);
  const before: { queue: number; position: number; bytes: Map<string, boolean> }[] = [];
  for (const resolved of expandStream(stream, {})) {
    const { instruction } = resolved;
    if (instruction.queue === 'system') continue;
    const queue = QUEUES.indexOf(instruction.queue);
    const bytes = touched(resolved);
    const conflicts = before
      .filter((old) => old.queue !== queue)
      .filter((old) =>
        [...bytes].some(([key, write]) => old.bytes.has(key) && (write || old.bytes.get(key) === true)),
      )
      .map((old): [number, number] => [old.queue, old.position]);
    const count = instruction.name === 'SYNC' ? Math.max(1, resolved.fields.number('count')) : 1;
    const repeat = (from: number, to: number): number[] => new Array<number>(count).fill(from * 8 + to);
    const wait = instruction.wait.flatMap((from) => repeat(QUEUES.indexOf(from), queue));
    const release = instruction.release.flatMap((to) => repeat(queue, QUEUES.indexOf(to)));
    before.push({ queue, position: queues[queue].length, bytes });
    queues[queue].push({ queue, wait, release, conflicts });
  }
  return explore(queues.filter((queue) => queue.length > 0));
}

function explore(queues: Step[][]): Outcome {
  const slotOf = new Map(queues.map((queue, slot) => [queue[0].queue, slot]));
  let [hazard, deadlock, leftover] = [false, false, false];
  const most: Record<string, number> = {};
  const seen = new Set<string>();
  // Started and ended instructions of each queue determine the counters.
  const todo: { started: number[]; ended: number[] }[] = [
    { started: queues.map(() => 0), ended: queues.map(() => 0) },
  ];
  while (todo.length > 0) {
    const state = todo.pop();
    if (state === undefined) break;
    const key = `${state.started}|${state.ended}`;
    if (seen.has(key)) continue;
    seen.add(key);
    const counters = new Int32Array(64);
    for (const [slot, queue] of queues.entries()) {
      for (const step of queue.slice(0, state.started[slot])) for (const c of step.wait) counters[c]--;
      for (const step of queue.slice(0, state.ended[slot])) for (const c of step.release) counters[c]++;
    }
    for (const [c, value] of counters.entries()) {
      const name = `${QUEUES[c >> 3]}>${QUEUES[c & 7]}`;
      if (value > (most[name] ?? 0)) most[name] = value;
    }
    let moves = 0;
    for (const [slot, queue] of queues.entries()) {
      const [started, ended] = [state.started[slot], state.ended[slot]];
      if (ended < started) {
        moves++;
        todo.push({ started: state.started, ended: state.ended.with(slot, ended + 1) });
      }
      if (started >= queue.length || started - ended >= 2) continue;
      const step = queue[started];
      const left = counters.slice();
      for (const c of step.wait) left[c]--;
      if (left.some((value) => value < 0)) continue;
      moves++;
      if (step.conflicts.some(([q, position]) => state.ended[slotOf.get(q) ?? 0] <= position)) hazard = true;
      todo.push({ started: state.started.with(slot, started + 1), ended: state.ended });
    }
    const isDone = queues.every((queue, slot) => state.ended[slot] === queue.length);
    if (moves === 0 && !isDone) deadlock = true;
    if (isDone && counters.some((value) => value !== 0)) leftover = true;
  }
  return { hazard, deadlock, leftover, most };
}
