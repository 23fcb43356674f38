/**
 * How many bytes of instructions a program needs, in four ways: as it is (`resolved`: lengths are fields that the
 * scheduler resolves), and as exact-length programs would: every length (`unbucketed`), or one per bucket of
 * lengths (`bucketed`, prefill 128 and decode 16 as published). Exact programs have no loops over lengths and no
 * expressions: every executed instruction stands in the stream with constants. Of every length each core has a program
 * of its own. Those of buckets are shared by all cores, as published (base registers tell cores apart), and what is the
 * same at every length (of a decode step all but attention) stands once for all buckets: the program of a
 * bucket is a list of pieces, its own and common ones.
 *
 * Exact streams are counted, not stored. A block whose bytes depend only on a few length expressions is counted
 * once for each combination of their values, which is what makes thousands of lengths affordable.
 */
import {
  CORE_SYMBOL,
  compileExpression,
  coresOf,
  type Expression,
  type Instruction,
  type InstructionBytes,
  type InstructionSpec,
  instructionSpec,
  isAddress,
  type Program,
  type ProgramEntry,
  type Stream,
  streamBytes,
  substitute,
  symbolsOf,
} from '@bitloom/ir';
import { DECODE_BUCKET, LENGTH_SYMBOLS, loopFields, PREFILL_BUCKET, SYMBOL_SLOTS } from './fixed-lengths.js';

/** Values of the lengths and of loop variables, by slot; another number after each change. */
class Point {
  readonly values = new Float64Array(LENGTH_SYMBOLS.length);
  version = 0;

  set(slot: number, value: number): void {
    if (this.values[slot] === value) return;
    this.values[slot] = value;
    this.version++;
  }
}

/** An expression that keeps its latest value: a stream has many fields, but few different expressions. */
class Term {
  readonly #evaluate: (values: Float64Array) => number;
  #version = -1;
  #value = 0;

  constructor(expression: Expression) {
    this.#evaluate = compileExpression(expression, SYMBOL_SLOTS);
  }

  at(point: Point): number {
    if (this.#version !== point.version) {
      this.#value = this.#evaluate(point.values);
      this.#version = point.version;
    }
    return this.#value;
  }
}

/** What the streams of an entry have in common, made once. They are counted at one {@link Point}. */
class Shared {
  readonly loops = new Map<string, CountedLoop>();
  readonly #terms = new Map<string, Term>();

  /** @param text the expression as JSON */
  term(expression: Expression, text = JSON.stringify(expression)): Term {
    const term = this.#terms.get(text) ?? new Term(expression);
    this.#terms.set(text, term);
    return term;
  }
}

/** Bytes of an instruction whose present fields take `bits`, without expressions. */
function bytesOf(bits: number): number {
  return bits === 0 ? 4 : 4 * (2 + Math.ceil(bits / 32));
}

interface CountedInstruction {
  readonly kind: 'instruction';
  /** Equal keys take equal bytes at all lengths. */
  readonly key: string;
  readonly staticBits: number;
  /** Fields that are absent where they are zero. */
  readonly dynamic: readonly { readonly term: Term; readonly bits: number }[];
}

interface CountedLoop {
  readonly kind: 'loop';
  readonly key: string;
  readonly variable: number;
  readonly trips: Term;
  readonly body: Blocks;
  /** Expressions without this loop's variable that decide the bytes of the whole loop. */
  readonly atoms: readonly Term[];
  /** Expressions without variables of loops inside that decide the bytes of one iteration. */
  readonly iterationAtoms: readonly Term[];
  readonly known: Map<number | string, number>;
  readonly knownIterations: Map<number | string, number>;
}

type Counted = CountedInstruction | CountedLoop;

/** Blocks that stand in a sequence, joined where their bytes are equal: layers repeat. */
type Blocks = readonly { readonly block: Counted; times: number }[];

/** Largest subexpressions that do not mention the symbols in `inner`: their values decide the whole. */
function collectAtoms(
  expression: Expression,
  inner: ReadonlySet<string>,
  into: Map<string, Expression>,
): void {
  if (typeof expression === 'number') return;
  if (![...symbolsOf(expression)].some((name) => inner.has(name))) {
    into.set(JSON.stringify(expression), expression);
    return;
  }
  if ('sym' in expression) return;
  for (const operand of operandsOf(expression)) collectAtoms(operand, inner, into);
}

function operandsOf(
  expression: Exclude<Expression, number | { readonly sym: string }>,
): readonly Expression[] {
  if ('add' in expression) return expression.add;
  if ('min' in expression) return expression.min;
  if ('max' in expression) return expression.max;
  if ('lookup' in expression) return [expression.lookup[0]];
  if ('mul' in expression) return [expression.mul[1]];
  if ('floorDiv' in expression) return [expression.floorDiv[0]];
  if ('ceilDiv' in expression) return [expression.ceilDiv[0]];
  return [expression.mod[0]];
}

/** Expressions of the number fields: addresses are always kept, so their offsets decide nothing. */
function dynamicNumbers(instruction: Instruction): Expression[] {
  return Object.values(instruction.fields).flatMap((value) =>
    isAddress(value) || typeof value === 'number' ? [] : [value],
  );
}

function countedInstruction(
  instruction: Instruction,
  spec: InstructionSpec,
  shared: Shared,
): CountedInstruction {
  let staticBits = 0;
  let key = '';
  const dynamic: { term: Term; bits: number }[] = [];
  for (const field of spec.fields) {
    const value = instruction.fields[field.name];
    if (value === undefined || Object.is(value, 0)) continue;
    if (isAddress(value) || typeof value === 'number') {
      staticBits += field.bits;
    } else {
      const text = JSON.stringify(value);
      dynamic.push({ term: shared.term(value, text), bits: field.bits });
      key += `${field.bits}:${text};`;
    }
  }
  return { kind: 'instruction', key: `${staticBits};${key}`, staticBits, dynamic };
}

/** Address and length of a piece in the list of a bucket's program. */
const PIECE_BYTES = 8;

function dependsOnLengths(instruction: Instruction): boolean {
  return Object.values(instruction.fields).some((value) => {
    const symbols = symbolsOf(isAddress(value) ? value.offset : value);
    return symbols.has('seq') || symbols.has('past');
  });
}

/** Instructions outside of all loops, and whole loops, that do or do not depend on lengths, and how often that changes. */
function piecesOf(instructions: readonly Instruction[]): {
  readonly common: Instruction[];
  readonly own: Instruction[];
  readonly pieces: number;
} {
  const [common, own]: [Instruction[], Instruction[]] = [[], []];
  let [depth, start, pieces] = [0, 0, 0];
  let last: Instruction[] | undefined;
  instructions.forEach((instruction, at) => {
    if (instruction.name === 'LOOP' && depth++ === 0) start = at;
    if (instruction.name === 'END') depth--;
    if (depth > 0) return;
    const block = instructions.slice(instruction.name === 'END' ? start : at, at + 1);
    const into = block.some(dependsOnLengths) ? own : common;
    if (into !== last) pieces++;
    last = into;
    into.push(...block);
  });
  return { common, own, pieces };
}

/** Turns a stream into nested blocks. */
function countedBlocks(instructions: readonly Instruction[], shared: Shared): Blocks {
  let at = 0;
  const read = (): Blocks => {
    const out = new Map<string, { block: Counted; times: number }>();
    const append = (block: Counted): void => {
      const known = out.get(block.key);
      if (known === undefined) out.set(block.key, { block, times: 1 });
      else known.times++;
    };
    while (at < instructions.length) {
      const instruction = instructions[at++];
      if (instruction === undefined || instruction.name === 'END') break;
      if (instruction.name !== 'LOOP') {
        append(countedInstruction(instruction, instructionSpec(instruction.name), shared));
        continue;
      }
      const first = at;
      const body = read();
      const loop = countedLoop(instruction, body, instructions.slice(first, at - 1), shared);
      const same = shared.loops.get(loop.key) ?? loop;
      shared.loops.set(loop.key, same);
      append(same);
    }
    return [...out.values()];
  };
  return read();
}

function countedLoop(
  loop: Instruction,
  body: Blocks,
  inside: readonly Instruction[],
  shared: Shared,
): CountedLoop {
  const { variable, trips } = loopFields(loop);
  const nested = new Set(inside.filter((i) => i.name === 'LOOP').map((i) => `i${loopFields(i).variable}`));
  const [atoms, iterationAtoms] = [new Map<string, Expression>(), new Map<string, Expression>()];
  collectAtoms(trips, new Set(), atoms);
  const all = new Set([`i${variable}`, ...nested]);
  for (const expression of inside.flatMap(dynamicNumbers)) {
    collectAtoms(expression, all, atoms);
    collectAtoms(expression, nested, iterationAtoms);
  }
  const terms = (list: Map<string, Expression>): Term[] =>
    [...list].map(([text, expression]) => shared.term(expression, text));
  return {
    kind: 'loop',
    key: `loop ${variable} ${JSON.stringify(trips)} [${blocksKey(body)}]`,
    variable,
    trips: shared.term(trips),
    body,
    atoms: terms(atoms),
    iterationAtoms: terms(iterationAtoms),
    known: new Map(),
    knownIterations: new Map(),
  };
}

/** Equal keys take equal bytes at all lengths. */
function blocksKey(blocks: Blocks): string {
  return blocks.map(({ block, times }) => `${times}x${block.key}`).join('|');
}

function countBlocks(blocks: Blocks, point: Point): number {
  let bytes = 0;
  for (const { block, times } of blocks) {
    if (block.kind === 'loop') {
      bytes += times * countLoop(block, point);
      continue;
    }
    let bits = block.staticBits;
    for (const field of block.dynamic) if (!Object.is(field.term.at(point), 0)) bits += field.bits;
    bytes += times * bytesOf(bits);
  }
  return bytes;
}

function remembered(
  known: Map<number | string, number>,
  atoms: readonly Term[],
  point: Point,
  count: () => number,
): number {
  const [only] = atoms;
  let key: number | string = '';
  if (atoms.length === 1 && only !== undefined) key = only.at(point);
  else for (const atom of atoms) key += `${atom.at(point)} `;
  const found = known.get(key);
  if (found !== undefined) return found;
  const bytes = count();
  known.set(key, bytes);
  return bytes;
}

function countLoop(loop: CountedLoop, point: Point): number {
  return remembered(loop.known, loop.atoms, point, () => {
    const trips = loop.trips.at(point);
    const slot = 2 + loop.variable;
    let bytes = 0;
    for (let i = 0; i < trips; i++) {
      point.set(slot, i);
      bytes += remembered(loop.knownIterations, loop.iterationAtoms, point, () =>
        countBlocks(loop.body, point),
      );
    }
    point.set(slot, 0);
    return bytes;
  });
}

/** A stream as some cores count it, all alike: what depends on lengths, and what does not. */
interface CountedStream {
  readonly own: Blocks;
  readonly common: Blocks;
  cores: number;
}

/** The instructions of one core: where its number stands in number fields is known. */
function ofCore(instructions: readonly Instruction[], core: number): Instruction[] {
  const bindings = { [CORE_SYMBOL]: core };
  const known = new Map<Expression, Expression>();
  const bound = (value: Expression): Expression => {
    if (typeof value === 'number') return value;
    const result = known.get(value) ?? substitute(value, bindings);
    known.set(value, result);
    return result;
  };
  return instructions.map((instruction) => ({
    ...instruction,
    fields: Object.fromEntries(
      Object.entries(instruction.fields).map(([name, value]) => [
        name,
        isAddress(value) ? value : bound(value),
      ]),
    ),
  }));
}

/** Bytes of an exact-length program, of all cores together. */
export interface ExactBytes {
  /** When each core has its program, and when cores with one stream share it. */
  readonly own: number;
  readonly shared: number;
  /** The part of `shared` that is the same at every length. */
  readonly common: number;
}

/** Bytes of exact-length programs of one entry. */
export class ExactLengths {
  /** Pieces of code that alternate between common and own ones. */
  readonly pieces: number;
  private readonly point = new Point();
  /** By stream, and cores that count alike. */
  private readonly streams: readonly (readonly CountedStream[])[];

  constructor(entry: ProgramEntry) {
    let pieces = 0;
    const shared = new Shared();
    this.streams = entry.streams.map((stream: Stream) => {
      const split = piecesOf(stream.instructions);
      pieces += split.pieces;
      const alike = new Map<string, CountedStream>();
      for (const core of coresOf(stream)) {
        const own = countedBlocks(ofCore(split.own, core), shared);
        const common = countedBlocks(ofCore(split.common, core), shared);
        const key = `${blocksKey(own)} and ${blocksKey(common)}`;
        const known = alike.get(key);
        if (known === undefined) alike.set(key, { own, common, cores: 1 });
        else known.cores++;
      }
      return [...alike.values()];
    });
    this.pieces = pieces;
  }

  bytes(lengths: { seq: number; past: number }): ExactBytes {
    const { point } = this;
    point.set(0, lengths.seq);
    point.set(1, lengths.past);
    const sum = { own: 0, shared: 0, common: 0 };
    for (const stream of this.streams) {
      let [longest, longestCommon] = [0, 0];
      for (const { own, common, cores } of stream) {
        const commonBytes = countBlocks(common, point);
        const bytes = commonBytes + countBlocks(own, point);
        sum.own += cores * bytes;
        longest = Math.max(longest, bytes);
        longestCommon = Math.max(longestCommon, commonBytes);
      }
      sum.shared += longest;
      sum.common += longestCommon;
    }
    return sum;
  }

  /** Bytes of programs that share what they have in common, with the lists of their pieces. */
  together(programs: readonly ExactBytes[]): number {
    const common = programs.reduce((most, program) => Math.max(most, program.common), 0);
    const lists = programs.length * this.pieces * PIECE_BYTES;
    return programs.reduce((sum, program) => sum + program.shared - program.common, common + lists);
  }
}

/** Bytes of a program as it is: code and expressions of every stream. */
export function programBytes(program: Program): number {
  return program.entries.reduce(
    (sum, entry) => sum + entry.streams.reduce((s, stream) => s + streamBytes(stream.instructions), 0),
    0,
  );
}

/**
 * Instruction storage of a program in all four ways. `forward` and other entries count only in `total`.
 * @param onProgress called with the lengths counted and their number
 */
export function instructionBytes(
  program: Program,
  onProgress?: (done: number, total: number) => void,
): InstructionBytes {
  const total = programBytes(program);
  const { capacity } = program;
  let [unbucketed, bucketed, resolved, done] = [0, 0, 0, 0];
  const entries = program.entries.filter((entry) => entry.name === 'prefill' || entry.name === 'decode');
  for (const entry of entries) {
    resolved += entry.streams.reduce((sum, stream) => sum + streamBytes(stream.instructions), 0);
    const exact = new ExactLengths(entry);
    const isDecode = entry.name === 'decode';
    const bucket = isDecode ? DECODE_BUCKET : PREFILL_BUCKET;
    const ends: ExactBytes[] = [];
    for (let length = 1; length <= capacity; length++) {
      const bytes = exact.bytes(isDecode ? { seq: 1, past: length - 1 } : { seq: length, past: 0 });
      unbucketed += bytes.own;
      // The program of a bucket is the one of its longest length.
      if (length % bucket === 0 || length === capacity) ends.push(bytes);
      done++;
      if (done % 256 === 0) onProgress?.(done, entries.length * capacity);
    }
    bucketed += exact.together(ends);
  }
  return { total, unbucketed, bucketed, resolved };
}
