/**
 * The model artefact as text that people read and diff: declarations, then each function node by node with the
 * types that follow. Also of a model that does not verify: types that cannot be inferred are left out.
 */
import { BitloomError } from '../error.js';
import { formatExpression } from '../expression.js';
import { formatTable } from '../text.js';
import type { AttributeValue, GraphFunction, GraphNode, Model } from './graph.js';
import { formatType } from './ops.js';
import { type FunctionTypes, verifyModel } from './verify-model.js';

/** Text of a model. Ends with a line break; never throws for a model of the right shape. */
export function printModel(model: Model): string {
  const types = inferredTypes(model);
  const { scheme, ...points } = model.numerics;
  const parts = [
    `model ${model.name}`,
    `  family: ${model.family}`,
    `  numerics: ${scheme}`,
    formatTable(Object.entries(points).sort(byName), '    '),
    ...section('symbols', model.symbols, ({ name, min, max, perSlot }) => [
      name,
      `${min}..${max}`,
      perSlot ? 'per slot' : '',
    ]),
    ...section('constants', model.constants, ({ name, type, components }) => [
      name,
      formatType(type),
      Object.entries(components)
        .sort(byName)
        .map(([part, where]) => `${part}=${where}`)
        .join(' ') || 'shape only',
    ]),
    ...section('states', model.states, ({ name, type, purpose }) => [name, formatType(type), purpose]),
    ...model.functions.map((fn) => printFunction(fn, types?.get(fn.name))),
    ...(model.text === undefined ? [] : [printText(model.text)]),
    ...section('metadata', Object.entries(model.metadata).sort(byName), ([key, value]) => [
      key,
      String(value),
    ]),
  ];
  return `${parts.join('\n')}\n`;
}

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function inferredTypes(model: Model): ReadonlyMap<string, FunctionTypes> | undefined {
  try {
    return verifyModel(model);
  } catch (error) {
    if (error instanceof BitloomError) return undefined;
    throw error;
  }
}

function section<T>(
  title: string,
  items: readonly T[],
  row: (item: T) => readonly string[],
): readonly string[] {
  return items.length === 0 ? [] : [title, formatTable(items.map(row), '  ')];
}

function printFunction(fn: GraphFunction, types: FunctionTypes | undefined): string {
  const inputs = fn.inputs.map(({ name, type }) => `${name}: ${formatType(type)}`).join(', ');
  const lines = [`function ${fn.name}(${inputs})`];
  for (const [name, value] of Object.entries(fn.bindings).sort(byName)) {
    lines.push(`  bind ${name} = ${formatExpression(value)}`);
  }
  if (fn.nodes.length > 0)
    lines.push(
      formatTable(
        fn.nodes.map((node) => nodeRow(node, types)),
        '  ',
      ),
    );
  for (const [state, value] of Object.entries(fn.stateUpdates).sort(byName)) {
    lines.push(`  update ${state} <- ${value}`);
  }
  lines.push(`  return ${fn.outputs.join(', ')}`);
  return lines.join('\n');
}

/** Columns: outputs, call, types of the outputs, place. */
function nodeRow(node: GraphNode, types: FunctionTypes | undefined): readonly string[] {
  const attributes = Object.entries(node.attributes)
    .sort(byName)
    .map(([name, value]) => `, ${name}=${attributeText(value)}`);
  const made = node.outputs.map((name) => types?.get(name)).filter((type) => type !== undefined);
  return [
    `${node.outputs.join(', ')} = ${node.op}(${node.inputs.join(', ')}${attributes.join('')})`,
    made.map(formatType).join(', '),
    `# ${node.layer === undefined ? '' : `layer ${node.layer}, `}${node.name}`,
  ];
}

function attributeText(value: AttributeValue): string {
  return Array.isArray(value) ? `[${value.join(', ')}]` : String(value);
}

function printText({ tokenizer, chatTemplate, bosId, eosIds }: NonNullable<Model['text']>): string {
  const kind = tokenizer?.kind;
  return [
    'text',
    `  tokenizer: ${tokenizer === undefined ? 'none' : typeof kind === 'string' ? kind : 'unnamed'}`,
    `  chat template: ${chatTemplate === undefined ? 'none' : `${chatTemplate.length} characters`}`,
    `  beginning of sequence: ${bosId ?? 'none'}`,
    `  end of sequence: ${eosIds.join(', ') || 'none'}`,
  ].join('\n');
}
