/**
 * An entry function prepared for the interpreter: types inferred, `silu` and `mul` joined where that keeps the
 * bits, states checked to be usable in place, and each node marked by who needs it. No addresses yet.
 */
import {
  type Bindings,
  type Expression,
  evaluate,
  formatExpression,
  type GraphFunction,
  type GraphNode,
  type Model,
  opSpec,
  symbolsOf,
  type ValueType,
} from '@bitloom/ir';
import { unsupportedEntry, unsupportedNode } from './unsupported.js';

/** A node as the interpreter runs it: a graph node, or two of them joined. */
export interface HostNode {
  readonly name: string;
  readonly op: string;
  readonly inputs: readonly string[];
  readonly output: string;
  /** The graph node that carries the attributes. */
  readonly source: GraphNode;
  /** Whether a state update depends on it, so that every chunk of a prompt must run it. */
  readonly feedsState: boolean;
}

export interface HostGraph {
  readonly function: GraphFunction;
  readonly nodes: readonly HostNode[];
  /** Name of the value with the token ids. */
  readonly ids: string;
  /** Name of the value with the logits. */
  readonly logits: string;
  readonly types: ReadonlyMap<string, ValueType>;
  /** Values that live in a state's memory: result of `stateAppend` -> state. */
  readonly stateOf: ReadonlyMap<string, string>;
  /** Rows of a value's leading axis: a number, or `tokens` when there is one row per token of the call. */
  readonly rowsOf: (type: ValueType) => number | 'tokens' | undefined;
  /** Values that the ids or the states have a part in, so that each sequence has its own. */
  readonly varying: ReadonlySet<string>;
}

/** @throws BitloomError `host-entry-unsupported`, `host-op-unsupported`, and what type inference throws. */
export function prepareGraph(model: Model, fn: GraphFunction): HostGraph {
  const [ids] = fn.inputs;
  const takesIds =
    fn.inputs.length === 1 &&
    ids.type.kind === 'dense' &&
    ids.type.dtype === 'i32' &&
    ids.type.shape.length === 1;
  if (!takesIds) {
    throw unsupportedEntry(
      fn.name,
      'one input of type i32[tokens]',
      fn.inputs.map((input) => input.name).join(', ') || 'none',
    );
  }
  if (fn.outputs.length !== 1)
    throw unsupportedEntry(fn.name, 'one output, the logits', fn.outputs.join(', ') || 'none');
  if (Object.hasOwn(fn.bindings, 'past')) {
    throw unsupportedEntry(
      fn.name,
      'any number of cached tokens',
      `past bound to ${formatExpression(fn.bindings.past)}`,
    );
  }
  const types = inferTypes(model, fn);
  const stateOf = findAppends(model, fn);
  const users = countUsers(fn);
  const joined = joinSiluMul(fn, types, users);
  return {
    function: fn,
    nodes: markNeeded(joined, fn, stateOf),
    ids: ids.name,
    logits: fn.outputs[0],
    types,
    stateOf,
    rowsOf: rowResolver(fn, ids.type.shape[0]),
    varying: findVarying(joined, ids.name, stateOf),
  };
}

function inferTypes(model: Model, fn: GraphFunction): Map<string, ValueType> {
  const types = new Map<string, ValueType>();
  for (const declared of [...model.constants, ...model.states, ...fn.inputs])
    types.set(declared.name, declared.type);
  for (const node of fn.nodes) {
    const spec = opSpec(node.op);
    const operands = node.inputs.map((name) => {
      const type = types.get(name);
      if (type === undefined)
        throw unsupportedNode(node, 'operands that earlier nodes produce', `'${name}' before its definition`);
      return type;
    });
    const results = spec.infer(operands, node);
    if (node.outputs.length !== 1 || results.length !== 1)
      throw unsupportedNode(node, 'one result', String(node.outputs.length));
    types.set(node.outputs[0], results[0]);
  }
  return types;
}

/** Results of `stateAppend`, after checking that updating each state in place changes nothing anybody reads. */
function findAppends(model: Model, fn: GraphFunction): Map<string, string> {
  const states = new Set(model.states.map((state) => state.name));
  const appended = new Map<string, string>();
  for (const node of fn.nodes) {
    node.inputs.forEach((name, index) => {
      if (states.has(name) && !(node.op === 'stateAppend' && index === 0)) {
        throw unsupportedNode(
          node,
          `state '${name}' read through the stateAppend of this call`,
          'the state itself',
        );
      }
    });
    if (node.op !== 'stateAppend') continue;
    const [state] = node.inputs;
    const [result] = node.outputs;
    if (!states.has(state) || [...appended.values()].includes(state)) {
      throw unsupportedNode(node, 'one append to each state', `a second append, or '${state}' is no state`);
    }
    if (!Object.hasOwn(fn.stateUpdates, state) || fn.stateUpdates[state] !== result) {
      throw unsupportedNode(
        node,
        `'${result}' as the update of state '${state}'`,
        String(fn.stateUpdates[state] ?? 'no update'),
      );
    }
    appended.set(result, state);
  }
  for (const [state, value] of Object.entries(fn.stateUpdates)) {
    if (appended.get(value) !== state)
      throw unsupportedEntry(fn.name, `state '${state}' updated by stateAppend`, `'${value}'`);
  }
  return appended;
}

function countUsers(fn: GraphFunction): Map<string, number> {
  const users = new Map<string, number>();
  const count = (name: string): void => void users.set(name, (users.get(name) ?? 0) + 1);
  for (const node of fn.nodes) node.inputs.forEach(count);
  fn.outputs.forEach(count);
  return users;
}

function findVarying(
  nodes: readonly JoinedNode[],
  ids: string,
  stateOf: ReadonlyMap<string, string>,
): Set<string> {
  const varying = new Set([ids, ...stateOf.values()]);
  for (const node of nodes) {
    // Positions depend on the place in the sequence, and on nothing else.
    if (node.op === 'positions' || node.inputs.some((name) => varying.has(name))) varying.add(node.output);
  }
  return varying;
}

type JoinedNode = Omit<HostNode, 'feedsState'>;

/** `mul(silu(a), b)` with no other user of the silu becomes `siluMul(a, b)`: the same two roundings. */
function joinSiluMul(
  fn: GraphFunction,
  types: ReadonlyMap<string, ValueType>,
  users: ReadonlyMap<string, number>,
): JoinedNode[] {
  const producers = new Map(fn.nodes.map((node) => [node.outputs[0], node]));
  const swallowed = new Set<GraphNode>();
  const join = (node: GraphNode): JoinedNode => {
    const plain = {
      name: node.name,
      op: node.op,
      inputs: node.inputs,
      output: node.outputs[0],
      source: node,
    };
    if (node.op !== 'mul' || !sameShape(types.get(node.inputs[0]), types.get(node.inputs[1]))) return plain;
    for (const [index, name] of node.inputs.entries()) {
      const silu = producers.get(name);
      if (silu?.op !== 'silu' || users.get(name) !== 1) continue;
      swallowed.add(silu);
      return { ...plain, op: 'siluMul', inputs: [silu.inputs[0], node.inputs[1 - index]] };
    }
    return plain;
  };
  const nodes = fn.nodes.map(join);
  return nodes.filter((node) => !swallowed.has(node.source));
}

/** Keeps what the outputs or the states need, and marks what the states need. */
function markNeeded(
  nodes: readonly JoinedNode[],
  fn: GraphFunction,
  stateOf: ReadonlyMap<string, string>,
): HostNode[] {
  const forOutputs = new Set<string>(fn.outputs);
  const forStates = new Set<string>(stateOf.keys());
  const kept: HostNode[] = [];
  for (const node of [...nodes].reverse()) {
    const feedsState = forStates.has(node.output);
    if (!feedsState && !forOutputs.has(node.output)) continue;
    for (const name of node.inputs) (feedsState ? forStates : forOutputs).add(name);
    kept.push({ ...node, feedsState });
  }
  return kept.reverse();
}

export function sameShape(a: ValueType | undefined, b: ValueType | undefined): boolean {
  const text = (type: ValueType | undefined): string => (type?.shape ?? []).map(formatExpression).join(',');
  return a !== undefined && b !== undefined && text(a) === text(b);
}

function rowResolver(fn: GraphFunction, tokens: Expression): HostGraph['rowsOf'] {
  const bound = new Map<string, number>();
  for (const [name, value] of Object.entries(fn.bindings)) {
    if (typeof value === 'number') bound.set(name, value);
  }
  const bindings: Bindings = Object.fromEntries(bound);
  const known = (expression: Expression): number | undefined =>
    [...symbolsOf(expression)].every((name) => bound.has(name)) ? evaluate(expression, bindings) : undefined;
  const tokensText = formatExpression(tokens);
  return (type) => {
    const [rows] = type.shape;
    return known(rows) ?? (formatExpression(rows) === tokensText ? 'tokens' : undefined);
  };
}
