/**
 * What every check of a stream needs: the artefacts around it, the intervals of its symbols and loop variables,
 * and one way to say where an instruction stands. No check lives here.
 */
import type { Device } from '../../device/device.js';
import { BitloomError, type ErrorDetails } from '../../error.js';
import { bounds, type Expression, type Interval } from '../../expression.js';
import { enclosingLoops, type LoopStructure, loopStructure } from '../loop-structure.js';
import type { Program, ProgramEntry, Stream } from '../program.js';

export interface StreamScope {
  readonly program: Program;
  readonly device: Device;
  readonly entry: ProgramEntry;
  readonly stream: Stream;
  readonly loops: LoopStructure;
  /** Place of an instruction for an error: entry, core, index, name, and its provenance. */
  readonly where: (index: number) => string;
  readonly fail: (code: string, index: number, details: Omit<ErrorDetails, 'code' | 'where'>) => never;
}

/** @throws BitloomError `program-loop` */
export function streamScope(
  program: Program,
  device: Device,
  entry: ProgramEntry,
  stream: Stream,
): StreamScope {
  const where = (index: number): string => {
    const head = `entry '${entry.name}', core ${stream.core}, instruction ${index}`;
    const instruction = stream.instructions[index];
    if (instruction === undefined) return head;
    const origin = program.provenance[instruction.origin];
    const layer = origin === undefined || origin.layer < 0 ? '' : `, layer ${origin.layer}`;
    const tile = origin === undefined || origin.tile === '' ? '' : `, tile ${origin.tile}`;
    const node = origin === undefined ? '' : `, node '${origin.node}'${layer}${tile}`;
    return `${head} (${instruction.name} on ${instruction.queue})${node}`;
  };
  const fail = (code: string, index: number, details: Omit<ErrorDetails, 'code' | 'where'>): never => {
    throw new BitloomError({ code, where: where(index), ...details });
  };
  return { program, device, entry, stream, loops: loopStructure(stream.instructions, where), where, fail };
}

/** Intervals of the symbols, and of the loop variables around one instruction. */
export type Intervals = Readonly<Record<string, Interval>>;

/**
 * Intervals that hold at each instruction, by index; undefined where no length ever leads there. A variable of
 * a loop that runs at most `n` times lies in 0..n-1.
 */
export function streamIntervals(scope: StreamScope): readonly (Intervals | undefined)[] {
  const outer: Record<string, Interval> = {};
  for (const decl of scope.entry.symbols) outer[decl.name] = { min: decl.min, max: decl.max };
  const current: (Intervals | undefined)[] = [outer];
  return scope.stream.instructions.map((instruction, index) => {
    if (instruction.name === 'END') current.pop();
    const here = current[current.length - 1];
    const loop = instruction.name === 'LOOP' ? scope.loops.byIndex.get(index) : undefined;
    if (loop !== undefined) {
      const most = here === undefined ? 0 : bounds(tripsOf(scope, index), here).max;
      current.push(most <= 0 ? undefined : { ...here, [loop.variable]: { min: 0, max: most - 1 } });
    }
    return here;
  });
}

function tripsOf(scope: StreamScope, index: number): Expression {
  const trips = scope.stream.instructions[index].fields.trips ?? 0;
  if (typeof trips === 'object' && 'space' in trips) {
    return scope.fail('program-field-kind', index, {
      message: "field 'trips' holds an address",
      expected: 'an expression',
      got: `an address in ${trips.space}`,
    });
  }
  return trips;
}

/** Text of the lengths and loop variables at which a concrete check failed. */
export function atPoint(
  scope: StreamScope,
  index: number,
  bindings: Readonly<Record<string, number>>,
  iterations: readonly number[],
): string {
  const loops = enclosingLoops(scope.loops.around[index]);
  const parts = [
    ...Object.entries(bindings).map(([name, value]) => `${name}=${value}`),
    ...loops.map((loop, i) => `${loop.variable}=${iterations[i] ?? '?'}`),
  ];
  return parts.length === 0 ? 'every length' : parts.join(', ');
}
