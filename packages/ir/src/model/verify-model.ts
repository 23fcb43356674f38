/**
 * The model verifier: a graph that passes can be interpreted and compiled without looking back. It reads no
 * weights; whether a section holds what a type says is for whoever reads it.
 */
import { BitloomError } from '../error.js';
import type { Interval } from '../expression.js';
import { bandComponent, bandMatrices } from './bands.js';
import type { ConstantDecl, Model } from './graph.js';
import type { ValueType } from './types.js';
import { checkFunction } from './verify/check-function.js';
import { checkNumerics } from './verify/check-numerics.js';
import { checkType } from './verify/check-type.js';

/** Types of all values of a function by name: constants, states, inputs and outputs of nodes. */
export type FunctionTypes = ReadonlyMap<string, ValueType>;

/**
 * Verifies a model and gives the types of all values, by function. Dimensions have the function's bindings in
 * place of the symbols they bind.
 *
 * @throws BitloomError with a code `model-...` that names the declaration or the node
 */
export function verifyModel(model: Model): ReadonlyMap<string, FunctionTypes> {
  const intervals = checkSymbols(model);
  const shared = new Map<string, ValueType>();
  const declare = (kind: string, name: string, type: ValueType): void => {
    const where = `${kind} '${name}'`;
    if (name === '' || shared.has(name)) {
      const message = 'two constants or states have one name, or one has none';
      throw new BitloomError({
        code: 'model-name',
        message,
        where,
        expected: 'a name of its own',
        got: `'${name}'`,
      });
    }
    checkType(type, {}, (message, expected, got) => {
      throw new BitloomError({ code: 'model-type', message, where, expected, got });
    });
    shared.set(name, type);
  };
  for (const constant of model.constants) {
    declare('constant', constant.name, constant.type);
    checkComponents(constant);
  }
  for (const state of model.states) declare('state', state.name, state.type);
  const types = new Map<string, FunctionTypes>();
  for (const fn of model.functions) {
    if (types.has(fn.name)) {
      throw new BitloomError({
        code: 'model-name',
        message: 'two functions have one name',
        where: `function '${fn.name}'`,
        expected: 'a name of its own',
        got: fn.name,
      });
    }
    types.set(fn.name, checkFunction({ model, intervals, shared }, fn));
  }
  checkNumerics(model, types);
  return types;
}

function checkSymbols(model: Model): Readonly<Record<string, Interval>> {
  const intervals: Record<string, Interval> = {};
  for (const { name, min, max } of model.symbols) {
    const isSane = Number.isSafeInteger(min) && Number.isSafeInteger(max) && min >= 0 && min <= max;
    // i0, i1, ... are loop variables of programs.
    if (!isSane || name === '' || /^i\d+$/.test(name) || Object.hasOwn(intervals, name)) {
      throw new BitloomError({
        code: 'model-symbol',
        message: 'a symbol is declared with bounds or a name that it cannot have',
        where: `symbol '${name}'`,
        expected: 'a name of its own, not that of a loop variable, and 0 <= min <= max',
        got: `${min}..${max}`,
      });
    }
    intervals[name] = { min, max };
  }
  return intervals;
}

/** The parts of a constant: all that its type needs, or none (shape-only). */
function checkComponents(constant: ConstantDecl): void {
  const given = Object.keys(constant.components);
  if (given.length === 0) return;
  const needed = neededComponents(constant.type);
  const isRight =
    needed.every((name) => given.includes(name)) &&
    (constant.type.kind === 'quantized' || given.length === 1);
  if (isRight && Object.values(constant.components).every((section) => section !== '')) return;
  throw new BitloomError({
    code: 'model-component',
    message: 'the sections of a constant do not fit its type',
    where: `constant '${constant.name}'`,
    expected: `${needed.join(', ')}, each with a section; or none, in a shape-only model`,
    got: given.join(', '),
  });
}

/**
 * Components by layout: `canonical` and the packed codes of an N:M sparsity (`nm.`) have the codes, the scales of each
 * level, zeros where a level has them, and the index map; bands have those of theirs; every other layout is one run of
 * blocks.
 */
function neededComponents(type: ValueType): readonly string[] {
  if (type.kind === 'dense') return ['data'];
  if (type.bands !== undefined) {
    return bandMatrices(type).flatMap(({ type: own }, band) =>
      neededComponents(own).map((name) => bandComponent(name, band)),
    );
  }
  const hasParts = type.layout === 'canonical' || type.layout.startsWith('nm.');
  if (!hasParts) return ['blocks'];
  const levels = type.scales.flatMap(({ zero }, index) => {
    const suffix = index === 0 ? '' : String(index);
    return [`scales${suffix}`, ...(zero === undefined ? [] : [`zeros${suffix}`])];
  });
  return ['codes', ...levels, ...(type.indexMap === undefined ? [] : ['index'])];
}
