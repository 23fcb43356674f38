/**
 * How many iterations of a loop must be expanded before every clash of two queues in it has shown itself.
 *
 * Two accesses that move with the loop variable in the same way keep their distance, so a clash of iteration i with
 * iteration i + d shows between 0 and d too; and what tokens order at some distance they order at any greater one,
 * since queues are in order. So as many iterations do as it takes one access to reach the other. Accesses that move
 * differently may meet anywhere in the loop: such a loop is expanded in full.
 *
 * What is not followed: a minimum or maximum in a count or length (the tail of a tiling) is taken to matter in the
 * first or last iterations only. And iterations that a BARRIER keeps apart are sampled, so a clash within one
 * iteration that only few of them have can be missed.
 */
import { bounds, type Expression, type Interval, substitute, subtract } from '../../expression.js';
import type { CompiledStream } from '../expand-stream.js';
import { type Address, isAddress } from '../instruction-fields.js';
import { instructionSpec } from '../instruction-set.js';
import { progress } from '../iteration-period.js';
import { enclosingLoops, type LoopRange } from '../loop-structure.js';
import type { AccessSpan } from './check-bounds.js';
import type { Intervals, StreamScope } from './stream-scope.js';

/** Beyond this many pairs in a body the loop is not looked into, but expanded in full. */
const MOST_PAIRS = 200_000;

interface Moving {
  readonly index: number;
  readonly queue: string;
  readonly address: Address;
  readonly span: AccessSpan;
  /** Bytes over one period of the loop; undefined: not the same in all periods. */
  readonly step: number | undefined;
}

/** Iterations over which the accesses of a loop may meet; Infinity: anywhere in it. Each loop is looked into when it is first asked for. */
export function loopReach(
  scope: StreamScope,
  compiled: CompiledStream,
  intervals: readonly (Intervals | undefined)[],
  spans: ReadonlyMap<number, readonly AccessSpan[]>,
): (loop: LoopRange) => number {
  const known = new Map<number, number>();
  // Expansions number their loops alike, but as objects of their own.
  const isolated = new Set([...compiled.isolated].map((loop) => loop.begin));
  return (loop) => {
    let reach = known.get(loop.begin);
    if (reach === undefined) {
      reach = isolated.has(loop.begin) ? 0 : reachOf(scope, loop, compiled.periodOf(loop), intervals, spans);
      known.set(loop.begin, reach);
    }
    return reach;
  };
}

function reachOf(
  scope: StreamScope,
  loop: LoopRange,
  period: number,
  intervals: readonly (Intervals | undefined)[],
  spans: ReadonlyMap<number, readonly AccessSpan[]>,
): number {
  if (!Number.isFinite(period)) return period;
  let reach = 0;
  for (const group of accessesIn(scope, loop, period, spans).values()) {
    reach = Math.max(reach, reachWithin(group, loop, period, intervals));
  }
  return reach;
}

/** Iterations that it takes accesses of one space to reach each other. */
function reachWithin(
  group: Moving[],
  loop: LoopRange,
  period: number,
  intervals: readonly (Intervals | undefined)[],
): number {
  let reach = 0;
  let pairs = 0;
  let open: Moving[] = [];
  for (const current of group.sort((a, b) => a.span.start - b.span.start)) {
    open = open.filter((other) => other.span.end > current.span.start);
    for (const other of open) {
      if (++pairs > MOST_PAIRS) return Number.POSITIVE_INFINITY;
      if (other.queue === current.queue || !(other.span.write || current.span.write)) continue;
      const isComparable = other.address.register === current.address.register;
      if (!isComparable || current.step === undefined || other.step !== current.step) {
        return Number.POSITIVE_INFINITY;
      }
      if (current.step === 0) continue;
      const extent = Math.max(other.span.extent, current.span.extent);
      const distance = farthest(loop, other, current, intervals) + extent;
      reach = Math.max(reach, (Math.ceil(distance / Math.abs(current.step)) + 1) * period);
    }
    open.push(current);
  }
  return reach;
}

/** Accesses of the body, by space, channel and whether they are paged. */
function accessesIn(
  scope: StreamScope,
  loop: LoopRange,
  period: number,
  spans: ReadonlyMap<number, readonly AccessSpan[]>,
): Map<string, Moving[]> {
  const out = new Map<string, Moving[]>();
  const body = scope.stream.instructions.slice(loop.begin + 1, loop.end);
  const set = new Set(body.filter(({ name }) => name === 'BASE').map(({ fields }) => fields.register));
  for (let index = loop.begin + 1; index < loop.end; index++) {
    const instruction = scope.stream.instructions[index];
    const listed = spans.get(index);
    if (listed === undefined) continue;
    const isSteady = isShapeSteady(scope, index, loop);
    for (const span of listed) {
      const address = instruction.fields[span.operand];
      if (address === undefined || !isAddress(address)) continue;
      const moved = progress(address.offset, loop.variable);
      const step = moved.step === undefined ? undefined : (moved.step * period) / moved.period;
      const isKnown = isSteady && (address.page || !set.has(address.register));
      const key = `${address.space}/${address.channel}/${address.page}`;
      const group = out.get(key) ?? [];
      out.set(key, group);
      group.push({ index, queue: instruction.queue, address, span, step: isKnown ? step : undefined });
    }
  }
  return out;
}

/** Whether counts, lengths and strides, and inner trip counts, do not grow or shrink with the loop. */
function isShapeSteady(scope: StreamScope, index: number, loop: LoopRange): boolean {
  const instruction = scope.stream.instructions[index];
  const inner = enclosingLoops(scope.loops.around[index]).filter((other) => other.begin > loop.begin);
  const trips = inner.map((other) => scope.stream.instructions[other.begin].fields.trips ?? 0);
  const shape = instructionSpec(instruction.name).fields.map((field) => instruction.fields[field.name] ?? 0);
  return [...trips, ...shape].every((value) => {
    if (isAddress(value)) return true;
    const { step } = progress(value, loop.variable);
    return step === undefined || step === 0;
  });
}

/** Largest distance between the starts of two accesses in the same iteration of the loop, wherever inner loops are. */
function farthest(
  loop: LoopRange,
  a: Moving,
  b: Moving,
  intervals: readonly (Intervals | undefined)[],
): number {
  const [inA, inB] = [intervals[a.index], intervals[b.index]];
  if (inA === undefined || inB === undefined) return 0;
  // Loops inside of this one may be at other iterations for b than for a: their variables get names of their own.
  const shared = new Set(enclosingLoops(loop).map((outer) => outer.variable));
  const own: Record<string, Expression> = {};
  const names: Record<string, Interval> = { ...inA };
  for (const [name, interval] of Object.entries(inB)) {
    if (!/^i\d+$/.test(name) || shared.has(name)) continue;
    own[name] = { sym: `${name}'` };
    names[`${name}'`] = interval;
  }
  const { min, max } = bounds(subtract(substitute(b.address.offset, own), a.address.offset), names);
  return Math.max(Math.abs(min), Math.abs(max));
}
