/** Rows that are quantised in parts on a card: rowMaxima and quantizeBy give the bytes of quantize. */
import {
  dense,
  encodedLength,
  type FieldValue,
  findCard,
  type Instruction,
  type ModelBundle,
  memorySections,
  type Program,
  VECTOR_FUNCTION_NAMES,
  verifyProgram,
} from '@bitloom/ir';
import { createKernels } from '@bitloom/kernels';
import { expect, it } from 'vitest';
import {
  at,
  halt,
  instruction,
  load,
  region,
  store,
  tinyProgram,
} from '../../ir/test/support/tiny-program.js';
import { SimulatedCard } from '../src/index.js';

const U280 = findCard('u280');
const [BATCH, ROWS, COLS, PAD] = [2, 3, 20, 24];
const COUNT = BATCH * ROWS;
/** Where parts end; the second has no columns. */
const ENDS = [12, 12, 17, COLS];
/** Offsets in the data buffer: values, then what is stored. */
const [VALUES, WHOLE, CUT, SCALES, MAXIMA, END] = [0, 1024, 1280, 1536, 1792, 2048];
const SCALE_BYTES = COUNT * 4;

const source = { src0Batch: ROWS * COLS * 4, src0Row: COLS * 4 };
const codes = { dstBatch: ROWS * PAD, dstRow: PAD, scaleBatch: ROWS * 4, scaleRow: 4 };

function vec(name: string, cols: number, fields: Readonly<Record<string, FieldValue>>): Instruction {
  const shape = { function: VECTOR_FUNCTION_NAMES.indexOf(name), batch: BATCH, rows: ROWS, cols };
  return instruction('VEC', 'vector', { ...shape, ...source, ...fields });
}

function program(): Program {
  const parts = ENDS.map((end, i) => ({ start: i === 0 ? 0 : ENDS[i - 1], end, index: i }));
  const maximaRow = ENDS.length * 4;
  const vectors = [
    vec('quantize', COLS, {
      ...codes,
      src0: at('data', VALUES),
      dst: at('data', WHOLE),
      padTo: PAD,
      scale: at('data', SCALES),
    }),
    ...parts.map(({ start, end, index }) =>
      vec('rowMaxima', end - start, {
        src0: at('data', VALUES + start * 4),
        dst: at('data', MAXIMA + index * 4),
        dstBatch: ROWS * maximaRow,
        dstRow: maximaRow,
      }),
    ),
    ...parts.map(({ start, end, index }) =>
      vec('quantizeBy', end - start, {
        ...codes,
        src0: at('data', VALUES + start * 4),
        src1: at('data', MAXIMA),
        src1Batch: ROWS * maximaRow,
        src1Row: maximaRow,
        layout: ENDS.length,
        dst: at('data', CUT + start),
        padTo: index === ENDS.length - 1 ? PAD - start : 0,
        scale: at('data', SCALES + (1 + index) * SCALE_BYTES),
      }),
    ),
  ];
  const bytes = COUNT * COLS * 4;
  const list = [
    { ...load(at('hbm', 0), at('data', VALUES), bytes, { release: ['vector'] }), queue: 'fetch' as const },
    instruction('SYNC', 'vector', {}, { wait: ['fetch'] }),
    ...vectors,
    instruction('SYNC', 'vector', {}, { release: ['store'] }),
    store(at('data', WHOLE), at('hbm', 4096), END - WHOLE, { wait: ['vector'] }),
    halt(),
  ];
  const whole = tinyProgram(list, {
    regions: [
      region('x', 0, bytes, { from: 'constant', constant: 'x', component: 'data', layout: 'canonical' }),
      region('y', 4096, END - WHOLE),
    ],
  });
  const [entry] = whole.entries;
  const shape = [1, (END - WHOLE) / 4];
  return {
    ...whole,
    device: 'u280',
    entries: [{ ...entry, outputs: [{ name: 'y', region: 'y', dtype: 'f32', shape }] }],
  };
}

it('rowMaxima and quantizeBy of parts give what quantize gives of rows', () => {
  const values = Float32Array.from({ length: COUNT * COLS }, (_, i) => {
    const row = Math.floor(i / COLS);
    return row === 2 ? 0 : Math.sin(i * 7) * 10 ** (row - 2);
  });
  const one = program();
  verifyProgram(one, U280);
  const bundle: ModelBundle = {
    model: {
      kind: 'model',
      name: 'rows',
      family: 'none',
      numerics: one.numerics,
      symbols: [],
      states: [],
      functions: [],
      metadata: {},
      constants: [{ name: 'x', type: dense('f32', [COUNT, COLS]), components: { data: 'x' } }],
    },
    sections: memorySections({ x: new Uint8Array(values.buffer) }),
  };
  const card = new SimulatedCard({
    program: one,
    device: U280,
    bundle,
    kernels: createKernels(),
    encodedLength,
    instructionBytes: { total: 0, unbucketed: 0, bucketed: 0, resolved: 0 },
    mode: 'both',
  });
  const { y } = card.run('main', { seq: 1, past: 0 }, {});
  const stored = new Uint8Array(y.slice().buffer);
  const range = (from: number, bytes: number): number[] => [
    ...stored.subarray(from - WHOLE, from - WHOLE + bytes),
  ];
  expect(range(CUT, COUNT * PAD)).toEqual(range(WHOLE, COUNT * PAD));
  expect(range(WHOLE, COUNT * PAD)).toContain(127);
  const scales = range(SCALES, SCALE_BYTES);
  expect(scales.some((byte) => byte !== 0)).toBe(true);
  ENDS.forEach((_, i) => {
    expect(range(SCALES + (1 + i) * SCALE_BYTES, SCALE_BYTES)).toEqual(scales);
  });
  // One pass over the elements for each half, two for quantize.
  const [phase] = card.report().phases;
  const elements = (2 + 1 + 1) * COUNT * COLS;
  expect(phase.energy.vector).toBeCloseTo(elements * U280.energy.vectorElementPicojoules * 1e-12, 18);
});
