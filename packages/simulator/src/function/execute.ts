/**
 * The functional reading of instructions: each becomes a call of a kernel, or of the byte mover, on the card's
 * memories in place. One entry per instruction and vector function; order and time are not its business.
 */
import { BitloomError, internalError, MATRIX_MODES, VECTOR_FUNCTIONS, weightTileBytes } from '@bitloom/ir';
import type { KernelName, Kernels } from '@bitloom/kernels';
import type { CompiledInstruction, Environment, Getter } from '../compiled-stream.js';
import type { CoreMemory } from './card-memory.js';
import type { CopyRuns } from './copy-runs.js';
import type { DeferredLoads } from './deferred-loads.js';
import type { ExchangeHub } from './exchange-hub.js';
import { expandSparse, isExpanded } from './expand-sparse.js';
import { type Int4Scratch, roomForCodes } from './int4-scratch.js';
import { invokeWith, type NumericFunction } from './invoke.js';

export type Execute = (env: Environment) => void;

export interface ExecuteContext {
  readonly kernels: Kernels;
  /** Number of the core that executes, and the spaces it sees. */
  readonly core: number;
  readonly memory: CoreMemory;
  readonly exchange: ExchangeHub;
  readonly copyRuns: CopyRuns;
  readonly deferred: DeferredLoads;
  /** int32 0, 1, 2, ...: row numbers for kernels that gather. */
  readonly identity: number;
  /** Where codes of 4 bits lie one per byte during an instruction. */
  readonly int4: Int4Scratch;
  /** Room for a sparse tile with its codes expanded; see `allocateExpanded`. */
  readonly expanded: number;
}

const NOTHING: Execute = () => undefined;

/** An argument of a call: a constant, or a function of the environment. */
type Argument = number | Getter;

/**
 * A call whose constant arguments are laid down once. Most arguments of most instructions are constants, so an
 * execution evaluates a few functions and calls.
 */
function call(target: NumericFunction, args: readonly Argument[]): Execute {
  const invoke = invokeWith(args.length);
  const values = args.map((argument) => (typeof argument === 'number' ? argument : 0));
  const slots: number[] = [];
  const getters: Getter[] = [];
  args.forEach((argument, slot) => {
    if (typeof argument === 'number') return;
    slots.push(slot);
    getters.push(argument);
  });
  const count = slots.length;
  if (count === 0) return () => invoke(target, values);
  return (env) => {
    for (let i = 0; i < count; i++) values[slots[i]] = getters[i](env);
    invoke(target, values);
  };
}

/** Reads the fields of one instruction as arguments. */
class Arguments {
  readonly ctx: ExecuteContext;
  readonly instruction: CompiledInstruction;

  constructor(ctx: ExecuteContext, instruction: CompiledInstruction) {
    this.ctx = ctx;
    this.instruction = instruction;
  }

  field(name: string): Argument {
    return this.instruction.constant(name) ?? this.instruction.getter(name);
  }

  fields(...names: readonly string[]): Argument[] {
    return names.map((name) => this.field(name));
  }

  /** An operand as a pointer into the arena; bytes of the weight buffer are put in place before. */
  pointer(name: string): Argument {
    const raw = this.address(name);
    if (this.instruction.space(name) !== 'weights') return raw;
    const at = getterOf(raw);
    return (env) => {
      this.ctx.deferred.settleAll();
      return at(env);
    };
  }

  /** An address as a pointer into the arena. */
  address(name: string): Argument {
    const base = this.ctx.memory.base(this.instruction.space(name));
    const offset = this.field(name);
    return typeof offset === 'number' ? base + offset : (env) => base + offset(env);
  }

  /** Pointer, batch stride, row stride. */
  strided(name: string): Argument[] {
    return [this.pointer(name), this.field(`${name}Batch`), this.field(`${name}Row`)];
  }

  constant(name: string): number {
    const value = this.instruction.constant(name);
    if (value === undefined)
      throw internalError(`field '${name}' of ${this.instruction.spec.name} must be static`);
    return value;
  }

  immediate(): number {
    return Math.fround(this.constant('immediate'));
  }

  kernel(name: KernelName, args: readonly Argument[]): Execute {
    // Kernels are plain functions over the arena: none of them needs its table.
    return call(this.ctx.kernels[name], args);
  }
}

function combine(a: Argument, b: Argument, join: (a: number, b: number) => number): Argument {
  if (typeof a === 'number' && typeof b === 'number') return join(a, b);
  const [left, right] = [typeof a === 'number' ? () => a : a, typeof b === 'number' ? () => b : b];
  return (env) => join(left(env), right(env));
}

function getterOf(argument: Argument): Getter {
  return typeof argument === 'number' ? () => argument : argument;
}

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

/** The weight tile of a product, wherever its bytes are. */
function weightTile(a: Arguments): Argument {
  const [bits, group, keep] = [a.constant('bits'), a.constant('group'), a.constant('keep')];
  if (a.instruction.space('b') !== 'weights') {
    if (isExpanded(bits, keep)) throw notInBuffer(a.instruction.space('b'), bits);
    return a.pointer('b');
  }
  const { deferred } = a.ctx;
  const at = getterOf(a.address('b'));
  const bytes = getterOf(
    combine(a.field('n'), a.field('k'), (n, k) => weightTileBytes(bits, group, keep, k, n)),
  );
  const read: Getter = (env) => deferred.read(at(env), bytes(env));
  if (!isExpanded(bits, keep)) return read;
  const [n, k] = [getterOf(a.field('n')), getterOf(a.field('k'))];
  const { expanded, memory } = a.ctx;
  return (env) => {
    expandSparse(memory.arena, read(env), expanded, { bits, group, keep, n: n(env), k: k(env) });
    return expanded;
  };
}

function notInBuffer(space: string, bits: number): BitloomError {
  return new BitloomError({
    code: 'simulator-unsupported',
    message: `sparse tiles of ${bits}-bit codes are expanded from the weight buffer only`,
    expected: 'weights',
    got: space,
  });
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

/** One after the other. */
function inTurn(first: Execute, second: Execute): Execute {
  return (env) => {
    first(env);
    second(env);
  };
}

/** Rows of codes of attention as a product reads them: where they are, or, of 4 bits, expanded before it. */
interface CodeRows {
  /** Pointer, batch stride, row stride. */
  readonly operand: readonly Argument[];
  readonly expand: Execute;
}

function codeRows(a: Arguments, rows: Argument, cols: Argument): CodeRows {
  if (a.constant('bits') !== 4) return { operand: a.strided('b'), expand: NOTHING };
  const batches = combine(a.field('batch'), a.field('bShare'), (batch, share) => Math.ceil(batch / share));
  const { target, stride } = expanded(a, batches, rows, cols);
  const expand = a.kernel('expandRowsInt4', [batches, rows, cols, ...a.strided('b'), target, stride, cols]);
  return { operand: [target, stride, cols], expand };
}

/** Place and batch stride of codes one per byte. */
function expanded(
  a: Arguments,
  batch: Argument,
  rows: Argument,
  cols: Argument,
): { readonly target: Argument; readonly stride: Argument } {
  const stride = combine(rows, cols, (count, width) => count * width);
  const target = combine(batch, stride, (count, bytes) => roomForCodes(a.ctx.int4, count * bytes));
  return { target, stride };
}

function matrix(a: Arguments): Execute {
  const mode = MATRIX_MODES[a.constant('mode')];
  const flags = combine(a.field('continue'), a.field('finish'), (more, finish) => more | (finish << 1));
  if (mode === 'weights') {
    return a.kernel(a.constant('keep') === 0 ? 'gemmGroups' : 'gemmSparse', [
      isExpanded(a.constant('bits'), a.constant('keep')) ? 4 : a.field('bits'),
      ...a.fields('group', 'm', 'n', 'k'),
      a.pointer('a'),
      a.field('aRow'),
      a.pointer('aScale'),
      a.field('aScaleRow'),
      weightTile(a),
      a.pointer('out'),
      a.field('outRow'),
      flags,
    ]);
  }
  const [batch, m, n] = [a.field('batch'), a.field('m'), a.field('n')];
  if (mode === 'keys') {
    const { operand, expand } = codeRows(a, n, a.field('k'));
    const product = a.kernel('attentionScores', [
      batch,
      m,
      n,
      a.field('k'),
      ...a.strided('a'),
      ...a.strided('aScale'),
      ...operand,
      a.pointer('bScale'),
      a.field('bScaleBatch'),
      a.field('bShare'),
      ...a.strided('out'),
    ]);
    return expand === NOTHING ? product : inTurn(expand, product);
  }
  if (mode === 'values') {
    const accRow = combine(n, 4, (cols, bytes) => cols * bytes);
    const accBatch = combine(m, accRow, (rows, row) => rows * row);
    const { operand, expand } = codeRows(a, a.field('k'), n);
    const product = a.kernel('attentionMix', [
      batch,
      m,
      n,
      a.field('k'),
      ...a.strided('a'),
      ...a.strided('aScale'),
      ...operand,
      a.field('bShare'),
      a.pointer('acc'),
      accBatch,
      accRow,
      ...a.strided('out'),
      flags,
    ]);
    return expand === NOTHING ? product : inTurn(expand, product);
  }
  throw internalError(`matrix mode ${a.constant('mode')}`);
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

/** Codes one per byte, then two. */
function quantizeInt4(a: Arguments): Execute {
  const [batch, rows, cols] = shape(a);
  const { target, stride } = expanded(a, batch, rows, cols);
  const codes = [target, stride, cols];
  return inTurn(
    a.kernel('quantizeRowsInt4', [...shape(a), ...a.strided('src0'), ...codes, ...a.strided('scale')]),
    a.kernel('packRowsInt4', [...shape(a), ...codes, ...a.strided('dst')]),
  );
}

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
