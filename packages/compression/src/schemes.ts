/**
 * Quantisation schemes of whole models: which scheme a weight gets in which role, and the numerics of the result. Some
 * rows compute in integers; every preset of `@bitloom/formats` is a scheme too, whose weights stand for float32 values.
 */
import { type NmSparsity, type Preset, preset, presetNames } from '@bitloom/formats';
import { BitloomError, FLOAT_NUMERICS, integerNumerics, type Numerics, type TensorScheme } from '@bitloom/ir';
import { withCacheBits } from './cache-bits.js';
import { findFlightLlmScheme, flightLlmScheme, mixedFlightLlmScheme } from './flightllm-schemes.js';
import { withSparsity } from './prune-nm.js';
import { splitCacheBits, splitSparsity } from './scheme-suffix.js';

/** Where a weight is used. `embedding` are look-up tables of tokens, `head` the matrix that gives the logits. */
export type WeightRole = 'linear' | 'embedding' | 'head';

/** Formats of different widths, mixed. */
export interface WidthMix {
  /** Bits of a stored code, on average over all matrices that are mixed: what is chosen does not exceed it. */
  readonly average: number;
  /** From narrow to wide. */
  readonly formats: readonly TensorScheme[];
  /** Bands of columns of a matrix that may differ, at most; absent: a matrix has one width. */
  readonly bands?: number;
}

export interface Scheme {
  readonly name: string;
  /** One line for people. */
  readonly doc: string;
  /** Scheme of weights by role; a role without one stays in float32. Absent: the whole model stays as it is. */
  readonly weights?: Readonly<Partial<Record<WeightRole, TensorScheme>>>;
  /** N:M sparsity to which the weights of a role are pruned by magnitude before they are rounded; see `withSparsity`. */
  readonly sparsity?: Readonly<Partial<Record<WeightRole, NmSparsity>>>;
  /** Matrices that the checkpoint keeps as symmetric group integers stay as they are; `weights` are for the others. */
  readonly keepsStored?: boolean;
  /** Linear weights and head have one of several formats each, chosen by matrix; in place of `weights` for them. */
  readonly mix?: WidthMix;
  readonly numerics: Numerics;
}

/** The codes of the checkpoint under integer activations and an integer KV cache; at 8 bits what has no codes there. */
function storedScheme(name: string, doc: string): Scheme {
  const { weights, numerics } = integerScheme('W8A8', doc);
  return { name, doc, weights, keepsStored: true, numerics: { ...numerics, scheme: name } };
}

/** Integer weights, activations and KV cache; embedding and head at 8 bits. */
function integerScheme(name: string, doc: string): Scheme {
  const linear = preset(name).weights;
  const wide = preset('W8A8').weights;
  return { name, doc, weights: { linear, embedding: wide, head: wide }, numerics: integerNumerics(name) };
}

/** Float arithmetic on the values that the codes of a preset stand for; embedding and head stay in float32. */
function weightOnly({ name, doc, weights }: Preset): Scheme {
  return { name, doc, weights: { linear: weights }, numerics: { ...FLOAT_NUMERICS, scheme: name } };
}

/** Schemes whose products are integers, and the baseline: what cards compute, and what to compare with. */
export const SCHEMES: readonly Scheme[] = [
  { name: 'f32', doc: 'float32 throughout; the baseline', numerics: FLOAT_NUMERICS },
  integerScheme('W8A8', 'INT8 weights in groups of 32, INT8 activations per token, INT8 KV cache'),
  integerScheme(
    'W4A8',
    'INT4 weights in groups of 32, embedding and head INT8, INT8 activations per token, INT8 KV cache',
  ),
  flightLlmScheme(),
  flightLlmScheme(3),
  flightLlmScheme(2),
  mixedFlightLlmScheme(3.5),
  storedScheme(
    'stored',
    'Q4_0 and Q8_0 weights of a GGUF file as they are, others INT8, INT8 activations per token, INT8 KV cache',
  ),
];

/** Names of all schemes. */
export function schemeNames(): string[] {
  return [...new Set([...SCHEMES.map(({ name }) => name), ...presetNames()])];
}

/**
 * The scheme called `name`: a row of {@link SCHEMES}, one of the families `FlightLLM-W<bits>` (2 to 8) and
 * `FlightLLM-mixed<average>` (2 to 8), with `-bands` behind it by bands of columns, or a preset of `@bitloom/formats`; with a suffix `-8:16`, that
 * scheme with its linear weights pruned; with a suffix `-KV4`, that scheme with a KV cache of 4 bits.
 * @throws BitloomError `scheme-unknown`, `scheme-sparsity`, `scheme-kv-cache`, `scheme-mix`
 */
export function findScheme(name: string): Scheme {
  const cached = splitCacheBits(name);
  if (cached !== undefined) return withCacheBits(findScheme(cached.scheme), cached.bits);
  const suffixed = splitSparsity(name);
  if (suffixed !== undefined) return withSparsity(findScheme(suffixed.scheme), suffixed);
  const scheme = SCHEMES.find((candidate) => candidate.name === name);
  if (scheme !== undefined) return scheme;
  const flightLlm = findFlightLlmScheme(name);
  if (flightLlm !== undefined) return flightLlm;
  try {
    return weightOnly(preset(name));
  } catch (error) {
    if (!(error instanceof BitloomError) || error.code !== 'preset-unknown') throw error;
    throw new BitloomError({
      code: 'scheme-unknown',
      message: 'there is no quantisation scheme of this name',
      expected: `${schemeNames().join(', ')}; FlightLLM-W<bits>, FlightLLM-mixed<average>, FlightLLM-mixed<average>-bands`,
      got: name,
      hint: '`bitloom formats` lists them; names are case-sensitive',
      cause: error,
    });
  }
}
