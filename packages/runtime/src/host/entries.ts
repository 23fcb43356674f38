/** Which entry of a model serves which use of it, and what the sequences of a loaded model share. */
import { BitloomError, findFunction, internalError, type Model, type ValueType } from '@bitloom/ir';
import type { CompiledEntry } from './compile-entry.js';
import type { Frame } from './frame.js';
import { type HostGraph, prepareGraph } from './host-graph.js';
import type { PlanLimits } from './plan.js';

/** Entries in the order of preference for each use. `batch`: passes over several sequences. */
const PREFERENCES = {
  prefill: ['prefill', 'forward', 'decode'],
  forward: ['forward', 'decode'],
  decode: ['decode', 'prefill', 'forward'],
  batch: ['prefill', 'forward', 'decode'],
} as const;

export type Use = keyof typeof PREFERENCES;

/** The interpreter of a loaded model: its compiled entries and the frame that their steps read. */
export interface Interpreter extends Readonly<Record<Use, CompiledEntry>> {
  readonly model: Model;
  readonly limits: PlanLimits;
  readonly frame: Frame;
  /** Columns of the logits. */
  readonly vocabularySize: number;
}

/**
 * The entries of a model that are of use, by name; entries of a fixed number of tokens other than 1 are not.
 * @throws BitloomError `host-entry-unsupported`, `host-op-unsupported`, and what type inference throws.
 */
export function prepareEntries(model: Model): ReadonlyMap<string, HostGraph> {
  const graphs = new Map<string, HostGraph>();
  for (const name of PREFERENCES.batch) {
    const fn = findFunction(model, name);
    if (fn === undefined) continue;
    const graph = prepareGraph(model, fn);
    const tokens = graph.rowsOf(typeOf(graph, graph.ids));
    if (tokens === 'tokens' || tokens === 1) graphs.set(name, graph);
  }
  return graphs;
}

/** The name of the entry for each use. @throws BitloomError `host-entry-missing` */
export function chooseEntries(model: Model, graphs: ReadonlyMap<string, HostGraph>): Record<Use, string> {
  const choose = (use: Use): string => {
    const names: readonly string[] = PREFERENCES[use];
    const found = names.find((name) => {
      const graph = graphs.get(name);
      return graph !== undefined && (use !== 'forward' || hasLogitsOfAll(graph));
    });
    if (found !== undefined) return found;
    throw new BitloomError({
      code: 'host-entry-missing',
      message: 'the model has no entry that could serve this use',
      where: `model '${model.name}'`,
      expected: `a function named ${names.join(' or ')}`,
      got: [...graphs.keys()].join(', ') || 'none',
    });
  };
  return {
    prefill: choose('prefill'),
    forward: choose('forward'),
    decode: choose('decode'),
    batch: choose('batch'),
  };
}

function hasLogitsOfAll(graph: HostGraph): boolean {
  return graph.rowsOf(typeOf(graph, graph.logits)) === graph.rowsOf(typeOf(graph, graph.ids));
}

function typeOf(graph: HostGraph, name: string): ValueType {
  const type = graph.types.get(name);
  if (type !== undefined) return type;
  throw internalError(`no type was inferred for '${name}'`);
}
