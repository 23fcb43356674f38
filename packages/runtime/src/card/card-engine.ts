/** The engine over a card: cuts a sequence into calls of the program's entries and checks what comes back. */
import { BitloomError, type Model, type Port, type Program, type ProgramEntry } from '@bitloom/ir';
import { checkToken, checkTokens, contextFull, type Engine, engineClosed, type TokenIds } from '../engine.js';
import type { Card } from './card.js';

/** An entry with its ports and the lengths it was compiled for. */
interface CardEntry {
  readonly name: string;
  readonly ids: string;
  readonly logits: string;
  readonly vocabulary: number;
  readonly maxSeq: number;
  readonly maxPast: number;
}

/**
 * Drives `card`, which holds `program`, as an engine. `close` closes the card.
 *
 * @param model what the program was compiled from; engines hand it on
 * @throws BitloomError `program-entry-missing` when the program has no decode entry, `program-ports` when an entry
 *   does not take token ids and give logits
 */
export function createCardEngine(card: Card, program: Program, model: Model): Engine {
  const find = (name: string): CardEntry | undefined => {
    const entry = program.entries.find((candidate) => candidate.name === name);
    return entry === undefined ? undefined : describeEntry(entry, program);
  };
  const decode = find('decode');
  if (decode === undefined) {
    throw new BitloomError({
      code: 'program-entry-missing',
      message: 'the program cannot generate text',
      where: `program '${program.name}'`,
      expected: 'an entry named decode',
      got: program.entries.map((entry) => entry.name).join(', ') || 'no entries',
      hint: 'compile the model with its decode entry',
    });
  }
  return new CardEngine(card, model, program.capacity, {
    decode,
    prefill: find('prefill') ?? decode,
    forward: find('forward') ?? decode,
  });
}

function describeEntry(entry: ProgramEntry, program: Program): CardEntry {
  const [ids] = entry.inputs;
  const [logits] = entry.outputs;
  const vocabulary = logits?.shape[logits.shape.length - 1];
  if (
    entry.inputs.length !== 1 ||
    ids.dtype !== 'i32' ||
    logits?.dtype !== 'f32' ||
    typeof vocabulary !== 'number'
  ) {
    throw portsError(entry, program);
  }
  const most = (name: string, otherwise: number): number =>
    entry.symbols.find((symbol) => symbol.name === name)?.max ?? otherwise;
  return {
    name: entry.name,
    ids: ids.name,
    logits: logits.name,
    vocabulary,
    maxSeq: entry.name === 'decode' ? 1 : most('seq', 1),
    maxPast: most('past', 0),
  };
}

function portsError(entry: ProgramEntry, program: Program): BitloomError {
  const text = (ports: readonly Port[]): string =>
    ports.map((port) => `${port.name}: ${port.dtype}`).join(', ');
  return new BitloomError({
    code: 'program-ports',
    message: 'an entry of the program is not one of a language model',
    where: `program '${program.name}', entry '${entry.name}'`,
    expected: 'one i32 input, the token ids, and one f32 output, the logits',
    got: `(${text(entry.inputs)}) -> (${text(entry.outputs)})`,
  });
}

class CardEngine implements Engine {
  readonly model: Model;
  readonly vocabularySize: number;
  readonly capacity: number;
  readonly #card: Card;
  readonly #entries: Readonly<Record<'decode' | 'prefill' | 'forward', CardEntry>>;
  /** Inputs of a decode call, used again for every token. */
  readonly #token = new Int32Array(1);
  readonly #decodeInputs: Readonly<Record<string, Int32Array>>;
  #position = 0;
  #open = true;

  constructor(
    card: Card,
    model: Model,
    capacity: number,
    entries: Readonly<Record<'decode' | 'prefill' | 'forward', CardEntry>>,
  ) {
    this.#card = card;
    this.model = model;
    this.capacity = capacity;
    this.#entries = entries;
    this.vocabularySize = entries.decode.vocabulary;
    this.#decodeInputs = { [entries.decode.ids]: this.#token };
  }

  get position(): number {
    return this.#position;
  }

  forward(tokens: TokenIds): Float32Array {
    this.#check(tokens);
    const out = new Float32Array(tokens.length * this.vocabularySize);
    this.#walk(this.#entries.forward, tokens, (logits, first, count) => {
      out.set(this.#rows(logits, count), first * this.vocabularySize);
    });
    return out;
  }

  prefill(tokens: TokenIds): Float32Array {
    this.#check(tokens);
    let last: Float32Array = new Float32Array(0);
    this.#walk(this.#entries.prefill, tokens, (logits) => {
      last = this.#rows(logits, 1);
    });
    return last;
  }

  decode(token: number): Float32Array {
    if (!this.#open) throw engineClosed();
    checkToken(token, 0, this.vocabularySize);
    if (this.#position >= this.capacity) throw contextFull(this.#position, 1, this.capacity);
    return this.#rows(this.#decodeOne(token), 1);
  }

  reset(): void {
    if (!this.#open) throw engineClosed();
    this.#position = 0;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#card.close();
  }

  #check(tokens: TokenIds): void {
    if (!this.#open) throw engineClosed();
    checkTokens(tokens, this);
  }

  /** Runs all tokens through `entry` as far as its lengths allow, token by token where they do not. */
  #walk(
    entry: CardEntry,
    tokens: TokenIds,
    take: (logits: Float32Array, first: number, count: number) => void,
  ): void {
    for (let first = 0; first < tokens.length; ) {
      const count = this.#position > entry.maxPast ? 1 : Math.min(entry.maxSeq, tokens.length - first);
      const several = count > 1 || (entry.maxSeq > 1 && this.#position <= entry.maxPast);
      const logits = several
        ? this.#call(entry, tokens.slice(first, first + count))
        : this.#decodeOne(tokens[first]);
      take(logits, first, count);
      first += count;
    }
  }

  #call(entry: CardEntry, tokens: TokenIds): Float32Array {
    const inputs = { [entry.ids]: Int32Array.from(tokens) };
    const outputs = this.#card.run(entry.name, { seq: tokens.length, past: this.#position }, inputs);
    this.#position += tokens.length;
    return outputs[entry.logits];
  }

  #decodeOne(token: number): Float32Array {
    const { decode } = this.#entries;
    this.#token[0] = token;
    const outputs = this.#card.run(decode.name, { seq: 1, past: this.#position }, this.#decodeInputs);
    this.#position += 1;
    return outputs[decode.logits];
  }

  /** The last `count` rows of what an entry gave. */
  #rows(logits: Float32Array | undefined, count: number): Float32Array {
    const wanted = count * this.vocabularySize;
    if (logits !== undefined && logits.length >= wanted && logits.length % this.vocabularySize === 0) {
      return logits.length === wanted ? logits : logits.subarray(logits.length - wanted);
    }
    throw new BitloomError({
      code: 'card-output',
      message: 'the card gave logits of a wrong size',
      expected: `${count} rows of ${this.vocabularySize}`,
      got: `${logits?.length ?? 0} numbers`,
      hint: 'load the program that was compiled from this model',
    });
  }
}
