/**
 * Tokens protect the data: instructions that take effect when they start, or when they end, in card time leave
 * exactly the bytes that program order leaves, and no two that are in flight together touch the same bytes.
 */
import { compile } from '@bitloom/compiler';
import {
  CARDS,
  type Device,
  encodedLength,
  findCard,
  type Model,
  type Program,
  patternsOverlap,
} from '@bitloom/ir';
import { createKernels } from '@bitloom/kernels';
import { describe, expect, it } from 'vitest';
import { HARD_CARDS } from '../../../test/support/small-cards.js';
import { quantizedLlama, STORIES } from '../../compiler/test/support/quantized-llama.js';
import { quantizedOpt } from '../../compiler/test/support/quantized-opt.js';
import { compileEntry } from '../src/compiled-stream.js';
import { type CardOptions, SimulatedCard } from '../src/index.js';
import { createCounters } from '../src/time/counters.js';
import { type StartedInstruction, TimedCard } from '../src/time/timed-run.js';
import { withWeights } from './support/random-weights.js';

const NO_BYTES = { total: 0, unbucketed: 0, bucketed: 0, resolved: 0 };
const SMALL = { layers: 1, width: 60, ffn: 172, heads: 6, vocab: 50, context: 70 } as const;
const MODELS: Readonly<Record<string, Model>> = {
  'Llama in 4 bits, three heads to one': quantizedLlama({ ...SMALL, kvHeads: 2, bits: 4 }),
  'OPT in 8 bits': quantizedOpt({ ...SMALL, bits: 8 }),
};

/** Every byte of the card's memories and buffers after some calls, and the logits of each. */
function session(
  model: Model,
  program: Program,
  device: Device,
  order: CardOptions['order'],
): { logits: number[][]; bytes: Uint8Array } {
  const kernels = createKernels();
  const { arena } = kernels;
  const base = arena.used;
  const card = new SimulatedCard({
    program,
    device,
    bundle: withWeights(model),
    kernels,
    encodedLength,
    instructionBytes: NO_BYTES,
    mode: 'function',
    order,
  });
  const end = arena.used;
  const logits: number[][] = [];
  let past = 0;
  for (const [entry, seq] of [
    ['prefill', 37],
    ['decode', 1],
    ['decode', 1],
    ['prefill', 5],
    ['decode', 1],
  ] as const) {
    const tokens = Int32Array.from({ length: seq }, (_, i) => (11 * (past + i) + 5) % 50);
    const [out] = Object.values(card.run(entry, { seq, past }, { tokens }));
    logits.push([...out]);
    past += seq;
  }
  return { logits, bytes: arena.u8.slice(base, end) };
}

/** Pairs in flight together, of different queues, on the same bytes, one of the two writing. */
function races(started: readonly StartedInstruction[]): string[] {
  const found: string[] = [];
  let active: {
    one: StartedInstruction;
    accesses: ReturnType<StartedInstruction['instruction']['spec']['accesses']>;
  }[] = [];
  for (const one of started) {
    const { instruction, environment, start } = one;
    const accesses = instruction.spec.accesses(instruction.at(environment)).filter(({ bytes }) => bytes > 0);
    active = active.filter((other) => other.one.completed > start);
    for (const other of active) {
      const isSameCore = other.one.core === one.core;
      if (isSameCore && other.one.instruction.queue === instruction.queue) continue;
      // Cores have buffers of their own and share memories.
      const isShared = (space: string): boolean => isSameCore || space === 'hbm' || space === 'ddr';
      const clash = accesses.some((a) =>
        other.accesses.some(
          (b) => (a.write || b.write) && a.space === b.space && isShared(a.space) && patternsOverlap(a, b),
        ),
      );
      if (clash)
        found.push(
          `${other.one.instruction.source.name} at ${other.one.start} and ${instruction.source.name} at ${start}`,
        );
    }
    active.push({ one, accesses });
  }
  return found;
}

function timedRaces(program: Program, device: Device): string[] {
  return program.entries.flatMap((entry) => {
    const started: StartedInstruction[] = [];
    const compiled = compileEntry(program, entry, device, encodedLength);
    const lengths = { seq: entry.name === 'prefill' ? 37 : 1, past: entry.name === 'prefill' ? 9 : 45 };
    const observer = (one: StartedInstruction): void => void started.push(one);
    new TimedCard(device).run(compiled, lengths, createCounters(device), { observer });
    return races(started);
  });
}

describe.each([...CARDS, ...HARD_CARDS].map((device) => [device.name, device] as const))(
  'on %s',
  (_name, device) => {
    it.each(Object.keys(MODELS))('%s', (name) => {
      const model = MODELS[name];
      const program = compile(model, device, { maxChunk: 16 });
      const expected = session(model, program, device, 'program');
      for (const order of ['start', 'end'] as const) {
        const got = session(model, program, device, order);
        expect(got.logits).toEqual(expected.logits);
        expect(Buffer.compare(got.bytes, expected.bytes), `${order}: bytes differ`).toBe(0);
      }
      expect(timedRaces(program, device)).toEqual([]);
    });
  },
);

it('shows a race when a token is missing', () => {
  const device = findCard('u280');
  const model = quantizedLlama({ ...STORIES, layers: 1, vocab: 50, context: 70 });
  const program = compile(model, device, { maxChunk: 16 });
  // Loads no longer wait for the product that reads their slot, products no longer for their load.
  const entries = program.entries.map((entry) => ({
    ...entry,
    streams: entry.streams.map((stream) => ({
      ...stream,
      instructions: stream.instructions.map((instruction) => ({
        ...instruction,
        wait: instruction.wait.filter(
          (queue) =>
            !(instruction.queue === 'matrix' && queue === 'load') &&
            !(instruction.queue === 'load' && queue === 'matrix'),
        ),
        release: instruction.release.filter(
          (queue) =>
            !(instruction.queue === 'matrix' && queue === 'load') &&
            !(instruction.queue === 'load' && queue === 'matrix'),
        ),
      })),
    })),
  }));
  const racy = { ...program, entries };
  expect(timedRaces(racy, device).length).toBeGreaterThan(0);
  const inOrder = session(model, racy, device, 'program');
  expect(inOrder.logits).toEqual(session(model, program, device, 'program').logits);
  expect(session(model, racy, device, 'start').logits).not.toEqual(inOrder.logits);
});
