/** Codes of 4 bits on a card: what quantizeInt4 writes, and that attention products read rows of them as rows of int8. */
import {
  dense,
  encodedLength,
  type FieldValue,
  findCard,
  type Instruction,
  MATRIX_MODES,
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

const DEVICE = findCard('u280');
/** Rows of each of two key heads, their width (an odd one has a byte more), query heads and their rows. */
const [HEADS, TOKENS, WIDTH, SHARE] = [2, 5, 7, 3];
const ROW_BYTES = Math.ceil(WIDTH / 2);
const ROWS = HEADS * TOKENS;
/** Offsets in the data buffer: float32 rows, codes and scales of both widths, query codes and scales, results. */
const PLACES = {
  x: 0,
  int8: 512,
  int4: 640,
  scale8: 704,
  scale4: 768,
  scores8: 1024,
  scores4: 2048,
  end: 3072,
};

function vec(name: string, fields: Readonly<Record<string, FieldValue>>): Instruction {
  const source = { src0: at('data', PLACES.x), src0Batch: TOKENS * WIDTH * 4, src0Row: WIDTH * 4 };
  const shape = { function: VECTOR_FUNCTION_NAMES.indexOf(name), batch: HEADS, rows: TOKENS, cols: WIDTH };
  return instruction('VEC', 'vector', { ...shape, ...source, ...fields });
}

/** Scores of the int8 codes of six rows as queries, three to a key head, against all rows in codes of `bits`. */
function scores(bits: 4 | 8): Instruction {
  const row = bits === 4 ? ROW_BYTES : WIDTH;
  return instruction('MV', 'matrix', {
    mode: MATRIX_MODES.indexOf('keys'),
    bits,
    batch: HEADS * SHARE,
    bShare: SHARE,
    m: 1,
    n: TOKENS,
    k: WIDTH,
    a: at('data', PLACES.int8),
    aBatch: WIDTH,
    aRow: WIDTH,
    aScale: at('data', PLACES.scale8),
    aScaleBatch: 4,
    aScaleRow: 4,
    b: at('data', bits === 4 ? PLACES.int4 : PLACES.int8),
    bBatch: TOKENS * row,
    bRow: row,
    bScale: at('data', bits === 4 ? PLACES.scale4 : PLACES.scale8),
    bScaleBatch: TOKENS * 4,
    out: at('data', bits === 4 ? PLACES.scores4 : PLACES.scores8),
    outBatch: TOKENS * 4,
    outRow: TOKENS * 4,
    finish: 1,
  });
}

function program(products: readonly Instruction[]): Program {
  const scaleOf = (place: number) => ({ scale: at('data', place), scaleBatch: TOKENS * 4, scaleRow: 4 });
  const codes = (place: number, row: number) => ({
    dst: at('data', place),
    dstBatch: TOKENS * row,
    dstRow: row,
  });
  const bytes = ROWS * WIDTH * 4;
  const list = [
    { ...load(at('hbm', 0), at('data', PLACES.x), bytes, { release: ['vector'] }), queue: 'fetch' as const },
    instruction('SYNC', 'vector', {}, { wait: ['fetch'] }),
    vec('quantize', { ...codes(PLACES.int8, WIDTH), ...scaleOf(PLACES.scale8) }),
    vec('quantizeInt4', { ...codes(PLACES.int4, ROW_BYTES), ...scaleOf(PLACES.scale4) }),
    instruction('SYNC', 'vector', {}, { release: ['matrix'] }),
    instruction('SYNC', 'matrix', {}, { wait: ['vector'] }),
    ...products,
    instruction('SYNC', 'matrix', {}, { release: ['store'] }),
    store(at('data', 0), at('hbm', 4096), PLACES.end, { wait: ['matrix'] }),
    halt(),
  ];
  const whole = tinyProgram(list, {
    regions: [
      region('x', 0, bytes, { from: 'constant', constant: 'x', component: 'data', layout: 'canonical' }),
      region('y', 4096, PLACES.end),
    ],
  });
  const [entry] = whole.entries;
  const outputs = [{ name: 'y', region: 'y', dtype: 'f32' as const, shape: [1, PLACES.end / 4] }];
  return { ...whole, device: 'u280', entries: [{ ...entry, outputs }] };
}

const values = Float32Array.from({ length: ROWS * WIDTH }, (_, i) => Math.sin(i * 1.7) * (1 + (i % 5)));

function run(products: readonly Instruction[]): ArrayBuffer {
  const one = program(products);
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
      constants: [{ name: 'x', type: dense('f32', [ROWS, WIDTH]), components: { data: 'x' } }],
    },
    sections: memorySections({ x: new Uint8Array(values.buffer) }),
  };
  const card = new SimulatedCard({
    program: one,
    device: DEVICE,
    bundle,
    kernels: createKernels(),
    encodedLength,
    instructionBytes: { total: 0, unbucketed: 0, bucketed: 0, resolved: 0 },
    mode: 'both',
  });
  return card.run('main', { seq: 1, past: 0 }, {}).y.slice().buffer;
}

/** Codes up to `largest` of a row, and their scale. */
function quantized(
  row: number,
  largest: number,
): { readonly codes: readonly number[]; readonly scale: number } {
  const own = [...values.subarray(row * WIDTH, (row + 1) * WIDTH)];
  const amax = Math.max(...own.map(Math.abs));
  const inverse = Math.fround(largest / amax);
  return { codes: own.map((x) => Math.round(Math.fround(x * inverse))), scale: Math.fround(amax / largest) };
}

it('quantizeInt4 writes two codes per byte, and products read them', () => {
  const products = [scores(8), scores(4)];
  verifyProgram(program(products), DEVICE);
  const bytes = run(products);
  const rows = Array.from({ length: ROWS }, (_, row) => quantized(row, 7));
  const packed = rows.flatMap(({ codes }) =>
    Array.from({ length: ROW_BYTES }, (_, i) => (codes[2 * i] + 8) | (((codes[2 * i + 1] ?? 0) + 8) << 4)),
  );
  expect([...new Uint8Array(bytes, PLACES.int4, ROWS * ROW_BYTES)]).toEqual(packed);
  expect([...new Float32Array(bytes, PLACES.scale4, ROWS)]).toEqual(rows.map(({ scale }) => scale));
  for (const [bits, place, largest] of [
    [8, PLACES.scores8, 127],
    [4, PLACES.scores4, 7],
  ] as const) {
    const expected = Array.from({ length: HEADS * SHARE }, (_, head) => {
      const query = quantized(head, 127);
      return Array.from({ length: TOKENS }, (_, token) => {
        const key = quantized(Math.floor(head / SHARE) * TOKENS + token, largest);
        const dot = query.codes.reduce((sum, code, i) => sum + code * key.codes[i], 0);
        return Math.fround(Math.fround(dot * key.scale) * query.scale);
      });
    });
    expect([...new Float32Array(bytes, place, HEADS * SHARE * TOKENS)], `${bits} bits`).toEqual(
      expected.flat(),
    );
  }
});

it('refuses codes of 4 bits that are read more often than a buffer holds any', () => {
  const { fields, ...rest } = scores(4);
  const again = {
    batch: 400,
    bShare: 1,
    n: 500,
    k: 500,
    bBatch: 0,
    bRow: 0,
    outBatch: 0,
    aBatch: 0,
    aScaleBatch: 0,
  };
  const repeated = { ...rest, fields: { ...fields, ...again, bScaleBatch: 0 } };
  expect(() => run([repeated])).toThrow(expect.objectContaining({ code: 'simulator-unsupported' }));
});
