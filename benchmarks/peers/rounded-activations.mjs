/**
 * A decoder in plain loops that rounds the input of every linear map as ggml's CPU backend does before it multiplies:
 * to blocks of 32 or 256 eight-bit codes beside quantised weights, to F16 or BF16 beside those. Everything else is
 * float32. It predicts what llama.cpp computes from a file, so that what differs from our float32 interpreter can be
 * told apart: rounding of activations, which is llama.cpp's design, from a wrong weight, which would be a bug.
 *
 * Beside Q4_1 and Q5_1 the codes are those of Q8_0, and the sum of a block, which its minimum multiplies, is an fp16 of
 * its own.
 *
 * Source of the pairing: `vec_dot_type` in ggml's table of CPU types.
 */
import {
  decodeBf16Array,
  decodeFp16,
  decodeFp16Array,
  decodeGgmlBlocks,
  encodeBf16Array,
  encodeFp16,
  encodeFp16Array,
  encodeGgmlBlocks,
} from '@bitloom/formats';

const blocks = (name) => (values) => decodeGgmlBlocks(name, encodeGgmlBlocks(name, values));
const Q8_0 = blocks('q8_0');
const Q8_K = blocks('q8_K');

/** What a row of activations becomes beside weights of a type. */
const ROUND = {
  F32: (values) => values,
  F16: (values) => decodeFp16Array(encodeFp16Array(values)),
  BF16: (values) => decodeBf16Array(encodeBf16Array(values)),
  Q8_0,
  Q5_1: Q8_0,
  Q5_0: Q8_0,
  Q4_1: Q8_0,
  Q4_0: Q8_0,
  Q2_0: Q8_0,
  Q1_0: Q8_0,
  IQ4_NL: Q8_0,
  MXFP4: Q8_0,
  NVFP4: Q8_0,
  Q6_K: Q8_K,
  Q5_K: Q8_K,
  Q4_K: Q8_K,
  Q3_K: Q8_K,
  Q2_K: Q8_K,
  IQ4_XS: Q8_K,
  TQ2_0: Q8_K,
  TQ1_0: Q8_K,
};

/** Bytes of a block whose second fp16 is its minimum. */
const MINIMUM_BLOCKS = { Q4_1: 20, Q5_1: 24 };

/** Minima of a tensor's blocks; undefined where its type has none. */
function minimaOf({ encoding, source, offset, byteLength }) {
  const size = MINIMUM_BLOCKS[encoding.name];
  if (size === undefined) return undefined;
  const bytes = source.sync.read(offset, byteLength);
  return Float32Array.from({ length: byteLength / size }, (_, i) =>
    decodeFp16(bytes[i * size + 2] | (bytes[i * size + 3] << 8)),
  );
}

/** By how much the stored sum of each block of 32 differs from that of its rounded values. */
function sumErrors(values, rounded) {
  return Float32Array.from({ length: values.length / 32 }, (_, block) => {
    const part = (list) => list.subarray(32 * block, 32 * block + 32);
    const scale = Math.fround(part(values).reduce((most, v) => Math.max(most, Math.abs(v)), 0) / 127);
    const sum = part(rounded).reduce((a, b) => a + b, 0);
    // Rounded values are codes times the fp16 of the scale, so this is the sum of the codes.
    const codes = scale === 0 ? 0 : Math.round(sum / decodeFp16(encodeFp16(scale)));
    return decodeFp16(encodeFp16(codes * scale)) - sum;
  });
}

/**
 * A sequence over an open model of the Llama family with interleaved rotary positions.
 *
 * @param tensors of the file by bitloom's names of the parameters
 */
export function roundedDecoder({ config, sections }, tensors) {
  const { width, heads, kvHeads, headDim, layers } = config;
  const constants = new Map();
  const values = (name) => {
    if (!constants.has(name))
      constants.set(name, new Float32Array(new Uint8Array(sections.read(name)).buffer));
    return constants.get(name);
  };
  const minima = new Map([...tensors].map(([name, tensor]) => [name, minimaOf(tensor)]));
  const linear = (name, x) => {
    const weight = values(name);
    const rounded = ROUND[tensors.get(name).encoding.name](x);
    const lowest = minima.get(name);
    const errors = lowest === undefined ? [] : sumErrors(x, rounded);
    const out = new Float32Array(weight.length / x.length);
    for (let row = 0; row < out.length; row++) {
      let sum = 0;
      for (let i = 0; i < x.length; i++) sum += weight[row * x.length + i] * rounded[i];
      for (const [block, error] of errors.entries()) sum += lowest[row * errors.length + block] * error;
      out[row] = sum;
    }
    return out;
  };
  const norm = (name, x) => {
    const weight = values(name);
    const scale = 1 / Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / x.length + config.norm.epsilon);
    return x.map((v, i) => v * scale * weight[i]);
  };
  const rotate = (x, position) => {
    const table = values('rope');
    const out = new Float32Array(x.length);
    for (let i = 0; i < x.length; i += 2) {
      const at = position * headDim + (i % headDim);
      const [cos, sin] = [table[at], table[at + 1]];
      out[i] = x[i] * cos - x[i + 1] * sin;
      out[i + 1] = x[i] * sin + x[i + 1] * cos;
    }
    return out;
  };
  const attend = (q, keys, valuesOf) => {
    const out = new Float32Array(heads * headDim);
    for (let head = 0; head < heads; head++) {
      const shared = Math.floor((head * kvHeads) / heads) * headDim;
      const scores = keys.map((key) => {
        let sum = 0;
        for (let i = 0; i < headDim; i++) sum += q[head * headDim + i] * key[shared + i];
        return sum / Math.sqrt(headDim);
      });
      const most = Math.max(...scores);
      const weights = scores.map((score) => Math.exp(score - most));
      const total = weights.reduce((a, b) => a + b, 0);
      for (const [p, value] of valuesOf.entries()) {
        for (let i = 0; i < headDim; i++) out[head * headDim + i] += (weights[p] / total) * value[shared + i];
      }
    }
    return out;
  };
  const cache = Array.from({ length: layers }, () => ({ keys: [], values: [] }));
  const add = (a, b) => a.map((v, i) => v + b[i]);
  return {
    /** Appends a token and gives its logits. */
    decode(token) {
      const position = cache[0].keys.length;
      let x = values('embedding.weight').slice(token * width, (token + 1) * width);
      for (const [layer, { keys, values: kept }] of cache.entries()) {
        const name = (part) => `layers.${layer}.${part}.weight`;
        const input = norm(name('attention_norm'), x);
        keys.push(rotate(linear(name('k'), input), position));
        kept.push(linear(name('v'), input));
        const mixed = attend(rotate(linear(name('q'), input), position), keys, kept);
        x = add(x, linear(name('o'), mixed));
        const inner = norm(name('ffn_norm'), x);
        const up = linear(name('up'), inner);
        const gated = linear(name('gate'), inner).map((v, i) => (v / (1 + Math.exp(-v))) * up[i]);
        x = add(x, linear(name('down'), gated));
      }
      return linear(config.tiedEmbeddings ? 'embedding.weight' : 'head.weight', norm('norm.weight', x));
    },
    reset() {
      for (const entry of cache) for (const list of Object.values(entry)) list.length = 0;
    },
  };
}
