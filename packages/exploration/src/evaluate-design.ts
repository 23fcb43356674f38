/**
 * One design: compiled for and timed. The same compiler and simulator as everywhere, so a figure of a search is that of
 * `simulate` on the same card.
 */
import { compile } from '@bitloom/compiler';
import { BitloomError, type Device, deviceHash, encodedLength, type Model } from '@bitloom/ir';
import { simulate } from '@bitloom/simulator';
import type { Outcome } from './outcome.js';

/** What every design of a search is asked to do. */
export interface Workload {
  /** Quantised in a scheme that cards compute; needs no bytes of weights. */
  readonly model: Model;
  /** Tokens of the prompt, and of the cache that the decode step reads; at least 1. */
  readonly prefill: number;
  /** Longest context that the memory image has room for. */
  readonly capacity: number;
}

/** Instruction storage is no part of an outcome, and counting it takes longer than the timing. */
const NOT_COUNTED = { total: 0, unbucketed: 0, bucketed: 0, resolved: 0 };

/**
 * Compiles the model for a card and times one prefill and one decode step. A typed error of compiler or simulator is the
 * design's failure; anything else is thrown on.
 */
export function evaluateDesign({ model, prefill, capacity }: Workload, device: Device): Outcome {
  try {
    const program = compile(model, device, { capacity, modelHash: '', deviceHash: deviceHash(device) });
    const { report } = simulate(program, device, {
      prefill,
      decode: 1,
      model: model.name,
      instructionBytes: NOT_COUNTED,
      encodedLength,
    });
    const { prefillSeconds, decodeSeconds, decodeTokensPerSecond, joulesPerToken } = report.totals;
    return {
      measures: {
        prefillSeconds,
        prefillTokensPerSecond: prefill / prefillSeconds,
        decodeSeconds,
        tokensPerSecond: decodeTokensPerSecond,
        joulesPerToken,
      },
    };
  } catch (error) {
    if (!(error instanceof BitloomError)) throw error;
    return { failure: { code: error.code, message: error.message } };
  }
}
