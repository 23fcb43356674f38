/**
 * The functional reading of instructions: each becomes a call of a kernel, or of the byte mover, on the card's
 * memories in place. One entry per instruction and vector function; order and time are not its business.
 */
import { BitloomError, internalError, VECTOR_FUNCTIONS } from '@bitloom/ir';
import type { KernelName } from '@bitloom/kernels';
import type { CompiledInstruction } from '../compiled-stream.js';
import {
  type Argument,
  Arguments,
  call,
  combine,
  type Execute,
  type ExecuteContext,
  getterOf,
  NOTHING,
} from './arguments.js';
import { quantizeInt4 } from './execute-int4.js';
import { matrix } from './execute-matrix.js';

function transfer(a: Arguments): Execute {
  return call(a.ctx.copyRuns, [
    a.pointer('dst'),
    a.pointer('src'),
    ...a.fields('length', 'count1', 'dstStride1', 'srcStride1', 'count2', 'dstStride2', 'srcStride2'),
  ]);
}

function load(a: Arguments): Execute {
  if (a.instruction.constant('gather') === 1) return gather(a);
  const isSingleRun = a.instruction.constant('count1') === 1 && a.instruction.constant('count2') === 1;
  if (a.instruction.space('dst') !== 'weights' || !isSingleRun) return transfer(a);
  const { deferred } = a.ctx;
  const [dst, src, length] = [
    getterOf(a.address('dst')),
    getterOf(a.pointer('src')),
    getterOf(a.field('length')),
  ];
  return (env) => deferred.load(dst(env), src(env), length(env));
}

function store(a: Arguments): Execute {
  const { deferred } = a.ctx;
  const dst = getterOf(a.address('dst'));
  const [length, count1, count2] = [
    getterOf(a.field('length')),
    getterOf(a.field('count1')),
    getterOf(a.field('count2')),
  ];
  const [stride1, stride2] = [getterOf(a.field('dstStride1')), getterOf(a.field('dstStride2'))];
  const move = transfer(a);
  return (env) => {
    const start = dst(env);
    const span = (count1(env) - 1) * stride1(env) + (count2(env) - 1) * stride2(env) + length(env);
    deferred.beforeWrite(start, start + Math.max(0, span));
    move(env);
  };
}

function gather(a: Arguments): Execute {
  const words = a.ctx.memory.arena.i32;
  const { copyRuns } = a.ctx;
  const get = getterOf;
  const [dst, src, indices] = [get(a.pointer('dst')), get(a.pointer('src')), get(a.pointer('indices'))];
  const [length, count, srcStride] = [
    get(a.field('length')),
    get(a.field('count1')),
    get(a.field('srcStride1')),
  ];
  const [dstStride, span] = [get(a.field('dstStride1')), get(a.field('tableBytes'))];
  return (env) => {
    const run = length(env);
    const rows = count(env);
    const stride = srcStride(env);
    const list = indices(env) / 4;
    for (let i = 0; i < rows; i++) {
      const index = words[list + i] ?? -1;
      const at = index * stride;
      if (index < 0 || at + run > span(env)) {
        throw new BitloomError({
          code: 'simulator-gather',
          message: 'a gathered row number is outside of its table',
          where: `row ${i}`,
          expected: `0 to ${Math.floor(span(env) / stride) - 1}`,
          got: String(index),
          hint: 'token ids must be smaller than the vocabulary',
        });
      }
      copyRuns(dst(env) + i * dstStride(env), src(env) + at, run, 1, 0, 0, 1, 0, 0);
    }
  };
}

function exchange(a: Arguments): Execute {
  const { core, exchange: hub } = a.ctx;
  const space = a.instruction.space('dst');
  const [source, offset] = [getterOf(a.pointer('src')), getterOf(a.field('dst'))];
  const [rows, length] = [getterOf(a.field('rows')), getterOf(a.field('length'))];
  const [sourceRow, row] = [getterOf(a.field('srcRow')), getterOf(a.field('dstRow'))];
  return (env) => {
    hub.put(core, {
      source: source(env),
      sourceRow: sourceRow(env),
      space,
      offset: offset(env),
      row: row(env),
      rows: rows(env),
      length: length(env),
    });
  };
}

type Builder = (a: Arguments) => Execute;

const shape = (a: Arguments): Argument[] => a.fields('batch', 'rows', 'cols');

const unary =
  (name: KernelName): Builder =>
  (a) =>
    a.kernel(name, [...shape(a), ...a.strided('src0'), ...a.strided('dst')]);

const binary =
  (name: KernelName): Builder =>
  (a) =>
    a.kernel(name, [...shape(a), ...a.strided('src0'), ...a.strided('src1'), ...a.strided('dst')]);

/** By name in the table of vector functions. */
const VECTOR_BUILDERS: ReadonlyMap<string, Builder> = new Map<string, Builder>([
  ['copy', unary('copy')],
  ['silu', unary('silu')],
  ['gelu', unary('gelu')],
  ['relu', unary('relu')],
  ['add', binary('add')],
  ['mul', binary('mul')],
  ['siluMul', binary('siluMul')],
  [
    'rmsNorm',
    (a) =>
      a.kernel('rmsNorm', [
        ...shape(a),
        ...a.strided('src0'),
        a.pointer('src1'),
        ...a.strided('dst'),
        a.immediate(),
      ]),
  ],
  [
    'layerNorm',
    (a) =>
      a.kernel('layerNorm', [
        ...shape(a),
        ...a.strided('src0'),
        a.pointer('src1'),
        a.pointer('src2'),
        ...a.strided('dst'),
        a.immediate(),
      ]),
  ],
  [
    'rope',
    (a) =>
      a.kernel('rope', [
        ...shape(a),
        ...a.strided('src0'),
        a.pointer('src1'),
        a.field('src1Row'),
        ...a.strided('dst'),
        a.field('layout'),
      ]),
  ],
  [
    'quantize',
    (a) =>
      a.kernel('quantizeRows', [
        ...shape(a),
        ...a.strided('src0'),
        ...a.strided('dst'),
        a.field('padTo'),
        ...a.strided('scale'),
      ]),
  ],
  ['quantizeInt4', quantizeInt4],
  ['rowMaxima', unary('rowMaxima')],
  [
    'quantizeBy',
    (a) =>
      a.kernel('quantizeRowsBy', [
        ...shape(a),
        ...a.strided('src0'),
        ...a.strided('src1'),
        a.field('layout'),
        ...a.strided('dst'),
        a.field('padTo'),
        ...a.strided('scale'),
      ]),
  ],
  [
    'softmaxQuantize',
    (a) =>
      a.kernel('softmaxQuantize', [
        ...shape(a),
        ...a.strided('src0'),
        a.pointer('src1'),
        a.field('src1Batch'),
        ...a.fields('share', 'valid0', 'validStep'),
        a.immediate(),
        ...a.strided('dst'),
        a.field('padTo'),
        ...a.strided('scale'),
      ]),
  ],
  [
    'maskScores',
    (a) => {
      const hasMask = a.constant('share') > 0;
      return a.kernel('maskScores', [
        ...shape(a),
        ...a.strided('dst'),
        combine(a.field('valid0'), 1, (valid, one) => valid - one),
        a.field('layout'),
        ...(hasMask ? [a.pointer('src1'), a.field('src1Batch'), a.field('src1Row')] : [0, 0, 0]),
        ...(hasMask ? a.fields('share', 'padTo') : [1, 1]),
      ]);
    },
  ],
  [
    'dequantize',
    (a) =>
      a.kernel('embedGroups', [
        a.immediate(),
        a.field('layout'),
        a.field('rows'),
        a.field('cols'),
        a.ctx.identity,
        a.pointer('src0'),
        a.field('src0Row'),
        a.pointer('src1'),
        a.field('src1Row'),
        a.pointer('dst'),
        a.field('dstRow'),
      ]),
  ],
]);

function vector(a: Arguments): Execute {
  const fn = VECTOR_FUNCTIONS[a.constant('function')];
  const build = fn === undefined ? undefined : VECTOR_BUILDERS.get(fn.name);
  if (build === undefined) throw internalError(`vector function ${a.constant('function')}`);
  return build(a);
}

/** Fields of a window, in the order of the kernels. */
const WINDOW = [
  'height',
  'width',
  'channels',
  'outHeight',
  'outWidth',
  'kernelHeight',
  'kernelWidth',
  'strideHeight',
  'strideWidth',
  'padTop',
  'padLeft',
  'dilationHeight',
  'dilationWidth',
] as const;

function convolution(a: Arguments): Execute {
  const pointers = ['input', 'weights', 'scale', 'out'].map((name) => a.pointer(name));
  return call(a.ctx.kernels.convolution, [...a.fields(...WINDOW, 'filters', 'groups'), ...pointers]);
}

function pooling(a: Arguments): Execute {
  return call(a.ctx.kernels.pooling, [
    ...a.fields(...WINDOW, 'function'),
    a.pointer('input'),
    a.pointer('out'),
  ]);
}

/** By name in the instruction table. */
const BUILDERS: ReadonlyMap<string, Builder> = new Map<string, Builder>([
  ['LD', load],
  ['ST', store],
  ['MM', matrix],
  ['MV', matrix],
  ['VEC', vector],
  ['CONV', convolution],
  ['POOL', pooling],
  ['SYNC', () => NOTHING],
  ['XCH', exchange],
]);

/**
 * Turns an instruction into the function that carries it out.
 * @throws BitloomError `simulator-unsupported` for an instruction this version does not execute.
 */
export function buildExecute(instruction: CompiledInstruction, ctx: ExecuteContext): Execute {
  const build = BUILDERS.get(instruction.spec.name);
  if (build === undefined) {
    throw new BitloomError({
      code: 'simulator-unsupported',
      message: `the instruction ${instruction.spec.name} is not executed by this version`,
      expected: [...BUILDERS.keys()].join(', '),
      got: instruction.spec.name,
      hint: 'run for time only',
    });
  }
  return build(new Arguments(ctx, instruction));
}
