/**
 * The longest context a model allows: what its caches, its position tables and its length symbols have room for.
 */
import { bounds, type Expression, integerAttribute, type Model } from '@bitloom/ir';

/** One reason for a limit. */
export interface ContextLimit {
  readonly tokens: number;
  /** What sets it, for errors. */
  readonly reason: string;
}

/** The tightest limit, or undefined for a model without any. */
export function contextLimit(model: Model): ContextLimit | undefined {
  const intervals = Object.fromEntries(model.symbols.map(({ name, min, max }) => [name, { min, max }]));
  const most = (expression: Expression): number => bounds(expression, intervals).max;
  const constants = new Map(model.constants.map((constant) => [constant.name, constant.type]));
  const limits: ContextLimit[] = [];
  for (const state of model.states) {
    if (state.purpose !== 'kv-cache') continue;
    limits.push({ tokens: most(state.type.shape[1]), reason: `capacity of state '${state.name}'` });
  }
  for (const fn of model.functions) {
    const positions = new Map<string, number>();
    for (const node of fn.nodes) {
      if (node.op === 'positions') positions.set(node.outputs[0], integerAttribute(node, 'offset'));
      const offset =
        node.op === 'rope' ? 0 : node.op === 'embedding' ? positions.get(node.inputs[0]) : undefined;
      const table = constants.get(node.inputs[1]);
      if (offset === undefined || table === undefined) continue;
      limits.push({ tokens: most(table.shape[0]) - offset, reason: `rows of table '${node.inputs[1]}'` });
    }
  }
  return limits.reduce<ContextLimit | undefined>(
    (tightest, limit) => (tightest === undefined || limit.tokens < tightest.tokens ? limit : tightest),
    undefined,
  );
}
