/**
 * Programs of one length, as the published compiler makes them: no loops and no expressions, every executed instruction
 * stands in the stream with constants. They are what `--lengths exact` and `bucketed` time, and what
 * `instruction-bytes.ts` counts without making them.
 */
import {
  CORE_SYMBOL,
  compileExpression,
  coresOf,
  type Expression,
  type Instruction,
  internalError,
  isAddress,
  type Program,
  type Stream,
} from '@bitloom/ir';

/** Lengths of one call: new tokens, and tokens cached before. */
export interface CallLengths {
  readonly seq: number;
  readonly past: number;
}

/** Published sizes of buckets of lengths: of a prompt, and of the context of a decode step. */
export const PREFILL_BUCKET = 128;
export const DECODE_BUCKET = 16;

/** Symbols of streams that the compiler makes, in the order of their values. */
export const LENGTH_SYMBOLS = ['seq', 'past', ...Array.from({ length: 16 }, (_, i) => `i${i}`), CORE_SYMBOL];
export const SYMBOL_SLOTS: ReadonlyMap<string, number> = new Map(LENGTH_SYMBOLS.map((name, i) => [name, i]));

/** Instructions that a program of one length does not have: its dispatcher has no loops. */
export const LOOP_CONTROL: ReadonlySet<string> = new Set(['LOOP', 'END']);

/** Variable and trips of a LOOP. */
export function loopFields(loop: Instruction): { variable: number; trips: Expression } {
  const [variable, trips] = [loop.fields.variable ?? 0, loop.fields.trips ?? 0];
  if (typeof variable !== 'number' || isAddress(trips)) throw internalError('malformed LOOP');
  return { variable, trips };
}

/** The longest lengths of the bucket of a call, which a bucketed program computes in its place. */
export function bucketLengths(entry: string, { seq, past }: CallLengths, capacity: number): CallLengths {
  const end = (length: number, bucket: number): number =>
    Math.min(capacity, Math.ceil(length / bucket) * bucket);
  return entry === 'decode'
    ? { seq, past: end(past + seq, DECODE_BUCKET) - seq }
    : { seq: end(past + seq, PREFILL_BUCKET) - past, past };
}

/**
 * The program of one entry and one length, a stream for each core.
 */
export function fixedProgram(program: Program, name: string, lengths: CallLengths): Program {
  const entry = program.entries.find((candidate) => candidate.name === name);
  if (entry === undefined) throw internalError(`no entry '${name}' to fix the lengths of`);
  const bound = (value: number) => ({ min: value, max: value });
  return {
    ...program,
    entries: [
      {
        ...entry,
        symbols: entry.symbols.map((symbol) => ({
          ...symbol,
          ...bound(symbol.name === 'seq' ? lengths.seq : lengths.past),
        })),
        streams: entry.streams.flatMap((stream) =>
          coresOf(stream).map((core) => ({
            core,
            instructions: [...exactInstructions(stream, lengths, core)].filter(
              ({ name: instruction }) => instruction !== 'FRAME',
            ),
          })),
        ),
        frames: [],
      },
    ],
  };
}

/** The instructions of an exact-length program, one by one: what {@link ExactLengths} counts. */
export function* exactInstructions(
  stream: Stream,
  lengths: { seq: number; past: number },
  core = stream.core,
): Generator<Instruction> {
  const values = new Float64Array(LENGTH_SYMBOLS.length);
  values[0] = lengths.seq;
  values[1] = lengths.past;
  values[LENGTH_SYMBOLS.length - 1] = core;
  const number = (expression: Expression): number => compileExpression(expression, SYMBOL_SLOTS)(values);
  const { instructions } = stream;
  const running: { start: number; variable: number; iteration: number; trips: number }[] = [];
  for (let at = 0; at < instructions.length; at++) {
    const instruction = instructions[at];
    if (instruction === undefined) return;
    if (instruction.name === 'LOOP') {
      const { variable, trips } = loopFields(instruction);
      running.push({ start: at, variable, iteration: 0, trips: number(trips) });
      values[2 + variable] = 0;
      if ((running[running.length - 1]?.trips ?? 0) <= 0) at = skipLoop(instructions, at, running);
    } else if (instruction.name === 'END') {
      const loop = running[running.length - 1];
      if (loop === undefined) throw internalError('END without a LOOP');
      loop.iteration++;
      values[2 + loop.variable] = loop.iteration;
      if (loop.iteration < loop.trips) {
        at = loop.start;
      } else {
        running.pop();
        values[2 + loop.variable] = 0;
      }
    } else {
      yield {
        ...instruction,
        fields: Object.fromEntries(
          Object.entries(instruction.fields).map(([name, value]) => [
            name,
            isAddress(value) ? { ...value, offset: number(value.offset) } : number(value),
          ]),
        ),
      };
    }
  }
}

function skipLoop(instructions: readonly Instruction[], start: number, running: { start: number }[]): number {
  running.pop();
  let depth = 0;
  for (let at = start; at < instructions.length; at++) {
    const name = instructions[at]?.name ?? '';
    if (LOOP_CONTROL.has(name)) depth += name === 'LOOP' ? 1 : -1;
    if (depth === 0) return at;
  }
  throw internalError('LOOP without an END');
}
