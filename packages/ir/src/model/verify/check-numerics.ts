/**
 * The numerics record against the graph: what it says of weights and KV cache is what the types say. A record that
 * contradicts its graph would let two correct engines differ.
 */

import { BitloomError } from '../../error.js';
import type { Model, StateDecl } from '../graph.js';
import { type CacheBits, cacheBits } from '../numerics.js';
import { formatType } from '../ops.js';
import type { ValueType } from '../types.js';

function fail(message: string, where: string, expected: string, got: string): never {
  throw new BitloomError({
    code: 'model-numerics',
    message,
    where,
    expected,
    got,
    hint: 'make the numerics record and the graph with one quantisation scheme',
  });
}

/**
 * @param types inferred types by function and value, as verifyModel gives them
 * @throws BitloomError `model-numerics`
 */
export function checkNumerics(
  model: Model,
  types: ReadonlyMap<string, ReadonlyMap<string, ValueType>>,
): void {
  const { numerics } = model;
  const isInteger = numerics.linear === 'int8-activations';
  const codeBits = cacheBits(numerics);
  const isIntegerCache = codeBits !== undefined;
  const record = `numerics '${numerics.scheme}'`;
  const scale = isInteger ? 'per-token-amax/127' : 'none';
  if (numerics.activationScale !== scale) {
    fail('the activation scale contradicts the linear arithmetic', record, scale, numerics.activationScale);
  }
  const scores = isIntegerCache ? 'int8' : 'f32';
  if (numerics.scores !== scores) {
    fail('the scores contradict the KV cache', record, scores, numerics.scores);
  }
  const probabilities = isIntegerCache ? 'int8-value-scale-folded' : 'f32';
  if (numerics.probabilities !== probabilities) {
    fail('the probabilities contradict the KV cache', record, probabilities, numerics.probabilities);
  }
  for (const state of model.states) {
    if (state.purpose === 'kv-cache') checkCache(state, codeBits);
  }
  checkLinears(model, types, isInteger);
}

function checkCache(state: StateDecl, bits: CacheBits | undefined): void {
  const { type } = state;
  const where = `state '${state.name}'`;
  if (bits === undefined) {
    if (type.kind === 'dense' && type.dtype === 'f32') return;
    fail('the KV cache is not what the numerics record says', where, 'f32', formatType(type));
  }
  const level = type.kind === 'quantized' && type.scales.length === 1 ? type.scales[0] : undefined;
  const [heads, tokens, width] = level?.block ?? [];
  const isPerTokenAndHead =
    type.kind === 'quantized' &&
    type.element.kind === 'int' &&
    type.element.bits === bits &&
    type.element.signed &&
    level?.format.name === 'fp32' &&
    heads === 1 &&
    tokens === 1 &&
    (width === 0 || width === type.shape[2]);
  if (isPerTokenAndHead && hasWholeBytes(state, bits)) return;
  const expected = `int${bits} codes with one fp32 scale per head and token (block 1x1x0)`;
  fail('the KV cache is not what the numerics record says', where, expected, formatType(type));
}

/** Whether the codes of a token and head fill bytes. @throws BitloomError `model-numerics` */
function hasWholeBytes({ name, type }: StateDecl, bits: CacheBits): boolean {
  const width = type.shape[2];
  if (bits === 8 || typeof width !== 'number' || width % 2 === 0) return true;
  const message = 'two codes of a KV cache share a byte, and a head has an odd number of them';
  fail(message, `state '${name}'`, 'heads of an even width', String(width));
}

/** Quantised linear operations need the integer record, and the integer record needs one of them. */
function checkLinears(
  model: Model,
  types: ReadonlyMap<string, ReadonlyMap<string, ValueType>>,
  isInteger: boolean,
): void {
  let [linears, quantized] = [0, 0];
  for (const fn of model.functions) {
    for (const node of fn.nodes) {
      if (node.op !== 'linear') continue;
      linears++;
      const where = `function '${fn.name}', node '${node.name}'`;
      const [x, w] = node.inputs.map((name) => types.get(fn.name)?.get(name));
      if (x?.kind !== 'quantized') {
        if (!isInteger || w?.kind !== 'quantized') continue;
        const expected = 'activations from `quantize`';
        fail('a float product of quantised weights under integer numerics', where, expected, 'float32');
      }
      quantized++;
      // Which scales, maps and layouts an engine reads is its own affair; that codes are integers is arithmetic.
      if (w?.kind !== 'quantized' || w.element.kind !== 'int' || w.element.bias !== 0) {
        const got = w === undefined ? 'none' : formatType(w);
        fail('an integer product of codes that are no integers', where, 'integer codes', got);
      }
      if (!isInteger) {
        fail(
          'a quantised product under float numerics',
          where,
          'linear: int8-activations',
          model.numerics.linear,
        );
      }
    }
  }
  if (isInteger && linears > 0 && quantized === 0) {
    const where = `numerics '${model.numerics.scheme}'`;
    fail(
      'integer numerics, but no product is quantised',
      where,
      'quantised operands of linear',
      'float32 only',
    );
  }
}
