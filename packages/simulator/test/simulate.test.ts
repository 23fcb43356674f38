/** Timing of whole programs: bytes that must be read are read once, energy adds up, reports and traces agree. */
import { compile } from '@bitloom/compiler';
import {
  CARDS,
  type CostRow,
  type Device,
  encodedLength,
  findCard,
  type MemoryReport,
  type PhaseReport,
  type Program,
  peakBytesPerSecond,
  type Report,
} from '@bitloom/ir';
import { describe, expect, it } from 'vitest';
import { HARD_CARDS } from '../../../test/support/small-cards.js';
import {
  LLAMA2_7B,
  type LlamaShape,
  quantizedLlama,
  STORIES,
} from '../../compiler/test/support/quantized-llama.js';
import { errorOf } from '../../ir/test/support/errors.js';
import { type SimulateOptions, type Simulation, simulate } from '../src/index.js';

const NO_BYTES = { total: 1, unbucketed: 2, bucketed: 3, resolved: 4 };
const SHAPE: LlamaShape = { ...STORIES, layers: 2, vocab: 50 };
const U280 = findCard('u280');
const ALL = [...CARDS, ...HARD_CARDS];

function run(program: Program, device: Device, lengths: Partial<SimulateOptions>): Simulation {
  return simulate(program, device, {
    prefill: 0,
    decode: 0,
    model: 'm',
    instructionBytes: NO_BYTES,
    encodedLength,
    ...lengths,
  });
}

function phase(report: Report, name: PhaseReport['name']): PhaseReport {
  const found = report.phases.find((candidate) => candidate.name === name);
  if (found === undefined) throw new Error(`no phase ${name}`);
  return found;
}

function bytesOf(memories: readonly MemoryReport[], kind: keyof MemoryReport['bytes']): number {
  return memories.reduce((sum, memory) => sum + memory.bytes[kind], 0);
}

const weightBytes = (program: Program): number =>
  program.regions.filter(({ purpose }) => purpose === 'weights').reduce((sum, { bytes }) => sum + bytes, 0);

describe.each(ALL.map((device) => [device.name, device] as const))('on %s', (_name, device) => {
  const program = compile(quantizedLlama(SHAPE), device);
  const { report } = run(program, device, { prefill: 9, decode: 3 });

  it('every cycle of every unit is accounted for, in every phase', () => {
    for (const { name, cycles, units } of report.phases) {
      const names = ['load', 'fetch', 'store', 'matrix', 'vector', ...(device.cores > 1 ? ['exchange'] : [])];
      const cores = Array.from({ length: device.cores }, (_, core) => core);
      expect(units.map((unit) => `${unit.name} ${unit.core}`)).toEqual(
        cores.flatMap((core) => names.map((unit) => `${unit} ${core}`)),
      );
      for (const { busy, idle, stall, total, ...unit } of units) {
        const parts = [busy, idle, ...Object.values(stall)];
        expect(
          parts.every((part) => Number.isSafeInteger(part) && part >= 0),
          `${name} ${unit.name}`,
        ).toBe(true);
        expect(parts.reduce((a, b) => a + b, 0)).toBe(total);
        expect(total).toBe(cycles);
      }
    }
  });

  it('decode reads each weight byte once per step, the cache as long as it is, and a remainder with names', () => {
    const { memories } = phase(report, 'decode');
    const { layers, width, kvHeads, heads, vocab } = SHAPE;
    const headDim = width / heads;
    expect(bytesOf(memories, 'weights')).toBe(3 * weightBytes(program));
    // Step i appends a row and reads past + i + 1: codes and a float32 scale per head, keys and values.
    const row = layers * 2 * kvHeads * (headDim + 4);
    expect(bytesOf(memories, 'kv')).toBe(row * (3 + 10 + 11 + 12));
    // Every core reads the token's number; each stores its part of the logits.
    expect(bytesOf(memories, 'activations')).toBe(3 * (4 * device.cores + 4 * vocab));
    // Norm weights, a row of the rotary table, a row of the embedding and its scales: every core has its own.
    const other = (2 * layers + 1) * 4 * width + 4 * headDim + width + 4;
    expect(bytesOf(memories, 'other')).toBe(3 * device.cores * other);
    expect(bytesOf(memories, 'instructions')).toBeGreaterThan(0);
    for (const { bytes, peakBytesPerSecond: peak, utilization } of memories) {
      const { weights, kv, activations, instructions, other, total } = bytes;
      expect(weights + kv + activations + instructions + other).toBe(total);
      expect(utilization).toBeCloseTo(total / (peak * phase(report, 'decode').seconds), 12);
      expect(utilization).toBeLessThan(1);
    }
  });

  it('prefill reads weights once per chunk, and the head once', () => {
    const chunk = Number(/prefill: chunks of (\d+)/.exec(program.notes.join('\n'))?.[1]);
    const head = program.regions.find(({ name }) => name === 'head')?.bytes ?? 0;
    // Large chunks are worked on in two halves, and each loads its own.
    const passes = Math.ceil(9 / chunk);
    expect([passes, 2 * passes].map((times) => times * (weightBytes(program) - head) + head)).toContain(
      bytesOf(phase(report, 'prefill').memories, 'weights'),
    );
  });

  it('counts the products of the model', () => {
    const { layers, width, ffn, kvHeads, heads, vocab } = SHAPE;
    const [dim, kv] = [width / heads, (width / heads) * kvHeads];
    const linear = layers * (2 * width * width + 2 * kv * width + 3 * ffn * width);
    const attention = (context: number): number => layers * 2 * heads * dim * context;
    expect(phase(report, 'decode').macs).toBe(3 * (linear + vocab * width) + attention(10 + 11 + 12));
    // Prefill multiplies whole chunks: every token of a chunk by all keys up to the chunk's end.
    expect(phase(report, 'prefill').macs).toBeGreaterThanOrEqual(9 * linear + vocab * width + attention(45));
  });

  it('costs by layer and op sum to those of the phase', () => {
    for (const { layers, ops, units, macs, memories } of report.phases) {
      for (const rows of [layers, ops]) {
        const sum = (pick: (row: CostRow) => number): number =>
          rows.reduce((total, row) => total + pick(row), 0);
        expect(sum((row) => row.macs)).toBe(macs);
        expect(sum((row) => row.memoryBytes)).toBe(
          bytesOf(memories, 'total') - bytesOf(memories, 'instructions'),
        );
        for (const { name } of units) {
          const busy = units.reduce((total, unit) => total + (unit.name === name ? unit.busy : 0), 0);
          expect(sum((row) => row.cycles[name])).toBe(busy);
        }
      }
    }
  });

  it('joules are the sum of their parts, and the parts those of the table', () => {
    for (const { joules, energy, seconds, macs } of report.phases) {
      const { matrix, vector, buffers, memories } = energy;
      expect(matrix + vector + buffers + memories + energy.static).toBeCloseTo(joules, 15);
      expect(matrix).toBeCloseTo(macs * device.energy.macPicojoules * 1e-12, 15);
      expect(energy.static).toBeCloseTo(device.energy.staticWatts * seconds, 15);
      const sum = (spaces: readonly { readonly space: string }[]): number =>
        spaces.reduce((total, { space }) => total + energy.spaces[space], 0);
      expect(sum(device.memories)).toBeCloseTo(memories, 15);
      expect(sum(device.buffers)).toBeCloseTo(buffers, 15);
    }
    const { memories, energy } = phase(report, 'total');
    const perByte = device.energy.bytePicojoules;
    expect(energy.memories).toBeCloseTo(
      memories.reduce((sum, { name, bytes }) => sum + bytes.total * perByte[name] * 1e-12, 0),
      15,
    );
  });

  it('total is prefill and decode, and what is repeated above is what stands below', () => {
    const [prefill, decode, total] = report.phases;
    expect([prefill.name, decode.name, total.name]).toEqual(['prefill', 'decode', 'total']);
    expect([prefill.tokens, decode.tokens, total.tokens]).toEqual([9, 3, 12]);
    for (const key of ['cycles', 'macs', 'instructions'] as const)
      expect(total[key]).toBe(prefill[key] + decode[key]);
    expect(total.joules).toBeCloseTo(prefill.joules + decode.joules, 15);
    expect(report.units).toEqual(total.units);
    expect(report.memories).toEqual(total.memories);
    expect(report).toMatchObject({
      kind: 'report',
      device: device.name,
      scheme: 'W8A8',
      mode: 'time',
      totals: {
        prefillSeconds: prefill.cycles / device.clockHz,
        decodeSeconds: decode.cycles / device.clockHz,
        decodeTokensPerSecond: 3 / (decode.cycles / device.clockHz),
        joules: total.joules,
        joulesPerToken: decode.joules / 3,
        instructionBytes: NO_BYTES,
      },
    });
  });

  it('is not faster than its memory, nor slower than its units one after the other', () => {
    const { cycles, units, memories } = phase(report, 'decode');
    for (const { bytes, name } of memories) {
      const decl = device.memories.find(({ space }) => space === name);
      const rate = decl === undefined ? 0 : (peakBytesPerSecond(decl) * decl.efficiency) / device.clockHz;
      expect(cycles).toBeGreaterThan((bytes.total - bytes.instructions) / rate);
    }
    for (const { busy } of units) expect(cycles).toBeGreaterThanOrEqual(busy);
  });

  it('gives the same report and trace again', () => {
    const again = run(program, device, { prefill: 9, decode: 3, trace: true });
    expect(again.report).toEqual(report);
    expect(run(program, device, { prefill: 9, decode: 3, trace: true }).trace).toEqual(again.trace);
  });
});

describe('a trace', () => {
  const program = compile(quantizedLlama(SHAPE), U280);
  const { report, trace } = run(program, U280, { prefill: 9, decode: 3, trace: true });

  it('holds what the report counts: intervals of each unit, without overlap, inside of the time', () => {
    if (trace === undefined) throw new Error('no trace');
    const { columns, rows, units, dropped } = trace;
    expect(dropped).toBe(0);
    const lastEnd = units.map(() => 0);
    const taken = units.map(() => 0);
    const waited = units.map(() => 0);
    for (let i = 0; i < rows; i++) {
      const unit = columns.unit[i];
      expect(columns.start[i]).toBeGreaterThanOrEqual(lastEnd[unit]);
      lastEnd[unit] = columns.end[i];
      taken[unit] += columns.end[i] - columns.start[i];
      waited[unit] += columns.waited[i];
      expect(columns.origin[i]).toBeLessThan(trace.provenance.length);
    }
    expect(Math.max(...lastEnd)).toBeLessThanOrEqual(phase(report, 'total').cycles);
    for (const { name, busy, total, stall, idle } of report.units) {
      const q = units.indexOf(name);
      expect(taken[q]).toBeGreaterThanOrEqual(busy);
      expect(taken[q]).toBeLessThanOrEqual(busy + stall.memory + stall.bufferPort);
      // Every cycle is in an interval, before one, or behind the last of a call.
      expect(taken[q] + waited[q]).toBeGreaterThanOrEqual(total - idle);
      expect(taken[q] + waited[q]).toBeLessThanOrEqual(total);
    }
  });

  it('goes on from call to call, and is left out unless asked for', () => {
    if (trace === undefined) throw new Error('no trace');
    const { cycles } = phase(report, 'prefill');
    const decodeRows = [...trace.columns.start].filter((start) => start >= cycles).length;
    const alone = run(program, U280, { decode: 0, prefill: 9, trace: true }).trace;
    expect(alone?.rows).toBe(trace.rows - decodeRows);
    expect(run(program, U280, { decode: 1 }).trace).toBeUndefined();
  });
});

describe('sessions', () => {
  const program = compile(quantizedLlama(SHAPE), U280, { capacity: 64 });

  it('of nothing cost nothing; of decode alone start with an empty cache', () => {
    const { report } = run(program, U280, {});
    expect(report.totals).toMatchObject({
      prefillSeconds: 0,
      decodeSeconds: 0,
      decodeTokensPerSecond: 0,
      joules: 0,
      joulesPerToken: 0,
    });
    expect(report.memories.map(({ utilization }) => utilization)).toEqual([0, 0]);
    const decode = run(program, U280, { decode: 1 }).report;
    expect(phase(decode, 'prefill').cycles).toBe(0);
    expect(phase(decode, 'decode').tokens).toBe(1);
  });

  it('report progress once per call', () => {
    const seen: [number, number][] = [];
    run(program, U280, { prefill: 5, decode: 2, onProgress: (done, total) => seen.push([done, total]) });
    expect(seen).toEqual([
      [1, 3],
      [2, 3],
      [3, 3],
    ]);
  });

  it('each call starts from an idle card: the same lengths cost the same', () => {
    const cycles = (prefill: number, decode: number): number =>
      phase(run(program, U280, { prefill, decode }).report, 'decode').cycles;
    expect(cycles(5, 3)).toBe(cycles(5, 1) + cycles(6, 1) + cycles(7, 1));
  });

  it('whose steps are all recorded reuse none, and say so', () => {
    const options = { prefill: 4, decode: 40, reuse: true };
    const [recorded, one] = [undefined, 3].map(
      (traceStep) =>
        run(program, U280, { ...options, trace: true, ...(traceStep === undefined ? {} : { traceStep }) })
          .report,
    );
    const exact = run(program, U280, { ...options, reuse: false }).report;
    expect(recorded.notes.join('\n')).toMatch(
      /every step executed, none reused, because every step is recorded/,
    );
    expect(recorded.totals).toEqual(exact.totals);
    expect(one.notes.join('\n')).not.toContain('none reused');
  });

  it('run into the end of the context, or outside of their bounds, with a typed error', () => {
    expect(run(program, U280, { prefill: 64 }).report.prefillTokens).toBe(64);
    expect(errorOf(() => run(program, U280, { prefill: 63, decode: 2 }))).toMatchObject({
      code: 'context-full',
      got: '64 cached and 1 new',
    });
    const refuseProgress = (): never => expect.fail('a call was executed');
    expect(
      errorOf(() => run(program, U280, { prefill: 8, decode: 57, onProgress: refuseProgress })).code,
    ).toBe('context-full');
    expect(errorOf(() => run(program, U280, { prefill: 65 }))).toMatchObject({
      code: 'context-full',
      expected: 'at most 64 tokens',
    });
    expect(errorOf(() => run(program, U280, { prefill: 2.5 })).code).toBe('program-length');
    expect(errorOf(() => run(program, U280, { prefill: -3, decode: 1 })).code).toBe('program-length');
  });

  it('need an entry for what is asked, and the card of the program', () => {
    const decodeOnly = compile(quantizedLlama(SHAPE), U280, { entries: ['decode'] });
    expect(errorOf(() => run(decodeOnly, U280, { prefill: 1 }))).toMatchObject({
      code: 'program-entry-unknown',
      expected: 'decode',
      got: 'prefill',
    });
    expect(errorOf(() => run(program, findCard('vhk158'), { decode: 1 }))).toMatchObject({
      code: 'simulator-device-mismatch',
      expected: 'u280',
      got: 'vhk158',
    });
    const cores = {
      ...program,
      entries: program.entries.map((entry) => ({
        ...entry,
        streams: [...entry.streams, { core: 1, instructions: [] }],
      })),
    };
    expect(errorOf(() => run(cores, U280, { decode: 1 }))).toMatchObject({
      code: 'simulator-cores',
      got: 'core 1',
    });
  });

  it('need a figure of energy for the bytes of every space, and take 0 for one', () => {
    const { stream: _, ...others } = U280.energy.bytePicojoules;
    const without = { ...U280, energy: { ...U280.energy, bytePicojoules: others } };
    const own: Program = { ...program, deviceHash: '' };
    expect(errorOf(() => run(own, without, { decode: 1 }))).toMatchObject({
      code: 'simulator-energy',
      where: "device 'u280', energy.bytePicojoules",
      got: 'none of stream',
    });
    const bytePicojoules = { ...others, stream: 0 };
    const free = { ...U280, energy: { ...U280.energy, bytePicojoules } };
    const { energy } = phase(run(own, free, { decode: 1 }).report, 'decode');
    expect(energy.spaces.stream).toBe(0);
    expect(energy.buffers).toBeGreaterThan(0);
  });

  it('on a card with fitted or lumped figures say so', () => {
    const device = findCard('vhk158-flightllm');
    const notes = run(compile(quantizedLlama(SHAPE), device), device, { decode: 1 }).report.notes.join('\n');
    expect(notes).toContain("'vhk158-flightllm' divides compute cycles by 3.2");
    expect(run(program, U280, { decode: 1 }).report.notes.join('\n')).toContain(
      "3 SLRs of 'u280' are lumped",
    );
  });
});

it('LLaMA2-7B: decode reads 3.5 GB of weights once, and the memory is what holds it up', () => {
  const program = compile(quantizedLlama(LLAMA2_7B), U280, { entries: ['decode'] });
  const { report } = run(program, U280, { decode: 1 });
  const { cycles, units, memories } = phase(report, 'decode');
  const { bytes, utilization } = memories[0];
  expect(bytes.weights).toBe(weightBytes(program));
  // 4.5 bits per weight of 32 layers, 8.5 of the head.
  const linear = 32 * (4 * 4096 * 4096 + 3 * 4096 * 11008);
  expect(bytes.weights).toBe((linear * 4.5 + 32000 * 4096 * 8.5) / 8);
  expect(utilization).toBeGreaterThan(0.85);
  // Refresh takes 9 % of the peak; nothing may be faster than that.
  expect(utilization).toBeLessThan(1 - 350 / 3900);
  // Steady state overlaps: far less than the units one after the other.
  const busy = units.reduce((sum, unit) => sum + unit.busy, 0);
  expect(cycles).toBeLessThan(0.75 * busy);
});
