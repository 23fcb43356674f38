/** How the timing reading treats lengths: as the program resolves them, or by programs of one length or bucket each. */
import { bucketLengths, type CallLengths, fixedProgram } from '@bitloom/compiler';
import type { Program } from '@bitloom/ir';
import type { LengthMode } from './length-modes.js';

/** What a report says of a mode that is not the program itself. */
export const LENGTH_NOTES: Readonly<Record<Exclude<LengthMode, 'resolved'>, string>> = {
  exact: 'lengths exact: a program of its own for every length, without loops and expressions',
  bucketed:
    'lengths bucketed: a program for every 128 tokens of a prompt and every 16 of the context of a decode step; shorter ones compute the whole bucket',
};

/** Makes the program that runs in place of an entry; calls of one bucket that follow each other share it. */
export function fixedPrograms(
  program: Program,
  mode: Exclude<LengthMode, 'resolved'>,
): (entry: string, lengths: CallLengths) => { program: Program; lengths: CallLengths } {
  let latest: { key: string; program: Program } | undefined;
  return (entry, asked) => {
    const lengths = mode === 'exact' ? asked : bucketLengths(entry, asked, program.capacity);
    const key = `${entry} ${lengths.seq} ${lengths.past}`;
    if (latest?.key !== key) latest = { key, program: fixedProgram(program, entry, lengths) };
    return { program: latest.program, lengths };
  };
}
