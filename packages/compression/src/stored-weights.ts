/**
 * Checkpoints that already keep matrices as symmetric group integers: which of a model's weights those are, and how much
 * of its products. What the scheme `stored` goes by.
 */
import { type ConstantDecl, isGroupIntegers, type ModelBundle, type QuantizedType } from '@bitloom/ir';
import { findWeights } from './weight-roles.js';

/** A float model, with the matrices that its file keeps as codes where there are any: an `OpenModel` is one. */
export interface CheckpointBundle extends ModelBundle {
  /** Declarations by constant name, over `sections`: each stands for the float constant of that name. */
  readonly stored?: ReadonlyMap<string, ConstantDecl>;
}

/** A constant that is codes. */
type StoredConstant = ConstantDecl & { readonly type: QuantizedType };

/** How much of a model is stored as group integers. */
export interface StoredWeights {
  /** Share of the elements of all matrices of products, 0 to 1. */
  readonly share: number;
  /** Names of the formats of those matrices, as the file calls them, that of most elements first. */
  readonly formats: readonly string[];
}

/**
 * How much of the products of a model its checkpoint keeps as group integers.
 * @throws BitloomError `quantize-graph`, as quantising it would
 */
export function storedWeights(bundle: CheckpointBundle): StoredWeights {
  const { model, stored } = bundle;
  if (stored === undefined || stored.size === 0) return { share: 0, formats: [] };
  const roles = findWeights(model);
  const byFormat = new Map<string, number>();
  let [all, kept] = [0, 0];
  for (const { name, type } of model.constants) {
    const own = roles.get(name);
    if (own === undefined || (own.size === 1 && own.has('embedding'))) continue;
    const elements = type.shape.reduce<number>((n, size) => n * (typeof size === 'number' ? size : 1), 1);
    all += elements;
    const constant = storedConstant(bundle, name);
    if (constant === undefined) continue;
    kept += elements;
    const format = constant.scheme?.name ?? constant.type.element.name;
    byFormat.set(format, (byFormat.get(format) ?? 0) + elements);
  }
  const formats = [...byFormat].sort(([, a], [, b]) => b - a).map(([format]) => format);
  return { share: all === 0 ? 0 : kept / all, formats };
}

/** The constant of that name as group integers, where the checkpoint keeps it so. */
export function storedConstant({ stored }: CheckpointBundle, name: string): StoredConstant | undefined {
  const constant = stored?.get(name);
  if (constant?.type.kind !== 'quantized' || !isGroupIntegers(constant.type)) return undefined;
  return { ...constant, type: constant.type };
}
