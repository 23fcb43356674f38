/**
 * Sub-vector pipelining, seen in time: the special-function unit begins with what a product makes before the product ends,
 * in a few instructions, and short vectors are left whole.
 */
import { compile } from '@bitloom/compiler';
import { type Device, encodedLength, findCard, QUEUES, type Trace } from '@bitloom/ir';
import { simulate } from '@bitloom/simulator';
import { describe, expect, it } from 'vitest';
import { LLAMA2_7B, quantizedLlama } from '../packages/compiler/test/support/quantized-llama.js';

const INSTRUCTION_BYTES = { total: 0, unbucketed: 0, bucketed: 0, resolved: 0 };

function decodeTrace(device: Device, ffn: number): Trace {
  const model = quantizedLlama({ ...LLAMA2_7B, ffn, layers: 1, vocab: 64 });
  const program = compile(model, device, { entries: ['decode'], capacity: 256 });
  const { trace } = simulate(program, device, {
    prefill: 0,
    decode: 1,
    model: 'one layer',
    instructionBytes: INSTRUCTION_BYTES,
    encodedLength,
    trace: true,
  });
  if (trace === undefined) throw new Error('no trace');
  return trace;
}

/** What a gate and its SiLU are fused to. */
const OP = 'siluMul';

interface Span {
  readonly start: number;
  readonly end: number;
}

/** Instructions of a unit of the first core for nodes of an op. */
function spans(trace: Trace, unit: (typeof QUEUES)[number], op: string): Span[] {
  const { columns, provenance } = trace;
  return Array.from({ length: trace.rows }, (_, i) => i)
    .filter((i) => columns.core[i] === 0 && columns.unit[i] === QUEUES.indexOf(unit))
    .filter((i) => provenance[columns.origin[i]].op === op)
    .map((i) => ({ start: columns.start[i], end: columns.end[i] }));
}

describe('an element-wise op behind a product', () => {
  it('begins before the last tile ends', () => {
    const trace = decodeTrace(findCard('u280-bitloom'), 11008);
    const pieces = spans(trace, 'vector', OP);
    expect(pieces.length).toBeGreaterThan(1);
    expect(pieces.length).toBeLessThanOrEqual(4);
    // The products before it are those of the gate and of what it gates.
    const products = spans(trace, 'matrix', 'linear').filter(
      ({ start }) => start < pieces[pieces.length - 1].start,
    );
    const last = Math.max(...products.map(({ end }) => end));
    expect(pieces[0].end).toBeLessThan(last);
    // And what is left behind it is the last piece only.
    expect(pieces[pieces.length - 2].end).toBeLessThanOrEqual(last);
    expect(pieces[pieces.length - 1].start).toBeGreaterThanOrEqual(last);
  });

  it('is whole where a piece would not be worth an instruction, and where groups end with barriers', () => {
    expect(spans(decodeTrace(findCard('u280-bitloom'), 512), 'vector', OP)).toHaveLength(1);
    expect(spans(decodeTrace(findCard('u280-flightllm'), 11008), 'vector', OP)).toHaveLength(1);
  });
});
