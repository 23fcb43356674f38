/** Activations by the names that configurations of transformers have for them. */
import { unsupportedModel } from '../decoder/decoder-config.js';
import type { ConfigReader } from './config-reader.js';

/** `gelu` by itself is the exact form with the error function, which is not the tanh form. */
const ACTIVATIONS: Readonly<Record<string, 'silu' | 'gelu' | 'relu'>> = {
  silu: 'silu',
  swish: 'silu',
  relu: 'relu',
  gelu_new: 'gelu',
  gelu_pytorch_tanh: 'gelu',
};

/** The activation under `key`. @throws BitloomError `model-unsupported` */
export function activation(config: ConfigReader, key: string, fallback: string): 'silu' | 'gelu' | 'relu' {
  const value = config.value(key) ?? fallback;
  const known =
    typeof value === 'string' && Object.hasOwn(ACTIVATIONS, value) ? ACTIVATIONS[value] : undefined;
  if (known !== undefined) return known;
  throw unsupportedModel(config.where, `an activation (${key})`, Object.keys(ACTIVATIONS).join(', '), value);
}
