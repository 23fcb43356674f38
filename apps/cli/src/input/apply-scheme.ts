/** Brings a model into the scheme that was asked for. */
import type { CheckpointBundle } from '@bitloom/compression';
import type { Model, ModelBundle } from '@bitloom/ir';

export interface SchemedModel {
  readonly bundle: ModelBundle;
  /** What quantisation has to say: ragged groups, weights with two roles. */
  readonly notes: readonly string[];
  /** A line for people about a scheme that nobody asked for. */
  readonly announcement?: string;
}

/** Share of the products from which on a checkpoint counts as stored in codes. */
const MOSTLY = 0.5;

/**
 * The model in `scheme`. Without one, a quantised model stays as it is, a checkpoint that is mostly group integers runs
 * from its codes, and any other float model becomes `fallback`.
 * @throws BitloomError `scheme-unknown`, `scheme-not-stored`, `model-already-quantized`, `quantize-graph`
 */
export async function applyScheme(
  bundle: CheckpointBundle,
  scheme: string | undefined,
  fallback: string,
): Promise<SchemedModel> {
  const present = bundle.model.numerics.scheme;
  if (scheme === undefined && present === 'f32' && bundle.stored !== undefined) {
    const { quantizeModel, storedWeights } = await import('@bitloom/compression');
    const { share, formats } = storedWeights(bundle);
    if (share > MOSTLY) {
      const { notes, ...quantized } = quantizeModel(bundle, 'stored');
      const announcement = `weights as stored (${formats.join(', ')}), activations INT8; --scheme chooses another`;
      return { bundle: quantized, notes, announcement };
    }
  }
  const wanted = scheme ?? (present === 'f32' ? fallback : present);
  if (wanted === present) return { bundle, notes: [] };
  const { quantizeModel } = await import('@bitloom/compression');
  const { notes, ...quantized } = quantizeModel(bundle, wanted);
  return { bundle: quantized, notes };
}

/** Longest sequence the model was built for. */
export function longestContext(model: Model): number {
  const past = model.symbols.find(({ name }) => name === 'past');
  return past === undefined ? Number.MAX_SAFE_INTEGER : past.max + 1;
}
