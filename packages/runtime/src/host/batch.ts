/**
 * Several sequences in one pass over the weights. The rows of all of them lie one after the other, so that a product
 * reads each weight once for all; caches and positions stay each sequence's own. The logits of a sequence have the
 * bits they have alone, because no kernel's row depends on the rows beside it.
 */
import { BitloomError } from '@bitloom/ir';
import { checkTokens, type Engine, engineClosed, type TokenIds } from '../engine.js';
import type { Interpreter } from './entries.js';
import { logitsRow, writeIds } from './host-engine.js';
import type { Sequence } from './sequence.js';

/** What one sequence of a batch appends. */
export interface BatchEntry {
  /** A sequence that was opened from the model. */
  readonly engine: Engine;
  /** At least one; the numbers of tokens may differ from sequence to sequence. */
  readonly tokens: TokenIds;
}

/**
 * Checks a batch as the engines would, before anything runs, and returns its sequences in order.
 * @throws BitloomError `batch-engine-foreign`, `batch-engine-twice`, `engine-closed`, `no-tokens`,
 *   `token-out-of-range`, `context-full`
 */
export function checkBatch(
  batch: readonly BatchEntry[],
  sequenceOf: (engine: Engine) => Sequence | undefined,
): Sequence[] {
  const indices = new Map<Sequence, number>();
  batch.forEach(({ engine, tokens }, index) => {
    const sequence = sequenceOf(engine);
    if (sequence === undefined) throw foreignEngine(index, engine);
    const before = indices.get(sequence);
    if (before !== undefined) throw engineTwice(before, index);
    indices.set(sequence, index);
    inBatch(index, () => {
      if (!sequence.isOpen) throw engineClosed();
      checkTokens(tokens, engine);
    });
  });
  return [...indices.keys()];
}

/**
 * Runs a checked batch, in as many passes as its tokens need, and writes the logits of the last token of sequence i
 * to row i of `out`, float32 [sequences, vocab]. Positions move when all is done.
 */
export function runBatch(
  interpreter: Interpreter,
  batch: readonly BatchEntry[],
  sequences: readonly Sequence[],
  out: Float32Array,
): void {
  const { batch: entry, frame, limits, vocabularySize } = interpreter;
  const most = entry.tokens === 'tokens' ? limits.chunk : 1;
  const done = new Array<number>(batch.length).fill(0);
  for (let start = 0; start < batch.length; ) {
    frame.clear();
    const members: number[] = [];
    let isComplete = false;
    for (let index = start; index < batch.length && frame.tokens.rows < limits.chunk; index += 1) {
      const { tokens } = batch[index];
      const rest = tokens.length - done[index];
      if (rest === 0) continue;
      const { segment, position } = sequences[index];
      const count = Math.min(rest, most, limits.chunk - frame.tokens.rows);
      writeIds(entry, frame.tokens.rows, tokens, done[index], count);
      frame.append(segment, position + done[index], count);
      done[index] += count;
      members.push(index);
      if (count === rest) isComplete = true;
    }
    const steps = isComplete ? entry.steps : entry.stateSteps;
    for (let i = 0; i < steps.length; i += 1) steps[i]();
    members.forEach((index, s) => {
      if (done[index] < batch[index].tokens.length) return;
      const { first, rows } = frame.segments[s];
      const row = entry.logitsOfAll ? first + rows - 1 : s;
      out.set(logitsRow(entry, row), index * vocabularySize);
    });
    while (start < batch.length && done[start] === batch[start].tokens.length) start += 1;
  }
  sequences.forEach((sequence, index) => {
    sequence.position += batch[index].tokens.length;
  });
}

/** Runs a check of one sequence; its error says which. */
function inBatch(index: number, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof BitloomError)) throw error;
    const { code, where, expected, got, hint } = error;
    const place = `sequence ${index} of the batch`;
    throw new BitloomError({
      code,
      message: 'a sequence of the batch cannot go on, so none did',
      where: where === undefined ? place : `${place}, ${where}`,
      expected,
      got,
      hint,
      cause: error,
    });
  }
}

function foreignEngine(index: number, engine: Engine): BitloomError {
  return new BitloomError({
    code: 'batch-engine-foreign',
    message: 'a batch holds a sequence of another model',
    where: `sequence ${index} of the batch`,
    expected: 'an engine that open() of this model gave',
    got: `an engine of model '${engine.model.name}' that it did not open`,
    hint: 'open all sequences of a batch from the model that runs it',
  });
}

function engineTwice(before: number, index: number): BitloomError {
  return new BitloomError({
    code: 'batch-engine-twice',
    message: 'a batch holds the same sequence twice',
    where: `sequence ${index} of the batch`,
    expected: 'every sequence once',
    got: `the one of entry ${before}`,
    hint: 'give all tokens of a sequence in one entry',
  });
}
