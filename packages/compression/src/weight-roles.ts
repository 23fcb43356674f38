/**
 * Which constants of a graph are weights to quantise, and in which role. A constant that serves two roles (a tied
 * embedding) stays one constant.
 */
import { BitloomError, type GraphFunction, type Model } from '@bitloom/ir';
import type { WeightRole } from './schemes.js';

/** Position of the weight among the operands of the ops that have one. */
const WEIGHT_OPERAND: Readonly<Record<string, number>> = { linear: 1, embedding: 1 };

/**
 * Roles of each weight by constant name, in the order of the model's constants.
 * @throws BitloomError `quantize-graph` when a weight is no dense matrix, is computed, or is also used as a plain
 *   float tensor
 */
export function findWeights(model: Model): ReadonlyMap<string, ReadonlySet<WeightRole>> {
  const roles = new Map<string, Set<WeightRole>>();
  const floats = new Map<string, string>();
  const constants = new Map(model.constants.map((constant) => [constant.name, constant]));
  for (const fn of model.functions) {
    const positions = new Set(
      fn.nodes.filter((node) => node.op === 'positions').map((node) => node.outputs[0]),
    );
    for (const node of fn.nodes) {
      node.inputs.forEach((name, operand) => {
        const isWeight = Object.hasOwn(WEIGHT_OPERAND, node.op) && WEIGHT_OPERAND[node.op] === operand;
        // Tables of positions are small and stay in float.
        if (!isWeight || (node.op === 'embedding' && positions.has(node.inputs[0]))) {
          if (constants.has(name)) floats.set(name, node.name);
          return;
        }
        const type = constants.get(name)?.type;
        if (type?.kind !== 'dense' || type.shape.length !== 2) {
          throw graphError(
            node.name,
            `operand ${operand} a dense constant matrix`,
            `'${name}', which is not`,
          );
        }
        const known = roles.get(name) ?? new Set();
        roles.set(name, known.add(roleOf(fn, node.op, node.outputs[0])));
      });
    }
  }
  for (const name of roles.keys()) {
    const user = floats.get(name);
    if (user !== undefined)
      throw graphError(
        user,
        'weights used in products and look-ups only',
        `weight '${name}' as a float tensor`,
      );
  }
  return new Map(
    model.constants.flatMap(({ name }) => {
      const found = roles.get(name);
      return found === undefined ? [] : [[name, found] as const];
    }),
  );
}

function roleOf(fn: GraphFunction, op: string, result: string): WeightRole {
  if (op === 'embedding') return 'embedding';
  return fn.outputs.includes(result) ? 'head' : 'linear';
}

function graphError(node: string, expected: string, got: string): BitloomError {
  return new BitloomError({
    code: 'quantize-graph',
    message: 'the graph cannot be quantised by rounding its weights',
    where: `node '${node}'`,
    expected,
    got,
  });
}
