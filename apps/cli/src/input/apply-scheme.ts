/** Brings a model into the scheme that was asked for. */
import type { Model, ModelBundle } from '@bitloom/ir';

export interface SchemedModel {
  readonly bundle: ModelBundle;
  /** What quantisation has to say: ragged groups, weights with two roles. */
  readonly notes: readonly string[];
}

/**
 * The model in `scheme`. Without one, a quantised model stays as it is and a float model becomes `fallback`.
 * @throws BitloomError `scheme-unknown`, `model-already-quantized`, `quantize-graph`
 */
export async function applyScheme(
  bundle: ModelBundle,
  scheme: string | undefined,
  fallback: string,
): Promise<SchemedModel> {
  const present = bundle.model.numerics.scheme;
  const wanted = scheme ?? (present === 'f32' ? fallback : present);
  if (wanted === present) return { bundle, notes: [] };
  const { quantizeModel } = await import('@bitloom/compression');
  const quantized = quantizeModel(bundle, wanted);
  return { bundle: quantized, notes: quantized.notes };
}

/** Longest sequence the model was built for. */
export function longestContext(model: Model): number {
  const past = model.symbols.find(({ name }) => name === 'past');
  return past === undefined ? Number.MAX_SAFE_INTEGER : past.max + 1;
}
