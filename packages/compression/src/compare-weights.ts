/** How far the weights of a quantised model lie from those of the model it was made from, tensor by tensor. */
import {
  dequantize,
  ErrorAccumulator,
  type ErrorMetrics,
  elementsOf,
  type FixedQuantizedType,
} from '@bitloom/formats';
import {
  BitloomError,
  type ConstantDecl,
  internalError,
  type ModelBundle,
  type SectionSource,
} from '@bitloom/ir';
import { isFloat, readFloats } from './dense-floats.js';

/** One weight in two models. */
export interface WeightComparison extends ErrorMetrics {
  readonly name: string;
  readonly shape: readonly number[];
  /** Name of the scheme it is in. */
  readonly scheme: string;
  /** Bytes of its components. */
  readonly bytes: number;
  readonly bitsPerWeight: number;
}

export interface ModelComparison {
  /** The weights that became codes. */
  readonly weights: readonly WeightComparison[];
  /** Errors over all of them together; the largest error's index counts through them in order. */
  readonly total: ErrorMetrics;
  /** Bits per element over all of them, as stored. */
  readonly bitsPerWeight: number;
  /** Bytes of all constants of the quantised model, those that stay in float32 included. */
  readonly bytes: number;
}

/**
 * Compares every quantised constant with the float constant of the same name.
 *
 * @param onProgress called after each weight with the number done and of all
 * @throws BitloomError `compare-models` when the models do not belong together, and what reading throws
 */
export function compareWeights(
  original: ModelBundle,
  quantized: ModelBundle,
  onProgress: (done: number, total: number) => void = () => {},
): ModelComparison {
  const floats = new Map(original.model.constants.map((constant) => [constant.name, constant]));
  const changed = quantized.model.constants.filter(({ type }) => type.kind === 'quantized');
  const total = new ErrorAccumulator();
  let [bits, elements] = [0, 0];
  const weights = changed.map((constant, index) => {
    const source = floats.get(constant.name);
    const reference = source === undefined ? undefined : denseValues(source, original.sections);
    if (reference === undefined) throw notTogether(constant.name);
    const { type, actual } = codedValues(constant, quantized.sections);
    const own = new ErrorAccumulator();
    own.add(reference, actual);
    total.add(reference, actual);
    const bytes = storedBytes(constant, quantized.sections);
    bits += bytes * 8;
    elements += actual.length;
    onProgress(index + 1, changed.length);
    return {
      name: constant.name,
      shape: type.shape,
      scheme:
        constant.scheme?.name ??
        type.bands?.map(({ element }) => element.name).join('+') ??
        type.element.name,
      bytes,
      bitsPerWeight: actual.length === 0 ? 0 : (bytes * 8) / actual.length,
      ...own.result(),
    };
  });
  return {
    weights,
    total: total.result(),
    bitsPerWeight: elements === 0 ? 0 : bits / elements,
    bytes: quantized.model.constants.reduce(
      (sum, constant) => sum + storedBytes(constant, quantized.sections),
      0,
    ),
  };
}

function denseValues(constant: ConstantDecl, sections: SectionSource): Float32Array | undefined {
  const { type, components } = constant;
  if (type.kind !== 'dense' || !isFloat(type.dtype) || !Object.hasOwn(components, 'data')) return undefined;
  return readFloats(sections, components.data, type.dtype, 0, elementsOf(fixedShape(constant)));
}

function codedValues(
  constant: ConstantDecl,
  sections: SectionSource,
): { readonly type: FixedQuantizedType; readonly actual: Float32Array } {
  if (constant.type.kind !== 'quantized') throw internalError(`constant '${constant.name}' is not quantised`);
  const type = { ...constant.type, shape: fixedShape(constant) };
  const components = Object.fromEntries(
    Object.entries(constant.components).map(([name, section]) => [name, sections.read(section)]),
  );
  return { type, actual: dequantize({ type, components }) };
}

function fixedShape({ name, type }: ConstantDecl): number[] {
  return type.shape.map((dimension) => {
    if (typeof dimension === 'number') return dimension;
    throw internalError(`constant '${name}' has a symbolic dimension`);
  });
}

function storedBytes({ components }: ConstantDecl, sections: SectionSource): number {
  return Object.values(components).reduce((sum, section) => sum + sections.byteLength(section), 0);
}

function notTogether(name: string): BitloomError {
  return new BitloomError({
    code: 'compare-models',
    message: 'the two models do not belong together',
    where: `constant '${name}'`,
    expected: 'a float tensor of this name in the original',
    got: 'none',
    hint: 'compare a quantised model with the float model it was made from',
  });
}
