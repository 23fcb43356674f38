/**
 * The regular expressions of target rules (`re:...`), which come from a file and so are not given to an engine that
 * may take exponential time. The subset that such rules are written in is parsed here and run as a set of states, one
 * pass over the name: literals, `.`, classes, `\d \w \s` and their opposites, groups, `|`, `* + ? {m,n}`, `^`, `$`.
 * Look-around, back references, flags and everything else is refused, never guessed.
 *
 * As in Python's `re.match`, a pattern must match from the first character of the name on and may end anywhere.
 */
import { unsupportedModel } from '../../decoder/decoder-config.js';

/** Longest pattern, deepest nesting, and most states after `{m,n}` is written out. */
const MAX_LENGTH = 512;
const MAX_DEPTH = 16;
const MAX_STATES = 1024;

/** Whether a character is in a class. */
type CharTest = (code: number) => boolean;

type Node =
  | { readonly kind: 'char'; readonly test: CharTest }
  | { readonly kind: 'start' | 'end' }
  | { readonly kind: 'sequence' | 'choice'; readonly parts: readonly Node[] }
  /** `most` undefined: without end. */
  | {
      readonly kind: 'repeat';
      readonly part: Node;
      readonly least: number;
      readonly most: number | undefined;
    };

/** One state: a test of the next character, an assertion, or a fork. State 0 of a program is its accepting one. */
type State =
  | { readonly kind: 'accept' }
  | { readonly kind: 'char'; readonly test: CharTest; readonly next: number }
  | { readonly kind: 'start' | 'end'; readonly next: number }
  | { readonly kind: 'fork'; readonly next: readonly number[] };

/** A compiled pattern. */
export interface TargetPattern {
  readonly source: string;
  /**
   * Whether the pattern matches a beginning of `name`.
   * @param spend called with the number of states looked at, character by character; may throw
   */
  matches(name: string, spend: (steps: number) => void): boolean;
}

/**
 * Compiles a pattern.
 * @param where what errors call the document
 * @throws BitloomError `model-unsupported` for a pattern outside of the subset, or too large
 */
export function compileTargetPattern(source: string, where: string): TargetPattern {
  const refuse = (what: string): never => {
    throw unsupportedModel(
      where,
      `a target pattern with ${what}`,
      'a plain regular expression',
      `re:${source}`,
    );
  };
  if (source.length > MAX_LENGTH) refuse(`more than ${MAX_LENGTH} characters`);
  const tree = new PatternParser(source, refuse).parse();
  const states: State[] = [{ kind: 'accept' }];
  const add = (state: State): number => {
    if (states.length >= MAX_STATES) refuse('too many repetitions');
    return states.push(state) - 1;
  };
  const start = emit(tree, 0, add, states);
  return { source, matches: (name, spend) => run(states, start, name, spend) };
}

/** Adds the states of a node that go on to `next`; gives the first of them. */
function emit(node: Node, next: number, add: (state: State) => number, states: State[]): number {
  switch (node.kind) {
    case 'char':
      return add({ kind: 'char', test: node.test, next });
    case 'start':
    case 'end':
      return add({ kind: node.kind, next });
    case 'sequence':
      return node.parts.reduceRight((after, part) => emit(part, after, add, states), next);
    case 'choice':
      return add({ kind: 'fork', next: node.parts.map((part) => emit(part, next, add, states)) });
    case 'repeat': {
      let first = next;
      if (node.most === undefined) {
        // A loop: the fork is known before the part that returns to it.
        first = add({ kind: 'fork', next: [next] });
        states[first] = { kind: 'fork', next: [emit(node.part, first, add, states), next] };
      }
      for (let i = node.least; i < (node.most ?? node.least); i++) {
        first = add({ kind: 'fork', next: [emit(node.part, first, add, states), next] });
      }
      for (let i = 0; i < node.least; i++) first = emit(node.part, first, add, states);
      return first;
    }
  }
}

function run(states: readonly State[], start: number, name: string, spend: (steps: number) => void): boolean {
  let current = [start];
  for (let at = 0; at <= name.length; at++) {
    // Everything reachable without a character.
    const seen = new Set<number>();
    const pending = [...current];
    const tests: number[] = [];
    while (pending.length > 0) {
      const index = pending.pop() ?? 0;
      if (seen.has(index)) continue;
      seen.add(index);
      const state = states[index];
      if (state.kind === 'accept') return true;
      if (state.kind === 'char') tests.push(index);
      else if (state.kind === 'fork') pending.push(...state.next);
      else if (state.kind === 'start' ? at === 0 : at === name.length) pending.push(state.next);
    }
    spend(seen.size);
    if (at === name.length) return false;
    const code = name.charCodeAt(at);
    current = [];
    for (const index of tests) {
      const state = states[index];
      if (state.kind === 'char' && state.test(code)) current.push(state.next);
    }
    if (current.length === 0) return false;
  }
  return false;
}

const isDigit: CharTest = (code) => code >= 48 && code <= 57;
const isWord: CharTest = (code) =>
  isDigit(code) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122) || code === 95;
const isSpace: CharTest = (code) => code === 32 || (code >= 9 && code <= 13);
const not =
  (test: CharTest): CharTest =>
  (code) =>
    !test(code);

const CLASSES: Readonly<Record<string, CharTest>> = {
  d: isDigit,
  D: not(isDigit),
  w: isWord,
  W: not(isWord),
  s: isSpace,
  S: not(isSpace),
};

class PatternParser {
  readonly #source: string;
  readonly #refuse: (what: string) => never;
  #at = 0;
  #depth = 0;

  constructor(source: string, refuse: (what: string) => never) {
    this.#source = source;
    this.#refuse = refuse;
  }

  parse(): Node {
    const node = this.#choice();
    if (this.#at < this.#source.length) this.#refuse(`an unexpected '${this.#source[this.#at]}'`);
    return node;
  }

  #peek(): string | undefined {
    return this.#source[this.#at];
  }

  #eat(text: string): boolean {
    if (!this.#source.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #choice(): Node {
    const parts = [this.#sequence()];
    while (this.#eat('|')) parts.push(this.#sequence());
    return parts.length === 1 ? parts[0] : { kind: 'choice', parts };
  }

  #sequence(): Node {
    const parts: Node[] = [];
    for (let next = this.#peek(); next !== undefined && next !== '|' && next !== ')'; next = this.#peek()) {
      parts.push(this.#repeated());
    }
    return { kind: 'sequence', parts };
  }

  #repeated(): Node {
    const part = this.#atom();
    const times = this.#quantifier();
    if (times === undefined) return part;
    // Greedy or lazy, a name matches or it does not.
    this.#eat('?');
    if (part.kind === 'start' || part.kind === 'end') this.#refuse('a repeated anchor');
    if (['*', '+', '?', '{'].includes(this.#peek() ?? '')) this.#refuse('a repeated repetition');
    return { kind: 'repeat', part, least: times[0], most: times[1] };
  }

  #quantifier(): [number, number | undefined] | undefined {
    if (this.#eat('*')) return [0, undefined];
    if (this.#eat('+')) return [1, undefined];
    if (this.#eat('?')) return [0, 1];
    if (this.#peek() !== '{') return undefined;
    const match = /^\{(\d{1,3})(?:(,)(\d{1,3})?)?\}/.exec(this.#source.slice(this.#at, this.#at + 10));
    if (match === null) return this.#refuse("a '{' that is no repetition");
    this.#at += match[0].length;
    const least = Number(match[1]);
    if (match[2] === undefined) return [least, least];
    const most = match[3] === undefined ? undefined : Number(match[3]);
    return most !== undefined && most < least ? this.#refuse('an empty range of repetitions') : [least, most];
  }

  #atom(): Node {
    const char = this.#source[this.#at++];
    switch (char) {
      case '(':
        return this.#group();
      case '[':
        return { kind: 'char', test: this.#class() };
      case '.':
        return { kind: 'char', test: (code) => code !== 10 };
      case '^':
        return { kind: 'start' };
      case '$':
        return { kind: 'end' };
      case '\\':
        return { kind: 'char', test: this.#escape() };
      case '*':
      case '+':
      case '?':
      case '{':
        return this.#refuse(`a '${char}' after nothing`);
      default:
        return { kind: 'char', test: equals(char) };
    }
  }

  #group(): Node {
    if (this.#peek() === '?' && !this.#eat('?:')) this.#refuse('look-around, flags or a named group');
    if (++this.#depth > MAX_DEPTH) this.#refuse(`more than ${MAX_DEPTH} nested groups`);
    const node = this.#choice();
    this.#depth--;
    if (!this.#eat(')')) this.#refuse('an open group');
    return node;
  }

  /** What follows a backslash, which has been eaten. */
  #escape(): CharTest {
    const char = this.#source[this.#at++];
    if (char === undefined) return this.#refuse('a backslash at its end');
    if (Object.hasOwn(CLASSES, char)) return CLASSES[char];
    return isWord(char.charCodeAt(0)) ? this.#refuse(`the escape \\${char}`) : equals(char);
  }

  /** What follows an opening bracket, which has been eaten. */
  #class(): CharTest {
    const negated = this.#eat('^');
    const tests: CharTest[] = [];
    for (let first = true; first || this.#peek() !== ']'; first = false) {
      const low = this.#source[this.#at++];
      if (low === undefined) return this.#refuse('an open class');
      if (low === '\\') {
        tests.push(this.#escape());
        if (this.#peek() === '-' && this.#source[this.#at + 1] !== ']')
          this.#refuse('a range from an escape');
        continue;
      }
      const high = this.#source[this.#at + 1];
      if (this.#peek() !== '-' || high === undefined || high === ']') {
        tests.push(equals(low));
        continue;
      }
      if (high === '\\' || high < low) this.#refuse('a range that is none');
      this.#at += 2;
      const [from, to] = [low.charCodeAt(0), high.charCodeAt(0)];
      tests.push((code) => code >= from && code <= to);
    }
    this.#at++;
    const any: CharTest = (code) => tests.some((test) => test(code));
    return negated ? not(any) : any;
  }
}

function equals(char: string): CharTest {
  const wanted = char.charCodeAt(0);
  return (code) => code === wanted;
}
