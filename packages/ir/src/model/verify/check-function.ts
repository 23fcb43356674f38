/**
 * One entry of a model: names are defined once and before they are used, nodes fit the op table, types follow, and
 * state is updated in place without a reader of its old value.
 */
import { BitloomError } from '../../error.js';
import {
  bounds,
  type Expression,
  formatExpression,
  type Interval,
  substitute,
  symbolsOf,
} from '../../expression.js';
import type { AttributeValue, GraphFunction, GraphNode, Model } from '../graph.js';
import { type AttributeSpec, formatType, OP_TABLE, type OpSpec } from '../ops.js';
import type { ValueType } from '../types.js';
import { checkType } from './check-type.js';

/** What all functions of a model see. */
export interface ModelScope {
  readonly model: Model;
  /** Bounds of the declared symbols. */
  readonly intervals: Readonly<Record<string, Interval>>;
  /** Types of constants and states. */
  readonly shared: ReadonlyMap<string, ValueType>;
}

/**
 * Checks a function and infers the type of every value it names, constants and states included.
 *
 * @throws BitloomError `model-...` that names the node
 */
export function checkFunction(scope: ModelScope, fn: GraphFunction): ReadonlyMap<string, ValueType> {
  return new FunctionCheck(scope, fn).run();
}

class FunctionCheck {
  readonly #scope: ModelScope;
  readonly #fn: GraphFunction;
  readonly #types: Map<string, ValueType>;
  /** Values of a state: the state itself and what was appended, each with the name of its state. */
  readonly #versions: Map<string, string>;
  /** Values that a later append has overwritten in place, with the node that did. */
  readonly #overwritten = new Map<string, string>();

  constructor(scope: ModelScope, fn: GraphFunction) {
    this.#scope = scope;
    this.#fn = fn;
    this.#types = new Map(scope.shared);
    this.#versions = new Map(scope.model.states.map((state) => [state.name, state.name]));
  }

  run(): ReadonlyMap<string, ValueType> {
    this.#checkBindings();
    for (const input of this.#fn.inputs) {
      const where = `${this.#where()}, input '${input.name}'`;
      checkType(input.type, this.#scope.intervals, (message, expected, got) =>
        fail('model-type', message, where, expected, got),
      );
      this.#define(input.name, bound(input.type, this.#fn.bindings), where);
    }
    const names = new Set<string>();
    for (const node of this.#fn.nodes) {
      if (names.has(node.name)) {
        fail('model-name', 'two nodes have one name', this.#where(node), 'a name of its own', node.name);
      }
      names.add(node.name);
      this.#checkNode(node);
    }
    for (const name of this.#fn.outputs) this.#use(name, `${this.#where()}, outputs`);
    this.#checkUpdates();
    return this.#types;
  }

  #where(node?: GraphNode): string {
    return `function '${this.#fn.name}'${node === undefined ? '' : `, node '${node.name}'`}`;
  }

  /** Bindings are over symbols that stay free, and lie within the bounds of what they bind. */
  #checkBindings(): void {
    const { intervals } = this.#scope;
    const { bindings } = this.#fn;
    const free = Object.keys(intervals).filter((name) => !Object.hasOwn(bindings, name));
    for (const [name, value] of Object.entries(bindings)) {
      const where = `${this.#where()}, binding of '${name}'`;
      if (!Object.hasOwn(intervals, name)) {
        const expected = Object.keys(intervals).join(', ') || 'no symbol';
        fail(
          'model-symbol',
          'a binding is of a symbol that the model does not declare',
          where,
          expected,
          name,
        );
      }
      const unknown = [...symbolsOf(value)].find((used) => !free.includes(used));
      if (unknown !== undefined) {
        fail(
          'model-symbol',
          'a binding uses a symbol that is not free',
          where,
          free.join(', ') || 'a number',
          unknown,
        );
      }
      const { min, max } = bounds(value, intervals);
      const limits = intervals[name];
      if (min < limits.min || max > limits.max) {
        const got = `${formatExpression(value)} in ${min}..${max}`;
        fail(
          'model-symbol',
          'a binding leaves the bounds of its symbol',
          where,
          `${limits.min}..${limits.max}`,
          got,
        );
      }
    }
  }

  #define(name: string, type: ValueType, where: string): void {
    if (name === '' || this.#types.has(name)) {
      const message = 'a value is named like one that exists: each is defined once';
      fail('model-redefinition', message, where, 'a name of its own', `'${name}'`);
    }
    this.#types.set(name, type);
  }

  /** Type of a value that is defined by now and still holds. */
  #use(name: string, where: string): ValueType {
    const type = this.#types.get(name);
    if (type === undefined) {
      const maker = this.#fn.nodes.find((node) => node.outputs.includes(name));
      const got =
        maker === undefined
          ? `'${name}', which nothing defines`
          : `'${name}', which node '${maker.name}' defines later`;
      fail(
        'model-undefined-value',
        'a value is used that is not defined yet',
        where,
        'a constant, state, input or earlier output',
        got,
      );
    }
    const by = this.#overwritten.get(name);
    if (by !== undefined) {
      const message = 'a state is read after it was overwritten in place';
      fail('model-stale-state', message, where, `the output of node '${by}'`, `'${name}'`);
    }
    return type;
  }

  #checkNode(node: GraphNode): void {
    const where = this.#where(node);
    const spec = OP_TABLE.get(node.op);
    if (spec === undefined) {
      fail('model-op', `no operation is named '${node.op}'`, where, [...OP_TABLE.keys()].join(', '), node.op);
    }
    if (node.layer !== undefined && !(Number.isInteger(node.layer) && node.layer >= 0)) {
      fail(
        'model-layer',
        'the layer of a node is not an index',
        where,
        '0 or more, or none',
        String(node.layer),
      );
    }
    const required = spec.inputs.filter((name) => !name.endsWith('?')).length;
    if (node.inputs.length < required || node.inputs.length > spec.inputs.length) {
      const got = `${node.inputs.length} operands`;
      fail('model-operands', `'${node.op}' takes other operands`, where, spec.inputs.join(', '), got);
    }
    checkAttributes(node, spec, where);
    const operands = node.inputs.map((name) => this.#use(name, where));
    const results = infer(spec, operands, node, where);
    if (results.length !== node.outputs.length) {
      const got = `${node.outputs.length} outputs`;
      fail('model-operands', `'${node.op}' has other results`, where, `${results.length} outputs`, got);
    }
    for (const [i, name] of node.outputs.entries()) this.#define(name, results[i], where);
    if (node.op === 'stateAppend') this.#append(node, where);
  }

  /** An append overwrites its state: its output is the state from here on. */
  #append(node: GraphNode, where: string): void {
    const [before] = node.inputs;
    const [after] = node.outputs;
    const state = this.#versions.get(before);
    if (state === undefined) {
      fail('model-state', 'an append is to something that is no state', where, 'a state', `'${before}'`);
    }
    this.#overwritten.set(before, node.name);
    this.#versions.set(after, state);
  }

  #checkUpdates(): void {
    const { model } = this.#scope;
    for (const [name, value] of Object.entries(this.#fn.stateUpdates)) {
      const where = `${this.#where()}, update of state '${name}'`;
      const state = model.states.find((candidate) => candidate.name === name);
      if (state === undefined) {
        const expected = model.states.map((candidate) => candidate.name).join(', ') || 'no state';
        fail('model-state', 'an update is of a state that the model does not declare', where, expected, name);
      }
      const type = this.#use(value, where);
      if (typeKey(type) !== typeKey(state.type)) {
        fail(
          'model-type',
          'an update has another type than its state',
          where,
          formatType(state.type),
          formatType(type),
        );
      }
      const owner = this.#versions.get(value);
      if (owner !== undefined && owner !== name) {
        fail(
          'model-state',
          'a state is updated with the value of another one',
          where,
          `a version of '${name}'`,
          owner,
        );
      }
    }
    for (const [value, by] of this.#overwritten) {
      const state = this.#versions.get(value) ?? value;
      const update = this.#fn.stateUpdates[state];
      if (update !== undefined && this.#versions.get(update) === state) continue;
      const where = `${this.#where()}, node '${by}'`;
      fail(
        'model-state',
        'a state is overwritten in place but not updated',
        where,
        `an update of '${state}'`,
        update ?? 'none',
      );
    }
  }
}

/** Text that is equal for equal types only. */
function typeKey(type: ValueType): string {
  const shape = type.shape.map(formatExpression);
  if (type.kind === 'dense') return JSON.stringify([type.dtype, shape]);
  const scales = type.scales.map((s) => [
    s.format.name,
    s.block,
    s.direction,
    s.zero?.format.name,
    s.zero?.kind,
    s.rule,
  ]);
  return JSON.stringify([
    type.element.name,
    shape,
    scales,
    type.layout,
    type.indexMap,
    type.sparsity,
    type.bands,
  ]);
}

function bound(type: ValueType, bindings: Readonly<Record<string, Expression>>): ValueType {
  return { ...type, shape: type.shape.map((dimension) => substitute(dimension, bindings)) };
}

function infer(
  spec: OpSpec,
  operands: readonly ValueType[],
  node: GraphNode,
  where: string,
): readonly ValueType[] {
  try {
    return spec.infer(operands, node);
  } catch (cause) {
    if (!(cause instanceof BitloomError) || cause.code !== 'op-type') throw cause;
    throw new BitloomError({
      code: 'model-type',
      message: `operands of op '${node.op}' do not fit`,
      where,
      expected: cause.expected ?? spec.inputs.join(', '),
      got: cause.got ?? operands.map(formatType).join(', '),
      cause,
    });
  }
}

function checkAttributes(node: GraphNode, spec: OpSpec, where: string): void {
  for (const name of Object.keys(node.attributes)) {
    if (Object.hasOwn(spec.attributes, name)) continue;
    const expected = Object.keys(spec.attributes).join(', ') || 'no attributes';
    fail('model-attribute', `'${node.op}' has no attribute '${name}'`, where, expected, name);
  }
  for (const [name, attribute] of Object.entries(spec.attributes)) {
    const value = Object.hasOwn(node.attributes, name) ? node.attributes[name] : undefined;
    if (value === undefined) {
      if (attribute.optional === true) continue;
      fail(
        'model-attribute',
        `'${node.op}' needs attribute '${name}'`,
        where,
        attributeText(attribute),
        'none',
      );
    }
    if (!isOfKind(value, attribute)) {
      const message = `attribute '${name}' is of the wrong kind`;
      fail('model-attribute', message, where, attributeText(attribute), JSON.stringify(value));
    }
  }
}

function attributeText(attribute: AttributeSpec): string {
  return attribute.values === undefined ? attribute.kind : attribute.values.join(' or ');
}

function isOfKind(value: AttributeValue, attribute: AttributeSpec): boolean {
  switch (attribute.kind) {
    case 'integer':
      return Number.isSafeInteger(value);
    case 'float':
      return typeof value === 'number' && Number.isFinite(value);
    case 'string':
      return (
        typeof value === 'string' && (attribute.values === undefined || attribute.values.includes(value))
      );
    case 'boolean':
      return typeof value === 'boolean';
    case 'integers':
      return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item));
  }
}

function fail(code: string, message: string, where: string, expected: string, got: string): never {
  throw new BitloomError({ code, message, where, expected, got });
}
