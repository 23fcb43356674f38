/**
 * Rewrites a float model into a quantised one by a scheme: rounds weights to nearest, or takes the codes the checkpoint
 * has. The graph changes at once; bytes are computed when the sections of the result are read.
 */
import { type NmSparsity, nmType, schemeType } from '@bitloom/formats';
import {
  BitloomError,
  bandComponent,
  bandedType,
  type ConstantDecl,
  cacheBits,
  type DenseType,
  formatExpression,
  type Model,
  type ModelBundle,
  type TensorScheme,
} from '@bitloom/ir';
import { type BandFormat, chooseWidths, type MixedMatrix } from './choose-widths.js';
import { isFloat } from './dense-floats.js';
import { fittingScheme } from './fitting-scheme.js';
import {
  type ComputedSection,
  layeredSections,
  QuantizedCache,
  quantizedSections,
  widenedSection,
} from './lazy-sections.js';
import { quantizeFunction, quantizeState } from './quantize-graph.js';
import { findScheme, type Scheme, type WeightRole, type WidthMix } from './schemes.js';
import { type CheckpointBundle, storedConstant } from './stored-weights.js';
import { findWeights } from './weight-roles.js';

/** A rewritten model. */
export interface QuantizedBundle extends ModelBundle {
  /** Lines for people: what is ragged, what two roles share, what was not stored as codes. */
  readonly notes: readonly string[];
}

/**
 * Quantises a float model. Weights of products and token tables get the formats of the scheme (layout `canonical`,
 * components `codes` and `scales`), activations one `quantize` per value, KV caches int8 or int4; all other float tensors
 * become float32. A tied embedding stays one constant. Works on shape-only models.
 *
 * Weights of roles that the scheme prunes have a sparsity and the layout `nm` (components as `canonical`).
 *
 * Under a mix every matrix has a width of its own, chosen at once: by the errors of some of its rows, which are read, or
 * by place in a shape-only model; `notes` says which.
 *
 * Damaged values show when the sections are read: `quantize-not-finite`, `quantize-scale-overflow`.
 *
 * @param bundle under the scheme `stored`, an open checkpoint
 * @param scheme a name of {@link SCHEMES}, or a scheme of one's own
 * @throws BitloomError `scheme-unknown`, `scheme-kv-cache`, `model-already-quantized`, `quantize-graph`; `scheme-not-stored` when the codes
 *   of the checkpoint are asked for and it has none
 */
export function quantizeModel(bundle: CheckpointBundle, scheme: string | Scheme): QuantizedBundle {
  const chosen = typeof scheme === 'string' ? findScheme(scheme) : scheme;
  const { model } = bundle;
  requireFloat(model, chosen);
  if (chosen.weights === undefined) return { ...bundle, notes: [] };

  const weights = findWeights(model);
  const kept = chosen.keepsStored === true ? keptWeights(bundle, weights.keys(), chosen) : undefined;
  const computed = new Map<string, ComputedSection>();
  const notes: string[] = [];
  const mixed =
    chosen.mix === undefined ? undefined : mixedFormats(bundle, weights, chosen, chosen.mix, notes);
  const rewrite = new ConstantRewriter(bundle, computed, notes);
  const constants = model.constants.map((constant, index) => {
    const own = kept?.get(constant.name);
    if (own !== undefined) return own;
    const roles = weights.get(constant.name);
    const bands = mixed?.get(constant.name);
    if (bands !== undefined && bands.length > 1) {
      const own = bands.map((band) => ({ ...band, format: withStream(band.format, index) }));
      return rewrite.quantizeBands(constant, own, sparsityOf(roles, chosen));
    }
    const scheme =
      roles === undefined
        ? undefined
        : (bands?.[0]?.format ?? chooseScheme(constant.name, roles, chosen.weights, notes));
    if (kept !== undefined && scheme !== undefined) notes.push(notKept(constant, scheme));
    return scheme === undefined
      ? rewrite.widen(constant)
      : rewrite.quantize(constant, withStream(scheme, index), sparsityOf(roles, chosen));
  });
  const names = new Set(weights.keys());
  const integer = chosen.numerics.linear !== 'f32';
  const codeBits = cacheBits(chosen.numerics);
  return {
    model: {
      ...model,
      numerics: chosen.numerics,
      constants,
      states:
        codeBits === undefined ? model.states : model.states.map((state) => quantizeState(state, codeBits)),
      functions: integer ? model.functions.map((fn) => quantizeFunction(fn, names)) : model.functions,
    },
    sections: layeredSections(bundle.sections, computed),
    notes,
  };
}

/** The weights that stay as the checkpoint has them. @throws BitloomError `scheme-not-stored` when there are none */
function keptWeights(
  bundle: CheckpointBundle,
  weights: Iterable<string>,
  scheme: Scheme,
): ReadonlyMap<string, ConstantDecl> {
  const kept = new Map<string, ConstantDecl>();
  for (const name of weights) {
    const constant = storedConstant(bundle, name);
    if (constant !== undefined) kept.set(name, constant);
  }
  if (kept.size > 0) return kept;
  throw new BitloomError({
    code: 'scheme-not-stored',
    message: `the scheme '${scheme.name}' keeps the codes of a checkpoint, and this one has none that products take`,
    where: `model '${bundle.model.name}'`,
    expected: 'matrices in Q4_0 or Q8_0, of a GGUF file',
    got: 'none',
    hint: 'choose W8A8 or W4A8, which round the weights',
  });
}

/** The formats of linear weights and head under a mix. A weight that is an embedding too is not mixed. */
function mixedFormats(
  bundle: ModelBundle,
  weights: ReadonlyMap<string, ReadonlySet<WeightRole>>,
  scheme: Scheme,
  mix: WidthMix,
  notes: string[],
): ReadonlyMap<string, readonly BandFormat[]> {
  const matrices = bundle.model.constants.flatMap((constant): MixedMatrix[] => {
    const { name, type, components } = constant;
    const roles = weights.get(name);
    if (roles === undefined || roles.has('embedding')) return [];
    if (type.kind !== 'dense' || !isFloat(type.dtype)) throw notFloat(constant);
    const section = Object.hasOwn(components, 'data') ? components.data : undefined;
    const sparsity = sparsityOf(roles, scheme);
    return [
      {
        name,
        shape: numericShape(name, type),
        ...(section === undefined ? {} : { source: { constant: name, section, dtype: type.dtype } }),
        ...(sparsity === undefined ? {} : { sparsity }),
      },
    ];
  });
  const { formats, average, isMeasured } = chooseWidths(matrices, mix, bundle.sections);
  const counts = mix.formats.map((format) => {
    const count = [...formats.values()].flat().filter((one) => one.format.name === format.name).length;
    return `${format.element.bits} bits ${count}`;
  });
  const what = mix.bands === undefined ? `${matrices.length} weights` : `bands of ${matrices.length} weights`;
  const how = isMeasured ? 'by measured errors' : 'by place, for the model has shapes only';
  notes.push(`widths of ${what} ${how}: ${counts.join(', ')}; ${average.toFixed(3)} on average`);
  return formats;
}

function notKept({ name, type }: ConstantDecl, { name: scheme, element }: TensorScheme): string {
  return `weight '${name}' [${type.shape.join(', ')}]: not stored as group integers, rounded to ${element.name} as in ${scheme}`;
}

function requireFloat(model: Model, scheme: Scheme): void {
  const quantized = model.constants.find((constant) => constant.type.kind === 'quantized');
  if (quantized === undefined && model.numerics.linear === 'f32') return;
  throw new BitloomError({
    code: 'model-already-quantized',
    message: `the model cannot be rewritten as ${scheme.name}, because it is quantised already`,
    where: quantized === undefined ? `model '${model.name}'` : `constant '${quantized.name}'`,
    expected: 'a float model',
    got: `numerics ${model.numerics.scheme}`,
    hint: 'start from the checkpoint it was made from',
  });
}

/** The scheme of a weight, undefined for float32; where its roles differ, the wider one, float32 above all. */
function chooseScheme(
  name: string,
  roles: ReadonlySet<WeightRole>,
  schemes: Scheme['weights'],
  notes: string[],
): TensorScheme | undefined {
  const wanted = [...roles].map((role) => schemes?.[role]);
  const bits = (scheme: TensorScheme | undefined): number => scheme?.element.bits ?? 32;
  const widest = wanted.reduce((best, scheme) => (bits(scheme) > bits(best) ? scheme : best));
  if (wanted.some((scheme) => scheme?.name !== widest?.name)) {
    notes.push(`weight '${name}' serves as ${[...roles].join(' and ')}: kept at ${bits(widest)} bits`);
  }
  return widest;
}

/** The sparsity of a weight: that of its role; a weight of several roles keeps all that one of them keeps. */
function sparsityOf(
  roles: ReadonlySet<WeightRole> = new Set(),
  { sparsity }: Scheme,
): NmSparsity | undefined {
  const [one, ...others] = [...roles].map((role) => sparsity?.[role]);
  return others.length === 0 ? one : undefined;
}

/** Random bits of its own for every tensor: the stream is its place in the model, and travels with the scheme. */
function withStream(scheme: TensorScheme, index: number): TensorScheme {
  return scheme.seed === undefined ? scheme : { ...scheme, stream: scheme.stream ?? index };
}

class ConstantRewriter {
  readonly #bundle: ModelBundle;
  readonly #computed: Map<string, ComputedSection>;
  readonly #notes: string[];
  readonly #cache = new QuantizedCache();
  readonly #taken: Set<string>;

  constructor(bundle: ModelBundle, computed: Map<string, ComputedSection>, notes: string[]) {
    this.#bundle = bundle;
    this.#computed = computed;
    this.#notes = notes;
    this.#taken = new Set(bundle.model.constants.flatMap((constant) => Object.values(constant.components)));
  }

  /** float16 and bfloat16 tensors as float32, which is what vector units read. */
  widen(constant: ConstantDecl): ConstantDecl {
    const { type, name } = constant;
    if (type.kind !== 'dense' || type.dtype === 'f32' || !isFloat(type.dtype)) return constant;
    const widened: ConstantDecl = { ...constant, type: { ...type, dtype: 'f32' } };
    const section = this.#dataSection(constant);
    if (section === undefined) return widened;
    const elements = numericShape(name, type).reduce((product, dimension) => product * dimension, 1);
    const source = { constant: name, section, dtype: type.dtype };
    const data = this.#add(`${name}.f32`, widenedSection(this.#bundle.sections, source, elements));
    return { ...widened, components: { data } };
  }

  quantize(constant: ConstantDecl, wanted: TensorScheme, sparsity?: NmSparsity): ConstantDecl {
    const { type, name } = constant;
    if (type.kind !== 'dense' || !isFloat(type.dtype)) throw notFloat(constant);
    const shape = numericShape(name, type);
    const scheme = fittingScheme(name, shape, wanted, this.#notes);
    if (scheme === undefined) return this.widen(constant);
    const dense = schemeType(scheme, shape);
    const fixed = sparsity === undefined ? dense : nmType(dense, sparsity);
    const quantized: ConstantDecl = { ...constant, type: fixed, components: {}, scheme };
    const section = this.#dataSection(constant);
    if (section === undefined) return quantized;
    const computed = quantizedSections(
      this.#bundle.sections,
      { constant: name, section, dtype: type.dtype },
      fixed,
      scheme,
      this.#cache,
      sparsity,
    );
    return {
      ...quantized,
      components: Object.fromEntries(
        Object.entries(computed).map(([component, one]) => [
          component,
          this.#add(`${name}.${component}`, one),
        ]),
      ),
    };
  }

  /** A matrix whose columns have several formats, side by side. */
  quantizeBands(constant: ConstantDecl, bands: readonly BandFormat[], sparsity?: NmSparsity): ConstantDecl {
    const { type, name } = constant;
    if (type.kind !== 'dense') throw notFloat(constant);
    const { dtype } = type;
    if (!isFloat(dtype)) throw notFloat(constant);
    const [rows, of] = numericShape(name, type);
    const types = bands.map(({ cols, format }) => {
      const dense = schemeType(format, [rows, cols]);
      return sparsity === undefined ? dense : nmType(dense, sparsity);
    });
    const section = this.#dataSection(constant);
    const components =
      section === undefined
        ? []
        : bands.flatMap(({ start, format }, index) => {
            const source = { constant: name, section, dtype, band: { start, of, index } };
            const computed = quantizedSections(
              this.#bundle.sections,
              source,
              types[index],
              format,
              this.#cache,
              sparsity,
            );
            return Object.entries(computed).map(([component, one]) => {
              const own = bandComponent(component, index);
              return [own, this.#add(`${name}.${own}`, one)] as const;
            });
          });
    return { ...constant, type: bandedType(types), components: Object.fromEntries(components) };
  }

  /** Section of the floats; undefined for a shape-only constant. */
  #dataSection(constant: ConstantDecl): string | undefined {
    return Object.hasOwn(constant.components, 'data') ? constant.components.data : undefined;
  }

  #add(wanted: string, section: ComputedSection): string {
    let name = wanted;
    while (this.#taken.has(name)) name += '_';
    this.#taken.add(name);
    this.#computed.set(name, section);
    return name;
  }
}

function numericShape(name: string, type: DenseType): number[] {
  return type.shape.map((dimension) => {
    if (typeof dimension === 'number') return dimension;
    throw new BitloomError({
      code: 'quantize-graph',
      message: 'a constant has a symbolic dimension',
      where: `constant '${name}'`,
      expected: 'a fixed shape',
      got: formatExpression(dimension),
    });
  });
}

function notFloat(constant: ConstantDecl): BitloomError {
  return new BitloomError({
    code: 'quantize-graph',
    message: 'a weight to quantise is no float tensor',
    where: `constant '${constant.name}'`,
    expected: 'f32, f16 or bf16',
    got: constant.type.kind === 'dense' ? constant.type.dtype : constant.type.kind,
  });
}
