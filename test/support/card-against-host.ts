/**
 * One model on one card against the host: the program is compiled, verified and encoded, and gives the host's bits in
 * the order of the program and in both orders of card time; every cycle of every unit of every core is accounted for,
 * and the timing run without bytes counts the same. Throws what went wrong; refusals come back as their code.
 */
import { type CompileOptions, compile } from '@bitloom/compiler';
import {
  BitloomError,
  type Device,
  encodedLength,
  encodeStream,
  type ModelBundle,
  type Program,
  verifyProgram,
} from '@bitloom/ir';
import { createKernels } from '@bitloom/kernels';
import { createCardEngine, createHostEngine } from '@bitloom/runtime';
import { type CardOptions, SimulatedCard, simulate } from '@bitloom/simulator';
import { expect } from 'vitest';
import { firstDifference, type Recording, recordSession } from './bit-equality.js';

export const NO_BYTES = { total: 0, unbucketed: 0, bucketed: 0, resolved: 0 };
export const ORDERS = ['program', 'start', 'end'] as const;

export type LoadOptions = Pick<CardOptions, 'order' | 'mode'>;

export function loadCard(
  program: Program,
  device: Device,
  bundle: ModelBundle,
  { order = 'program', mode = 'both' }: Partial<LoadOptions> = {},
): SimulatedCard {
  const kernels = createKernels();
  return new SimulatedCard({
    program,
    device,
    bundle,
    kernels,
    encodedLength,
    instructionBytes: NO_BYTES,
    mode,
    order,
  });
}

/** Every cycle of every unit has one cause, on every core. */
export function expectAccounted(card: SimulatedCard): void {
  for (const { cycles, units } of card.report().phases) {
    const cores = new Set(units.map(({ core }) => core));
    expect(cores.size).toBe(card.device.cores);
    for (const { name, core, busy, idle, stall, total } of units) {
      const parts = [busy, idle, ...Object.values(stall)];
      const isWhole = parts.every((part) => Number.isSafeInteger(part) && part >= 0);
      expect(isWhole, `${name} of core ${core}`).toBe(true);
      expect([parts.reduce((a, b) => a + b, 0), total]).toEqual([cycles, cycles]);
    }
  }
}

/** The program, or the code of the refusal where the card is too small for the model. */
export function compiled(bundle: ModelBundle, device: Device, options: CompileOptions): Program | string {
  try {
    return compile(bundle.model, device, { sections: bundle.sections, ...options });
  } catch (error) {
    if (!(error instanceof BitloomError) || error.code !== 'compiler-does-not-fit') throw error;
    expect(error.message).toMatch(/short by \d+|at most \d+/);
    return error.code;
  }
}

/** Passes the verifier, at the lengths of the session too, and goes into words. */
function expectLegal(program: Program, device: Device, calls: readonly number[]): void {
  let past = 0;
  const lengths = calls.map((seq) => {
    const at = { seq, past };
    past += seq;
    return at;
  });
  for (const entry of program.entries) {
    const isDecode = entry.name === 'decode';
    const own = lengths.filter(({ seq }) => isDecode === (seq === 1) || !isDecode);
    const options = { samples: 2, maxExecuted: 5000, lengths: own };
    verifyProgram({ ...program, entries: [entry] }, device, options);
    for (const { instructions } of entry.streams) encodeStream(instructions);
  }
}

/** The bits of the host for calls of these lengths, one after the other; a call of one token is a decode step. */
export function hostSession(bundle: ModelBundle, calls: readonly number[]): Recording {
  const host = createHostEngine(bundle, { kernels: createKernels() });
  const recording = recordSession(host, calls);
  host.close();
  return recording;
}

export interface Attempt {
  readonly bundle: ModelBundle;
  readonly device: Device;
  readonly options: CompileOptions;
  /** Lengths of calls, one after the other from an empty context. */
  readonly calls: readonly number[];
  readonly orders?: readonly (typeof ORDERS)[number][];
}

/** @returns `right`, or the code of a refusal */
export function attempt({ bundle, device, options, calls, orders = ORDERS }: Attempt): string {
  const program = compiled(bundle, device, options);
  if (typeof program === 'string') return program;
  expectLegal(program, device, calls);
  const recording = hostSession(bundle, calls);
  for (const order of orders) {
    const card = loadCard(program, device, bundle, { order });
    const engine = createCardEngine(card, program, bundle.model);
    expect(firstDifference(engine, recording), `in ${order} order`).toBeUndefined();
    if (order !== 'program') continue;
    expectAccounted(card);
    expectTimed(card, calls);
  }
  return 'right';
}

/** The counts of a timing run without bytes. */
function expectTimed(card: SimulatedCard, calls: readonly number[]): void {
  const [prefill] = calls;
  const decode = calls.slice(1).findIndex((seq) => seq !== 1);
  const steps = decode < 0 ? calls.length - 1 : decode;
  if (prefill === undefined || prefill === 1 || steps !== calls.length - 1) return;
  const { report } = simulate(card.program, card.device, {
    prefill,
    decode: steps,
    model: 'random',
    instructionBytes: NO_BYTES,
    encodedLength,
  });
  const counts = (phases: typeof report.phases) =>
    phases.map(({ name, cycles, macs, instructions, units }) => ({
      name,
      cycles,
      macs,
      instructions,
      units,
    }));
  expect(counts(card.report().phases)).toEqual(counts(report.phases));
}
