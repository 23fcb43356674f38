/** What a model holds: constants as tensors, state, entries, tokenizer. */
import { componentBytes, ggmlLayoutName, isNmLayout } from '@bitloom/formats';
import { DTYPE_BYTES, formatExpression, isShapeOnly, type ModelBundle, type ValueType } from '@bitloom/ir';
import { longestContext } from '../input/apply-scheme.js';
import type { TensorRow } from './checkpoint-summary.js';

export interface ModelSummary {
  readonly kind: 'model';
  readonly name: string;
  readonly family: string;
  readonly scheme: string;
  readonly shapeOnly: boolean;
  readonly context: number;
  /** Elements of all constants but tables that can be computed again. */
  readonly parameters: number;
  /** Bytes of all constants as they are stored; of a shape-only model, as they would be. */
  readonly bytes: number;
  readonly tokenizer?: string;
  readonly chatTemplate: boolean;
  readonly functions: readonly { readonly name: string; readonly nodes: number }[];
  readonly tensors: readonly TensorRow[];
  readonly states: readonly TensorRow[];
  readonly metadata: Readonly<Record<string, string | number>>;
}

export function modelSummary({ model, sections }: ModelBundle): ModelSummary {
  const tensors = model.constants.map(({ name, type, components }) => {
    const stored = Object.values(components);
    const bytes =
      stored.length === 0
        ? typeBytes(type)
        : stored.reduce((sum, section) => sum + sections.byteLength(section), 0);
    return { name, ...typeRow(type), bytes };
  });
  const kind = model.text?.tokenizer?.kind;
  const { parameters } = model.metadata;
  return {
    kind: 'model',
    name: model.name,
    family: model.family,
    scheme: model.numerics.scheme,
    shapeOnly: isShapeOnly(model),
    context: longestContext(model),
    parameters:
      typeof parameters === 'number'
        ? parameters
        : model.constants.reduce((sum, { type }) => sum + elements(type), 0),
    bytes: tensors.reduce((sum, { bytes }) => sum + bytes, 0),
    ...(typeof kind === 'string' ? { tokenizer: kind } : {}),
    chatTemplate: model.text?.chatTemplate !== undefined,
    functions: model.functions.map(({ name, nodes }) => ({ name, nodes: nodes.length })),
    tensors,
    states: model.states.map(({ name, type }) => ({ name, ...typeRow(type), bytes: typeBytes(type) })),
    metadata: model.metadata,
  };
}

function typeRow(type: ValueType): Pick<TensorRow, 'shape' | 'type'> {
  const shape = type.shape.map((size) => (typeof size === 'number' ? size : formatExpression(size)));
  if (type.kind === 'dense') return { shape, type: type.dtype };
  const scales = type.scales.map(({ format, block }) => `${format.name} per ${block.join('x')}`);
  const { sparsity } = type;
  const kept = sparsity?.kind === 'n-of-m' ? [`${sparsity.keep.join(' or ')} of ${sparsity.m} kept`] : [];
  return { shape, type: [type.element.name, ...kept, ...scales].join(', ') };
}

function elements(type: ValueType): number {
  return type.shape.reduce<number>((product, size) => product * (typeof size === 'number' ? size : 1), 1);
}

/** As a model stores it; a state, whose symbols count as 1, by its codes and scales. */
function typeBytes(type: ValueType): number {
  if (type.kind === 'dense') return elements(type) * DTYPE_BYTES[type.dtype];
  const shape = type.shape.filter((size) => typeof size === 'number');
  const fixed = { ...type, shape };
  const isStored =
    type.layout === 'canonical' || ggmlLayoutName(type.layout) !== undefined || isNmLayout(fixed);
  if (isStored && shape.length === type.shape.length) {
    return Object.values(componentBytes(fixed)).reduce((sum, bytes) => sum + bytes, 0);
  }
  const scales = type.scales.reduce((sum, { format, block }) => {
    const groups = type.shape.reduce<number>((product, size, axis) => {
      const length = typeof size === 'number' ? size : 1;
      return product * (block[axis] === 0 ? 1 : Math.ceil(length / block[axis]));
    }, 1);
    return sum + (groups * format.bits) / 8;
  }, 0);
  return Math.ceil((elements(type) * type.element.bits) / 8 + scales);
}
