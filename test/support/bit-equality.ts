/**
 * Two engines held against each other bit by bit. A script of calls is recorded on one and replayed on the other;
 * the first difference is named by call and logit, because everything behind it follows from it.
 */
import type { Engine } from '@bitloom/runtime';
import { greedyToken } from '@bitloom/runtime';

export interface RecordedCall {
  readonly what: string;
  readonly tokens: readonly number[];
  readonly entry: 'prefill' | 'decode' | 'forward';
  /** Bits of the logits. */
  readonly bits: Int32Array;
}

export type Recording = readonly (RecordedCall | 'reset')[];

/** The bits of float32 values, copied: engines reuse their output. */
function bitsOf(logits: Float32Array): Int32Array {
  return new Int32Array(logits.slice().buffer);
}

/** Token ids that visit the whole vocabulary in no order. */
export function scriptedTokens(count: number, vocabulary: number, seed: number): number[] {
  return Array.from(
    { length: count },
    (_, i) => (Math.imul(i + 1 + 31 * seed, 0x9e3779b1) >>> 8) % vocabulary,
  );
}

export interface Script {
  readonly prompts: readonly number[];
  /** Decode steps after each prompt, as far as the context goes. */
  readonly steps: number;
  /** Whether steps follow the most likely token, as text does, or a script. */
  readonly greedy: boolean;
}

/** Runs a script from an empty context for each prompt length, and writes down every result. */
export function record(engine: Engine, { prompts, steps, greedy }: Script): Recording {
  const out: (RecordedCall | 'reset')[] = [];
  for (const [i, length] of prompts.entries()) {
    engine.reset();
    out.push('reset');
    const tokens = scriptedTokens(length, engine.vocabularySize, i);
    let logits = engine.prefill(tokens);
    out.push({ what: `prompt of ${length}`, entry: 'prefill', tokens, bits: bitsOf(logits) });
    const scripted = scriptedTokens(steps, engine.vocabularySize, i + 100);
    for (let step = 0; step < steps && engine.position < engine.capacity; step++) {
      const token = greedy ? greedyToken(logits) : scripted[step];
      logits = engine.decode(token);
      out.push({
        what: `prompt of ${length}, step ${step}`,
        entry: 'decode',
        tokens: [token],
        bits: bitsOf(logits),
      });
    }
  }
  return out;
}

/** Calls of these lengths, one after the other from an empty context; a call of one token is a decode step. */
export function recordSession(engine: Engine, lengths: readonly number[]): Recording {
  const out: (RecordedCall | 'reset')[] = ['reset'];
  engine.reset();
  for (const [i, length] of lengths.entries()) {
    const what = `call ${i} of ${length} behind ${engine.position}`;
    const tokens = scriptedTokens(length, engine.vocabularySize, i + 7);
    const entry = length === 1 ? ('decode' as const) : ('prefill' as const);
    const logits = entry === 'decode' ? engine.decode(tokens[0]) : engine.prefill(tokens);
    out.push({ what, entry, tokens, bits: bitsOf(logits) });
  }
  return out;
}

/** The first difference of a replay, or undefined: every bit is the same. */
export function firstDifference(engine: Engine, recording: Recording): string | undefined {
  for (const call of recording) {
    if (call === 'reset') {
      engine.reset();
      continue;
    }
    const got = bitsOf(
      call.entry === 'decode' ? engine.decode(call.tokens[0]) : engine[call.entry](call.tokens),
    );
    if (got.length !== call.bits.length) return `${call.what}: ${got.length} logits, not ${call.bits.length}`;
    const at = got.findIndex((bits, i) => bits !== call.bits[i]);
    if (at < 0) continue;
    const value = (bits: Int32Array): number => new Float32Array(bits.buffer)[at];
    return `${call.what}: logit ${at} is ${value(got)}, not ${value(call.bits)}`;
  }
  return undefined;
}
