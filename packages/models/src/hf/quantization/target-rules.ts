/**
 * Which modules a list of targets means, as compressed-tensors resolves it: an entry is the exact name of a module, a
 * pattern (`re:`), or the name of a class (`Linear`), never a part of a name. The more exact kind of entry wins.
 */
import { unsupportedModel } from '../../decoder/decoder-config.js';
import { compileTargetPattern, type TargetPattern } from './target-pattern.js';

/** A module that a checkpoint stores weights of. */
export interface TargetModule {
  /** Full name: `model.layers.0.self_attn.q_proj`. */
  readonly name: string;
  /** Name of its class, of which only those that can be quantised are told apart. */
  readonly className: 'Linear' | 'Conv1D' | 'Embedding';
}

/** How exact an entry is, from the most exact down. */
export const TARGET_KINDS = ['name', 'pattern', 'class'] as const;
export type TargetKind = (typeof TARGET_KINDS)[number];

/** Most patterns in one list; entries without `re:` cost nothing. */
const MAX_PATTERNS = 64;
/** States that patterns of one folder may look at in all. */
const STEP_LIMIT = 50_000_000;

/** Counts what patterns cost. */
export class PatternBudget {
  #left = STEP_LIMIT;
  readonly #where: string;

  constructor(where: string) {
    this.#where = where;
  }

  /** @throws BitloomError `model-unsupported` when the patterns of a configuration take too long */
  readonly spend = (steps: number): void => {
    this.#left -= steps;
    if (this.#left >= 0) return;
    throw unsupportedModel(
      this.#where,
      'target patterns that take too long',
      'simple ones',
      'too many steps',
    );
  };
}

/** A list of targets, compiled. */
export class TargetRules {
  readonly #names: ReadonlySet<string>;
  readonly #patterns: readonly TargetPattern[];
  readonly #budget: PatternBudget;

  /** @throws BitloomError `model-unsupported` for a pattern that is not understood */
  constructor(entries: readonly string[], budget: PatternBudget, where: string) {
    const patterns = entries.filter((entry) => entry.startsWith('re:'));
    if (patterns.length > MAX_PATTERNS) {
      throw unsupportedModel(where, 'this many target patterns', `at most ${MAX_PATTERNS}`, patterns.length);
    }
    this.#names = new Set(entries.filter((entry) => !entry.startsWith('re:')));
    this.#patterns = patterns.map((entry) => compileTargetPattern(entry.slice(3), where));
    this.#budget = budget;
  }

  /** The most exact kind of entry that means the module; undefined where none does. */
  match({ name, className }: TargetModule): TargetKind | undefined {
    if (this.#names.has(name)) return 'name';
    if (this.#patterns.some((pattern) => pattern.matches(name, this.#budget.spend))) return 'pattern';
    return this.#names.has(className) ? 'class' : undefined;
  }
}
