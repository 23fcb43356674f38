/**
 * Which LOOP belongs to which END, and which loops enclose each instruction. Shared by the expansion and the
 * verifier, so that both read a stream the same way. Knows nothing of trip counts.
 */
import { BitloomError } from '../error.js';
import { type Instruction, loopVariable } from './program.js';

/** One counted loop: indices in the stream. */
export interface LoopRange {
  /** Index of LOOP and of its END. */
  readonly begin: number;
  readonly end: number;
  /** Name of the loop variable in expressions. */
  readonly variable: string;
  /** 1 for an outermost loop. */
  readonly depth: number;
  readonly parent: LoopRange | undefined;
}

export interface LoopStructure {
  /** Every loop by the index of its LOOP, and by that of its END. */
  readonly byIndex: ReadonlyMap<number, LoopRange>;
  /** Innermost loop around each instruction; LOOP and END stand outside of their own loop. */
  readonly around: readonly (LoopRange | undefined)[];
}

/** Loops around a position, outermost first. */
export function enclosingLoops(loop: LoopRange | undefined): readonly LoopRange[] {
  const out: LoopRange[] = [];
  for (let at = loop; at !== undefined; at = at.parent) out.unshift(at);
  return out;
}

/**
 * Matches the loops of a stream.
 *
 * @throws BitloomError `program-loop` when LOOP and END do not nest; `where` is made by the argument
 */
export function loopStructure(
  instructions: readonly Instruction[],
  where: (index: number) => string = (index) => `instruction ${index}`,
): LoopStructure {
  const byIndex = new Map<number, LoopRange>();
  const around: (LoopRange | undefined)[] = [];
  const open: { begin: number; loop: { -readonly [K in keyof LoopRange]: LoopRange[K] } }[] = [];
  for (const [index, instruction] of instructions.entries()) {
    if (instruction.name === 'END') {
      const top = open.pop();
      if (top === undefined) {
        throw new BitloomError({
          code: 'program-loop',
          message: 'END without a LOOP before it',
          where: where(index),
        });
      }
      top.loop.end = index;
      byIndex.set(index, top.loop);
    }
    const parent = open[open.length - 1]?.loop;
    around.push(parent);
    if (instruction.name === 'LOOP') {
      const variable = instruction.fields.variable ?? 0;
      const loop = {
        begin: index,
        end: -1,
        variable: loopVariable(typeof variable === 'number' ? variable : -1),
        depth: open.length + 1,
        parent,
      };
      byIndex.set(index, loop);
      open.push({ begin: index, loop });
    }
  }
  const unclosed = open[open.length - 1];
  if (unclosed !== undefined) {
    throw new BitloomError({
      code: 'program-loop',
      message: 'LOOP without an END after it',
      where: where(unclosed.begin),
    });
  }
  return { byIndex, around };
}
