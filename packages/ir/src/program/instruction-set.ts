/**
 * The instruction set as one declarative table. Encoder, decoder, disassembler, validator, hazard checker,
 * timing and docs/instructions.md are derived from it. A new instruction is one entry here, one reference
 * function in `kernels` and its tests.
 */
import { BitloomError } from '../error.js';
import { EXCHANGE_FIELDS, exchangeAccesses } from './exchange-operands.js';
import { LOAD_RULES, MATRIX_RULES, VECTOR_RULES } from './field-rules.js';
import {
  type Access,
  address,
  enumeration,
  type FieldSpec,
  type InstructionSpec,
  levelledAccess,
  plainRange,
  type ResolvedFields,
  type SpaceKind,
  stridedAccess,
  stridedOperand,
  uint,
} from './instruction-fields.js';
import { MATRIX_FIELDS, matrixAccesses } from './matrix-operands.js';
import {
  controlTiming,
  convTiming,
  convWork,
  exchangeTiming,
  matrixWork,
  mmTiming,
  mvTiming,
  noWork,
  poolTiming,
  poolWork,
  transferTiming,
  vectorTiming,
  vectorWork,
} from './timing.js';
import { VECTOR_FUNCTION_NAMES, VECTOR_FUNCTIONS } from './vector-functions.js';

/** Version of the instruction encoding; a program names the one it was written for. */
export const INSTRUCTION_SET_VERSION = '1.0';

/** What a transfer carries, for the report's byte counts. */
export const TRANSFER_KINDS = ['weights', 'kv', 'activations', 'other'] as const;
export type TransferKind = (typeof TRANSFER_KINDS)[number];

const NO_ACCESS = (): readonly Access[] => [];

/** Fields of a transfer from a kind of space to the other. */
const transferFields = (dst: SpaceKind, src: SpaceKind): readonly FieldSpec[] => [
  address('dst', 'first byte written', dst),
  address('src', 'first byte read', src),
  uint('length', 32, 'length of a run', { dynamic: true, unit: 'bytes' }),
  uint('count1', 24, 'runs of the inner level', { dynamic: true }),
  uint('srcStride1', 40, 'source stride of the inner level', { dynamic: true, unit: 'bytes' }),
  uint('dstStride1', 40, 'destination stride of the inner level', { dynamic: true, unit: 'bytes' }),
  uint('count2', 24, 'repeats of the inner level', { dynamic: true }),
  uint('srcStride2', 40, 'source stride of the outer level', { dynamic: true, unit: 'bytes' }),
  uint('dstStride2', 40, 'destination stride of the outer level', { dynamic: true, unit: 'bytes' }),
  enumeration('kind', 4, TRANSFER_KINDS, 'what the bytes are, for the report'),
];

function transferSide(f: ResolvedFields, side: 'src' | 'dst', write: boolean): Access {
  return levelledAccess(f, side, write, {
    length: f.number('length'),
    count1: f.number('count1'),
    stride1: f.number(`${side}Stride1`),
    count2: f.number('count2'),
    stride2: f.number(`${side}Stride2`),
  });
}

function loadAccesses(f: ResolvedFields): readonly Access[] {
  const write = transferSide(f, 'dst', true);
  const read = transferSide(f, 'src', false);
  if (f.number('gather') === 0) return [read, write];
  // A gathered source starts at any row of the table: its span is `tableBytes` from the base.
  const span: Access = {
    operand: 'src',
    space: read.space,
    start: read.start,
    end: read.bytes === 0 ? read.start : read.start + Math.max(f.number('length'), f.number('tableBytes')),
    write: false,
    bytes: read.bytes,
  };
  return [span, plainRange(f, 'indices', 4 * f.number('count1'), false), write];
}

const WINDOW_FIELDS: readonly FieldSpec[] = [
  uint('height', 16, 'input rows', { dynamic: true }),
  uint('width', 16, 'input columns', { dynamic: true }),
  uint('channels', 16, 'input channels'),
  uint('outHeight', 16, 'output rows', { dynamic: true }),
  uint('outWidth', 16, 'output columns', { dynamic: true }),
  uint('kernelHeight', 8, 'window rows'),
  uint('kernelWidth', 8, 'window columns'),
  uint('strideHeight', 8, 'window step in rows'),
  uint('strideWidth', 8, 'window step in columns'),
  uint('padTop', 8, 'rows of padding before the first'),
  uint('padLeft', 8, 'columns of padding before the first'),
  uint('dilationHeight', 8, 'step between window rows'),
  uint('dilationWidth', 8, 'step between window columns'),
];

function convAccesses(f: ResolvedFields): readonly Access[] {
  const perFilter =
    Math.ceil(f.number('channels') / Math.max(1, f.number('groups'))) *
    f.number('kernelHeight') *
    f.number('kernelWidth');
  const outputs = f.number('outHeight') * f.number('outWidth') * f.number('filters');
  return [
    plainRange(f, 'input', f.number('height') * f.number('width') * f.number('channels'), false),
    plainRange(f, 'weights', f.number('filters') * perFilter, false),
    plainRange(f, 'scale', f.number('filters') * 4, false),
    plainRange(f, 'out', outputs * 4, true),
  ];
}

function poolAccesses(f: ResolvedFields): readonly Access[] {
  return [
    plainRange(f, 'input', f.number('height') * f.number('width') * f.number('channels'), false),
    plainRange(f, 'out', f.number('outHeight') * f.number('outWidth') * f.number('channels'), true),
  ];
}

function vectorAccesses(f: ResolvedFields): readonly Access[] {
  const fn = VECTOR_FUNCTIONS[f.number('function')];
  const [batch, rows, cols] = [f.number('batch'), f.number('rows'), f.number('cols')];
  if (fn === undefined || batch === 0 || rows === 0) return [];
  const isDequantize = fn.name === 'dequantize';
  const out: Access[] = [];
  for (const source of fn.sources) {
    let run = (source.cols === 'layout' ? f.number('layout') : cols) * source.elementBytes;
    if (isDequantize && source.operand === 'src0') run = Math.ceil((cols * f.number('immediate')) / 8);
    if (isDequantize && source.operand === 'src1') run = Math.ceil(cols / f.number('layout')) * 2;
    const isShared = fn.name === 'softmaxQuantize' && source.operand === 'src1';
    const share = isShared ? Math.max(1, f.number('share')) : 1;
    out.push(stridedAccess(f, source.operand, { batch: Math.ceil(batch / share), rows, run }, false));
  }
  const written = fn.dstCols === 'one' ? 1 : Math.max(cols, fn.dstBytes === 1 ? f.number('padTo') : 0);
  out.push(stridedAccess(f, 'dst', { batch, rows, run: Math.ceil(written * fn.dstBytes) }, true));
  if (fn.writesScale) out.push(stridedAccess(f, 'scale', { batch, rows, run: 4 }, true));
  if (fn.name === 'maskScores' && f.number('share') > 0) {
    // A byte for each block of scores, from the first token of the sequence to the last one of the rows.
    const blocks = Math.ceil((f.number('valid0') - 1 + rows) / f.number('share'));
    const run = Math.ceil(cols / Math.max(1, f.number('padTo')));
    out.push(stridedAccess(f, 'src1', { batch, rows: blocks, run }, false));
  }
  // The softmax kernel uses its source rows as scratch.
  if (fn.name === 'softmaxQuantize') out.push(stridedAccess(f, 'src0', { batch, rows, run: cols * 4 }, true));
  return out;
}

const TABLE: readonly InstructionSpec[] = [
  {
    name: 'LD',
    opcode: 1,
    doc: 'Memory to buffer: runs of `length` bytes at two levels of strides. With gather, run i of the inner level starts at src + indices[i] * srcStride1.',
    queues: ['load', 'fetch'],
    fields: [
      ...transferFields('buffer', 'memory'),
      uint('gather', 1, '1: the inner level is indexed'),
      address('indices', 'int32 row numbers (gather)'),
      uint('tableBytes', 44, 'span of the gathered table', { unit: 'bytes' }),
    ],
    rules: LOAD_RULES,
    reference: 'copy bytes',
    accesses: loadAccesses,
    timing: transferTiming,
    work: noWork,
  },
  {
    name: 'ST',
    opcode: 2,
    doc: 'Buffer to memory: runs of `length` bytes at two levels of strides.',
    queues: ['store'],
    fields: transferFields('memory', 'buffer'),
    reference: 'copy bytes',
    accesses: (f) => [transferSide(f, 'src', false), transferSide(f, 'dst', true)],
    timing: transferTiming,
    work: noWork,
  },
  {
    name: 'MM',
    opcode: 3,
    doc: 'Matrix x matrix on the DSP chains: out[m, n] = sum_k a[m, k] * b[n, k] in integers per group, scaled in float32.',
    queues: ['matrix'],
    fields: MATRIX_FIELDS,
    rules: MATRIX_RULES,
    reference:
      'gemmGroups, attentionScores, attentionMix by mode; expandRowsInt4 before the last two where bits is 4',
    accesses: matrixAccesses,
    timing: mmTiming,
    work: matrixWork,
  },
  {
    name: 'MV',
    opcode: 4,
    doc: 'Matrix x vector: as MM with the parallelism for few rows.',
    queues: ['matrix'],
    fields: MATRIX_FIELDS,
    rules: MATRIX_RULES,
    reference:
      'gemmGroups, attentionScores, attentionMix by mode; expandRowsInt4 before the last two where bits is 4',
    accesses: matrixAccesses,
    timing: mvTiming,
    work: matrixWork,
  },
  {
    name: 'CONV',
    opcode: 5,
    doc: 'Convolution of int8 NHWC pixels with int8 filters; int32 sums times one float32 per filter.',
    queues: ['matrix'],
    fields: [
      ...WINDOW_FIELDS,
      uint('filters', 16, 'output channels'),
      uint('groups', 16, 'channel groups'),
      address('input', 'int8 [height, width, channels]'),
      address('weights', 'int8 [filters, kernelHeight, kernelWidth, channels / groups]'),
      address('scale', 'float32 [filters]'),
      address('out', 'float32 [outHeight, outWidth, filters]'),
    ],
    reference: 'convolution',
    accesses: convAccesses,
    timing: convTiming,
    work: convWork,
  },
  {
    name: 'POOL',
    opcode: 6,
    doc: 'Pooling of int8 NHWC pixels: maximum, or mean rounded to nearest even over the pixels inside the image.',
    queues: ['vector'],
    fields: [
      ...WINDOW_FIELDS,
      enumeration('function', 4, ['max', 'mean'], 'how a window becomes one pixel'),
      address('input', 'int8 [height, width, channels]'),
      address('out', 'int8 [outHeight, outWidth, channels]'),
    ],
    reference: 'pooling',
    accesses: poolAccesses,
    timing: poolTiming,
    work: poolWork,
  },
  {
    name: 'VEC',
    opcode: 7,
    doc: 'Special-function unit over batch x rows x cols; the function table says which operands are read.',
    queues: ['vector'],
    fields: [
      enumeration('function', 8, VECTOR_FUNCTION_NAMES, 'see the table of vector functions'),
      uint('batch', 16, 'outer count', { dynamic: true }),
      uint('rows', 24, 'rows', { dynamic: true }),
      uint('cols', 24, 'elements of a row', { dynamic: true }),
      ...stridedOperand('src0', 'first source'),
      ...stridedOperand('src1', 'second source'),
      ...stridedOperand('src2', 'third source'),
      ...stridedOperand('dst', 'result'),
      ...stridedOperand('scale', 'float32 scale of each row'),
      uint('padTo', 24, 'columns written, zero beyond cols; tokens of a block of the mask (maskScores)', {
        dynamic: true,
      }),
      uint('valid0', 24, 'valid columns of row 0 (softmax, maskScores)', { dynamic: true }),
      uint('validStep', 8, 'more valid columns from row to row (softmax, maskScores)'),
      uint('share', 16, 'batches that share one src1 (softmax)', {}),
      uint(
        'layout',
        16,
        'pair layout of rope; group length of dequantize; window of maskScores; parts of quantizeBy',
      ),
      {
        name: 'immediate',
        kind: 'float32',
        bits: 32,
        dynamic: false,
        doc: 'epsilon, score scale or code bits',
      },
    ],
    rules: VECTOR_RULES,
    reference: 'see the table of vector functions',
    accesses: vectorAccesses,
    timing: vectorTiming,
    work: vectorWork,
  },
  {
    name: 'SYNC',
    opcode: 8,
    doc: 'Does nothing but wait for and release tokens on its queue; `count` tokens are released to each queue of the mask.',
    queues: ['load', 'fetch', 'store', 'matrix', 'vector', 'exchange'],
    fields: [uint('count', 8, 'tokens waited for and released per masked queue (1 when absent or 0)')],
    reference: 'none',
    accesses: NO_ACCESS,
    timing: controlTiming,
    work: noWork,
  },
  {
    name: 'XCH',
    opcode: 9,
    doc: 'Core to core: all cores of the entry give their part of a value to each other, and to themselves, without a memory. The k-th XCH of every core are one exchange, which starts when all cores have come to it.',
    queues: ['exchange'],
    fields: EXCHANGE_FIELDS,
    reference: 'copy bytes',
    accesses: exchangeAccesses,
    timing: exchangeTiming,
    work: noWork,
  },
  {
    name: 'LOOP',
    opcode: 16,
    doc: 'Dispatcher: repeats the instructions up to the matching END `trips` times (zero included); loop variable `variable` counts from 0.',
    queues: ['system'],
    fields: [
      uint('variable', 4, 'index of the loop variable: i0, i1, ...'),
      uint('trips', 24, 'iterations', { dynamic: true }),
    ],
    reference: 'dispatcher',
    accesses: NO_ACCESS,
    timing: controlTiming,
    work: noWork,
  },
  {
    name: 'END',
    opcode: 17,
    doc: 'Dispatcher: end of the innermost loop.',
    queues: ['system'],
    fields: [],
    reference: 'dispatcher',
    accesses: NO_ACCESS,
    timing: controlTiming,
    work: noWork,
  },
  {
    name: 'FRAME',
    opcode: 18,
    doc: 'Dispatcher: a frame begins here; token counters hold the declared entry values and accumulators are dead.',
    queues: ['system'],
    fields: [uint('frame', 16, 'index in the frame table')],
    reference: 'dispatcher',
    accesses: NO_ACCESS,
    timing: controlTiming,
    work: noWork,
  },
  {
    name: 'BARRIER',
    opcode: 19,
    doc: 'Dispatcher: waits until every queue of the core is empty and idle.',
    queues: ['system'],
    fields: [],
    reference: 'dispatcher',
    accesses: NO_ACCESS,
    timing: controlTiming,
    work: noWork,
  },
  {
    name: 'BASE',
    opcode: 20,
    doc: 'Dispatcher: sets a base register of the current slot.',
    queues: ['system'],
    fields: [
      uint('register', 7, 'base register'),
      uint('value', 44, 'byte offset', { dynamic: true, unit: 'bytes' }),
    ],
    reference: 'dispatcher',
    accesses: NO_ACCESS,
    timing: controlTiming,
    work: noWork,
  },
  {
    name: 'HALT',
    opcode: 21,
    doc: 'Dispatcher: the entry ends when all queues are empty.',
    queues: ['system'],
    fields: [],
    reference: 'dispatcher',
    accesses: NO_ACCESS,
    timing: controlTiming,
    work: noWork,
  },
];

/** Every instruction by name. */
export const INSTRUCTION_SET: ReadonlyMap<string, InstructionSpec> = new Map(
  TABLE.map((spec) => [spec.name, spec]),
);

/** Every instruction by opcode. */
export const INSTRUCTION_BY_OPCODE: ReadonlyMap<number, InstructionSpec> = new Map(
  TABLE.map((spec) => [spec.opcode, spec]),
);

/** @throws BitloomError `instruction-unknown` */
export function instructionSpec(name: string): InstructionSpec {
  const spec = INSTRUCTION_SET.get(name);
  if (spec === undefined) {
    throw new BitloomError({
      code: 'instruction-unknown',
      message: `no instruction is named '${name}'`,
      expected: [...INSTRUCTION_SET.keys()].join(', '),
      got: name,
    });
  }
  return spec;
}
