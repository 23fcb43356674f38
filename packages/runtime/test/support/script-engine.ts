/** An engine that says what it is told to: its n-th logits make the n-th token of a script the most likely one. */
import { checkTokens, contextFull, type Engine } from '../../src/engine.js';
import type { TextTokenizer } from '../../src/index.js';
import { tinyModel } from './tiny-model.js';

export interface ScriptEngine extends Engine {
  /** Every call, e.g. `prefill 3`, `decode 7`. */
  readonly calls: string[];
}

export function scriptEngine(script: readonly number[], vocabularySize = 256, capacity = 64): ScriptEngine {
  const calls: string[] = [];
  let position = 0;
  let spoken = 0;
  const logits = (): Float32Array => {
    const out = new Float32Array(vocabularySize);
    out[script[Math.min(spoken, script.length - 1)]] = 5;
    return out;
  };
  return {
    calls,
    model: tinyModel().model,
    vocabularySize,
    capacity,
    get position() {
      return position;
    },
    forward() {
      throw new Error('not scripted');
    },
    prefill(tokens) {
      checkTokens(tokens, this);
      calls.push(`prefill ${tokens.length}`);
      position += tokens.length;
      return logits();
    },
    decode(token) {
      if (position >= capacity) throw contextFull(position, 1, capacity);
      calls.push(`decode ${token}`);
      position += 1;
      spoken += 1;
      return logits();
    },
    reset() {
      position = 0;
    },
    close() {},
  };
}

/** One token per byte; 1 begins and 2 ends a text. */
export const BYTE_TOKENIZER: TextTokenizer = {
  bosId: 1,
  eosIds: [2],
  encode: (text) => [1, ...new TextEncoder().encode(text)],
  decodeStream() {
    const decoder = new TextDecoder('utf-8');
    return {
      push: (id) => decoder.decode(Uint8Array.of(id), { stream: true }),
      end: () => decoder.decode(),
    };
  },
};

export function bytesOf(text: string): number[] {
  return [...new TextEncoder().encode(text)];
}
