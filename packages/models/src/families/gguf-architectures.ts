/**
 * The architectures of GGUF files that are read and written: names of tensors, and what each has that the others have
 * not. One table for both directions, so that what is written can be read.
 *
 * Source of names: the GGUF specification and llama.cpp's loaders for these architectures.
 */
import type { DecoderConfig } from '../decoder/decoder-config.js';

/** Tensor of each part of a decoder. `{}` is the layer. */
export const GGUF_TENSORS: Readonly<Record<string, string>> = {
  'embedding.weight': 'token_embd.weight',
  'attention_norm.weight': 'blk.{}.attn_norm.weight',
  'q.weight': 'blk.{}.attn_q.weight',
  'k.weight': 'blk.{}.attn_k.weight',
  'v.weight': 'blk.{}.attn_v.weight',
  'o.weight': 'blk.{}.attn_output.weight',
  'q.bias': 'blk.{}.attn_q.bias',
  'k.bias': 'blk.{}.attn_k.bias',
  'v.bias': 'blk.{}.attn_v.bias',
  'o.bias': 'blk.{}.attn_output.bias',
  'q_norm.weight': 'blk.{}.attn_q_norm.weight',
  'k_norm.weight': 'blk.{}.attn_k_norm.weight',
  'ffn_norm.weight': 'blk.{}.ffn_norm.weight',
  'gate.weight': 'blk.{}.ffn_gate.weight',
  'up.weight': 'blk.{}.ffn_up.weight',
  'down.weight': 'blk.{}.ffn_down.weight',
  'norm.weight': 'output_norm.weight',
  'head.weight': 'output.weight',
};

/** Divisors of the rotary frequencies. */
export const GGUF_ROPE_FACTORS = 'rope_freqs.weight';

export interface GgufArchitecture {
  /** Pairs that rotary positions turn in files of this architecture. */
  readonly layout: 'interleaved' | 'half';
  /** Whether query and key heads are normalised. */
  readonly headNorms: boolean;
  /** Whether a decoder with these biases is one of this architecture. */
  readonly allows: (biases: DecoderConfig['biases']) => boolean;
}

/** By the value of `general.architecture`. */
export const GGUF_ARCHITECTURES: ReadonlyMap<string, GgufArchitecture> = new Map<string, GgufArchitecture>([
  ['llama', { layout: 'interleaved', headNorms: false, allows: ({ feedForward }) => !feedForward }],
  [
    'qwen2',
    {
      layout: 'half',
      headNorms: false,
      allows: ({ qkv, output, feedForward }) => qkv && !output && !feedForward,
    },
  ],
  [
    'qwen3',
    {
      layout: 'half',
      headNorms: true,
      allows: ({ qkv, output, feedForward }) => !qkv && !output && !feedForward,
    },
  ],
]);
