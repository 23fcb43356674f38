/** Programs with one thing broken. What is broken is chosen by numbers, so that a property test can shrink it. */
import {
  type Address,
  add,
  CORE_SYMBOL,
  coresOf,
  type FieldValue,
  type Instruction,
  multiply,
  type Program,
  type Stream,
  substitute,
  subtract,
  symbol,
  symbolsOf,
} from '@bitloom/ir';

/** What can be broken in every program. */
export const MUTATIONS = ['token', 'wait', 'move', 'exchange', 'neighbours', 'flag'] as const;
/** What can be broken in programs of several cores only. */
export const CORE_MUTATIONS = ['core', 'ownOffset', 'unsent', 'gap', 'overlap'] as const;
export type Mutation = (typeof MUTATIONS | typeof CORE_MUTATIONS)[number];

export interface MutationChoice {
  readonly kind: Mutation;
  readonly entry: number;
  readonly at: number;
  readonly by: number;
  /** The core whose program is broken; undefined: that of all. */
  readonly core?: number;
}

export interface Mutant {
  readonly program: Program;
  /** What was done, for a message. */
  readonly what: string;
}

/** The broken program, or undefined where the choice finds nothing to break. */
export function mutate(program: Program, choice: MutationChoice): Mutant | undefined {
  const entryIndex = choice.entry % program.entries.length;
  const entry = program.entries[entryIndex];
  const [stream] = entry.streams;
  const result = MUTATE[choice.kind](stream.instructions, choice);
  if (result === undefined) return undefined;
  const broken = { ...stream, instructions: result.instructions };
  const core = choice.core === undefined ? undefined : choice.core % coresOf(stream).length;
  const streams = core === undefined ? [broken] : apart(stream, core, result.instructions);
  const changed = { ...entry, streams };
  const entries = program.entries.map((one, i) => (i === entryIndex ? changed : one));
  const where = core === undefined ? entry.name : `${entry.name}, core ${core}`;
  return { program: { ...program, entries }, what: `${where}: ${result.what}` };
}

/** A stream of its own for each core, of which one has other instructions. Frames are those of the first core. */
export function apart(stream: Stream, core: number, instructions: readonly Instruction[]): Stream[] {
  return coresOf(stream).map((own) => {
    const list = own === core ? instructions : stream.instructions;
    return { core: own, instructions: own === 0 ? list : list.filter(({ name }) => name !== 'FRAME') };
  });
}

interface Changed {
  readonly instructions: readonly Instruction[];
  readonly what: string;
}

type Mutate = (instructions: readonly Instruction[], choice: MutationChoice) => Changed | undefined;

/** The `choice`-th of the instructions that pass, as its index. */
function pick(
  instructions: readonly Instruction[],
  at: number,
  passes: (one: Instruction) => boolean,
): number | undefined {
  const found = instructions.flatMap((one, i) => (passes(one) ? [i] : []));
  return found.length === 0 ? undefined : found[at % found.length];
}

function replace(
  instructions: readonly Instruction[],
  changes: ReadonlyMap<number, Instruction>,
  what: string,
): Changed {
  return { instructions: instructions.map((one, i) => changes.get(i) ?? one), what };
}

function addressFields(one: Instruction): [string, Address][] {
  return Object.entries(one.fields).flatMap(([name, value]: [string, FieldValue]): [string, Address][] =>
    typeof value === 'object' && 'space' in value ? [[name, value]] : [],
  );
}

const MUTATE: Readonly<Record<Mutation, Mutate>> = {
  /** A token is neither awaited nor released: the wait and the release before it that it most likely met. */
  token: (instructions, { at, by }) => {
    const consumer = pick(instructions, at, ({ wait }) => wait.length > 0);
    if (consumer === undefined) return undefined;
    const { queue, wait } = instructions[consumer];
    const from = wait[by % wait.length];
    const isProducer = (one: Instruction): boolean => one.queue === from && one.release.includes(queue);
    const producers = instructions.flatMap((one, i) => (isProducer(one) ? [i] : []));
    const waits = instructions
      .slice(0, consumer)
      .filter((one) => one.queue === queue && one.wait.includes(from)).length;
    const before = producers.filter((i) => i < consumer);
    const producer = before[Math.min(waits, before.length - 1)];
    if (producer === undefined) return undefined;
    const changes = new Map<number, Instruction>();
    changes.set(consumer, { ...instructions[consumer], wait: wait.filter((q) => q !== from) });
    const released = instructions[producer];
    changes.set(producer, { ...released, release: released.release.filter((q) => q !== queue) });
    return replace(instructions, changes, `no token ${producer} > ${consumer} (${from} > ${queue})`);
  },
  /** A wait is forgotten: its token stays. */
  wait: (instructions, { at, by }) => {
    const consumer = pick(instructions, at, ({ wait }) => wait.length > 0);
    if (consumer === undefined) return undefined;
    const one = instructions[consumer];
    const gone = one.wait[by % one.wait.length];
    return replace(
      instructions,
      new Map([[consumer, { ...one, wait: one.wait.filter((q) => q !== gone) }]]),
      `${consumer} does not wait for ${gone}`,
    );
  },
  /** An address is off by a few bytes, a row, or a slot. */
  move: (instructions, { at, by }) => {
    const index = pick(instructions, at, (one) => addressFields(one).length > 0);
    if (index === undefined) return undefined;
    const one = instructions[index];
    const fields = addressFields(one);
    const [name, address] = fields[by % fields.length];
    const step = [4, 64, 256, 512, 1024, -4, -64, -256, -512, -1024][Math.floor(by / fields.length) % 10];
    const moved = {
      ...one,
      fields: { ...one.fields, [name]: { ...address, offset: add(address.offset, step) } },
    };
    return replace(instructions, new Map([[index, moved]]), `${name} of ${index} moved by ${step}`);
  },
  /** Two instructions have each other's address. */
  exchange: (instructions, { at, by }) => {
    const index = pick(instructions, at, (one) => addressFields(one).length > 0);
    if (index === undefined) return undefined;
    const one = instructions[index];
    const fields = addressFields(one);
    const [name, address] = fields[by % fields.length];
    const other = pick(
      instructions,
      Math.floor(by / fields.length),
      (candidate) => candidate !== one && candidate.name === one.name,
    );
    const theirs =
      other === undefined
        ? undefined
        : addressFields(instructions[other]).find(([field]) => field === name)?.[1];
    if (other === undefined || theirs === undefined) return undefined;
    const changes = new Map<number, Instruction>();
    changes.set(index, { ...one, fields: { ...one.fields, [name]: theirs } });
    changes.set(other, {
      ...instructions[other],
      fields: { ...instructions[other].fields, [name]: address },
    });
    return replace(instructions, changes, `${name} of ${index} and ${other} exchanged`);
  },
  /** Two neighbours change places. */
  neighbours: (instructions, { at }) => {
    const index = pick(instructions.slice(0, -1), at, ({ queue }) => queue !== 'system');
    if (index === undefined || instructions[index + 1].queue === 'system') return undefined;
    const changes = new Map([
      [index, instructions[index + 1]],
      [index + 1, instructions[index]],
    ]);
    return replace(instructions, changes, `${index} and ${index + 1} changed places`);
  },
  /** A product forgets to go on, or to finish, or does so where it should not. */
  flag: (instructions, { at, by }) => {
    const index = pick(instructions, at, ({ name }) => name === 'MM' || name === 'MV');
    if (index === undefined) return undefined;
    const one = instructions[index];
    const name = by % 2 === 0 ? 'continue' : 'finish';
    const flipped = one.fields[name] === 1 ? 0 : 1;
    return replace(
      instructions,
      new Map([[index, { ...one, fields: { ...one.fields, [name]: flipped } }]]),
      `${name} of ${index} is ${flipped}`,
    );
  },
  /** An address that depends on the core forgets it, or takes that of a neighbour. */
  core: (instructions, { at, by }) => {
    const own = (one: Instruction): [string, Address][] =>
      addressFields(one).filter(([, { offset }]) => symbolsOf(offset).has(CORE_SYMBOL));
    const index = pick(instructions, at, (one) => own(one).length > 0);
    if (index === undefined) return undefined;
    const fields = own(instructions[index]);
    const [name, address] = fields[by % fields.length];
    const core = symbol(CORE_SYMBOL);
    const others = [0, 1, add(core, 1), subtract(1, core)];
    const other = others[Math.floor(by / fields.length) % others.length];
    return moved(instructions, index, name, address, substitute(address.offset, { [CORE_SYMBOL]: other }));
  },
  /** An address that is the same on all cores is not. */
  ownOffset: (instructions, { at, by }) => {
    const index = pick(instructions, at, (one) => addressFields(one).length > 0);
    if (index === undefined) return undefined;
    const fields = addressFields(instructions[index]);
    const [name, address] = fields[by % fields.length];
    const step = [4, 64, 256, -64][Math.floor(by / fields.length) % 4];
    const offset = add(address.offset, multiply(step, symbol(CORE_SYMBOL)));
    return moved(instructions, index, name, address, offset);
  },
  /** An exchange keeps its tokens and moves nothing. */
  unsent: (instructions, { at }) => {
    const index = pick(instructions, at, ({ name }) => name === 'XCH');
    if (index === undefined) return undefined;
    const nothing = { ...instructions[index], name: 'SYNC', fields: { count: 1 } };
    return replace(instructions, new Map([[index, nothing]]), `exchange ${index} left out`);
  },
  /** Every core sends less than it has. */
  gap: (instructions, choice) => resized(instructions, choice, -1),
  /** Every core sends more than it has. */
  overlap: (instructions, choice) => resized(instructions, choice, 1),
};

function moved(
  instructions: readonly Instruction[],
  index: number,
  name: string,
  address: Address,
  offset: Address['offset'],
): Changed {
  const one = instructions[index];
  const changed = { ...one, fields: { ...one.fields, [name]: { ...address, offset } } };
  return replace(
    instructions,
    new Map([[index, changed]]),
    `${name} of ${index} depends on the core otherwise`,
  );
}

function resized(
  instructions: readonly Instruction[],
  { at, by }: MutationChoice,
  sign: number,
): Changed | undefined {
  const index = pick(instructions, at, ({ name }) => name === 'XCH');
  if (index === undefined) return undefined;
  const one = instructions[index];
  const { length } = one.fields;
  if (length === undefined || (typeof length === 'object' && 'space' in length)) return undefined;
  const step = sign * [1, 4, 64][by % 3];
  const changed = { ...one, fields: { ...one.fields, length: add(length, step) } };
  return replace(instructions, new Map([[index, changed]]), `length of exchange ${index} changed by ${step}`);
}
