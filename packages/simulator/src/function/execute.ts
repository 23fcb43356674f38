/**
 * The functional reading of instructions: each becomes a function of the environment that moves bytes or calls
 * a kernel in place. One entry per instruction and vector function; order and time are not its business.
 */
import { BitloomError, internalError, MATRIX_MODES, VECTOR_FUNCTIONS } from '@bitloom/ir';
import type { Kernels } from '@bitloom/kernels';
import type { CompiledInstruction, Environment, Getter } from '../compiled-stream.js';
import type { CardMemory } from './card-memory.js';

export type Execute = (env: Environment) => void;

interface Context {
  readonly kernels: Kernels;
  readonly memory: CardMemory;
  /** int32 0, 1, 2, ...: row numbers for kernels that gather. */
  readonly identity: number;
}

/** Shorter copies run as a loop: the call into memory.copy costs more than the bytes. */
const SHORT_COPY = 32;

function pointer(ctx: Context, instruction: CompiledInstruction, name: string): Getter {
  const base = ctx.memory.base(instruction.space(name));
  const offset = instruction.getter(name);
  return (env) => base + offset(env);
}

function copyRun(bytes: Uint8Array<ArrayBufferLike>, dst: number, src: number, length: number): void {
  if (length > SHORT_COPY) {
    bytes.copyWithin(dst, src, src + length);
    return;
  }
  for (let i = 0; i < length; i++) bytes[dst + i] = bytes[src + i] ?? 0;
}

function transfer(ctx: Context, instruction: CompiledInstruction): Execute {
  const bytes = ctx.memory.arena.u8;
  const dst = pointer(ctx, instruction, 'dst');
  const src = pointer(ctx, instruction, 'src');
  const get = (name: string): Getter => instruction.getter(name);
  const [length, count1, count2] = [get('length'), get('count1'), get('count2')];
  const [srcStride1, dstStride1, srcStride2, dstStride2] = [get('srcStride1'), get('dstStride1'), get('srcStride2'), get('dstStride2')];
  if (instruction.constant('count1') === 1 && instruction.constant('count2') === 1) {
    return (env) => copyRun(bytes, dst(env), src(env), length(env));
  }
  return (env) => {
    const [run, inner, outer] = [length(env), count1(env), count2(env)];
    const [s1, d1, s2, d2] = [srcStride1(env), dstStride1(env), srcStride2(env), dstStride2(env)];
    const [from, to] = [src(env), dst(env)];
    for (let j = 0; j < outer; j++) {
      for (let i = 0; i < inner; i++) copyRun(bytes, to + j * d2 + i * d1, from + j * s2 + i * s1, run);
    }
  };
}

function gather(ctx: Context, instruction: CompiledInstruction): Execute {
  const bytes = ctx.memory.arena.u8;
  const words = ctx.memory.arena.i32;
  const dst = pointer(ctx, instruction, 'dst');
  const src = pointer(ctx, instruction, 'src');
  const indices = pointer(ctx, instruction, 'indices');
  const [length, count, srcStride, dstStride] = ['length', 'count1', 'srcStride1', 'dstStride1'].map((name) => instruction.getter(name)) as [Getter, Getter, Getter, Getter];
  const span = instruction.getter('tableBytes');
  return (env) => {
    const [run, rows, from, to, stride, step] = [length(env), count(env), src(env), dst(env), srcStride(env), dstStride(env)];
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
      copyRun(bytes, to + i * step, from + at, run);
    }
  };
}

/** Getters of a strided operand: pointer, batch stride, row stride. */
function strided(ctx: Context, instruction: CompiledInstruction, name: string): [Getter, Getter, Getter] {
  return [pointer(ctx, instruction, name), instruction.getter(`${name}Batch`), instruction.getter(`${name}Row`)];
}

function matrix(ctx: Context, instruction: CompiledInstruction): Execute {
  const mode = MATRIX_MODES[instruction.constant('mode') ?? -1];
  const k = ctx.kernels;
  const get = (name: string): Getter => instruction.getter(name);
  const [batch, m, n, inner, share, more, finish] = [get('batch'), get('m'), get('n'), get('k'), get('bShare'), get('continue'), get('finish')];
  const [a, aB, aR] = strided(ctx, instruction, 'a');
  const [aScale, aScaleB, aScaleR] = strided(ctx, instruction, 'aScale');
  const [b, bB, bR] = strided(ctx, instruction, 'b');
  const [out, outB, outR] = strided(ctx, instruction, 'out');
  if (mode === 'weights') {
    const [bits, group] = [instruction.constant('bits') ?? 0, instruction.constant('group') ?? 0];
    return (e) => k.gemmGroups(bits, group, m(e), n(e), inner(e), a(e), aR(e), aScale(e), aScaleR(e), b(e), out(e), outR(e), more(e) | (finish(e) << 1));
  }
  if (mode === 'keys') {
    const [bScale, bScaleB] = strided(ctx, instruction, 'bScale');
    return (e) => k.attentionScores(batch(e), m(e), n(e), inner(e), a(e), aB(e), aR(e), aScale(e), aScaleB(e), aScaleR(e), b(e), bB(e), bR(e), bScale(e), bScaleB(e), share(e), out(e), outB(e), outR(e));
  }
  if (mode === 'values') {
    const acc = pointer(ctx, instruction, 'acc');
    return (e) => {
      const [rows, cols] = [m(e), n(e)];
      k.attentionMix(batch(e), rows, cols, inner(e), a(e), aB(e), aR(e), aScale(e), aScaleB(e), aScaleR(e), b(e), bB(e), bR(e), share(e), acc(e), rows * cols * 4, cols * 4, out(e), outB(e), outR(e), more(e) | (finish(e) << 1));
    };
  }
  throw internalError(`matrix mode ${String(instruction.constant('mode'))}`);
}

type VectorBuilder = (ctx: Context, i: CompiledInstruction) => Execute;

interface VectorOperands {
  readonly batch: Getter;
  readonly rows: Getter;
  readonly cols: Getter;
  readonly src: [Getter, Getter, Getter];
  readonly dst: [Getter, Getter, Getter];
}

function operands(ctx: Context, i: CompiledInstruction): VectorOperands {
  return {
    batch: i.getter('batch'), rows: i.getter('rows'), cols: i.getter('cols'),
    src: strided(ctx, i, 'src0'), dst: strided(ctx, i, 'dst'),
  };
}

function unary(name: 'copy' | 'silu' | 'gelu' | 'relu'): VectorBuilder {
  return (ctx, i) => {
    const { batch, rows, cols, src: [s, sB, sR], dst: [d, dB, dR] } = operands(ctx, i);
    const kernel = ctx.kernels[name].bind(ctx.kernels);
    return (e) => kernel(batch(e), rows(e), cols(e), s(e), sB(e), sR(e), d(e), dB(e), dR(e));
  };
}

function binary(name: 'add' | 'mul' | 'siluMul'): VectorBuilder {
  return (ctx, i) => {
    const { batch, rows, cols, src: [s, sB, sR], dst: [d, dB, dR] } = operands(ctx, i);
    const [t, tB, tR] = strided(ctx, i, 'src1');
    const kernel = ctx.kernels[name].bind(ctx.kernels);
    return (e) => kernel(batch(e), rows(e), cols(e), s(e), sB(e), sR(e), t(e), tB(e), tR(e), d(e), dB(e), dR(e));
  };
}

const immediate = (i: CompiledInstruction): number => Math.fround(i.constant('immediate') ?? 0);

const VECTOR_BUILDERS: Readonly<Record<string, VectorBuilder>> = {
  copy: unary('copy'),
  silu: unary('silu'),
  gelu: unary('gelu'),
  relu: unary('relu'),
  add: binary('add'),
  mul: binary('mul'),
  siluMul: binary('siluMul'),
  rmsNorm: (ctx, i) => {
    const { batch, rows, cols, src: [s, sB, sR], dst: [d, dB, dR] } = operands(ctx, i);
    const weight = pointer(ctx, i, 'src1');
    const epsilon = immediate(i);
    return (e) => ctx.kernels.rmsNorm(batch(e), rows(e), cols(e), s(e), sB(e), sR(e), weight(e), d(e), dB(e), dR(e), epsilon);
  },
  layerNorm: (ctx, i) => {
    const { batch, rows, cols, src: [s, sB, sR], dst: [d, dB, dR] } = operands(ctx, i);
    const [weight, bias] = [pointer(ctx, i, 'src1'), pointer(ctx, i, 'src2')];
    const epsilon = immediate(i);
    return (e) => ctx.kernels.layerNorm(batch(e), rows(e), cols(e), s(e), sB(e), sR(e), weight(e), bias(e), d(e), dB(e), dR(e), epsilon);
  },
  rope: (ctx, i) => {
    const { batch, rows, cols, src: [s, sB, sR], dst: [d, dB, dR] } = operands(ctx, i);
    const [table, , tableR] = strided(ctx, i, 'src1');
    const layout = i.constant('layout') ?? 0;
    return (e) => ctx.kernels.rope(batch(e), rows(e), cols(e), s(e), sB(e), sR(e), table(e), tableR(e), d(e), dB(e), dR(e), layout);
  },
  quantize: (ctx, i) => {
    const { batch, rows, cols, src: [s, sB, sR], dst: [d, dB, dR] } = operands(ctx, i);
    const [scale, scaleB, scaleR] = strided(ctx, i, 'scale');
    const padTo = i.getter('padTo');
    return (e) => ctx.kernels.quantizeRows(batch(e), rows(e), cols(e), s(e), sB(e), sR(e), d(e), dB(e), dR(e), padTo(e), scale(e), scaleB(e), scaleR(e));
  },
  softmaxQuantize: (ctx, i) => {
    const { batch, rows, cols, src: [s, sB, sR], dst: [d, dB, dR] } = operands(ctx, i);
    const [values, valuesB] = strided(ctx, i, 'src1');
    const [scale, scaleB, scaleR] = strided(ctx, i, 'scale');
    const [padTo, share, valid0, validStep] = [i.getter('padTo'), i.getter('share'), i.getter('valid0'), i.getter('validStep')];
    const factor = immediate(i);
    return (e) => ctx.kernels.softmaxQuantize(batch(e), rows(e), cols(e), s(e), sB(e), sR(e), values(e), valuesB(e), share(e), valid0(e), validStep(e), factor, d(e), dB(e), dR(e), padTo(e), scale(e), scaleB(e), scaleR(e));
  },
  dequantize: (ctx, i) => {
    const { rows, cols, src: [s, , sR], dst: [d, , dR] } = operands(ctx, i);
    const [scale, , scaleR] = strided(ctx, i, 'src1');
    const [bits, group] = [immediate(i), i.constant('layout') ?? 0];
    return (e) => ctx.kernels.embedGroups(bits, group, rows(e), cols(e), ctx.identity, s(e), sR(e), scale(e), scaleR(e), d(e), dR(e));
  },
};

function vector(ctx: Context, instruction: CompiledInstruction): Execute {
  const fn = VECTOR_FUNCTIONS[instruction.constant('function') ?? -1];
  const build = fn === undefined ? undefined : VECTOR_BUILDERS[fn.name];
  if (build === undefined) throw internalError(`vector function ${String(instruction.constant('function'))}`);
  return build(ctx, instruction);
}

const NOTHING: Execute = () => undefined;

const BUILDERS: Readonly<Record<string, (ctx: Context, instruction: CompiledInstruction) => Execute>> = {
  LD: (ctx, i) => (i.constant('gather') === 1 ? gather(ctx, i) : transfer(ctx, i)),
  ST: transfer,
  MM: matrix,
  MV: matrix,
  VEC: vector,
  SYNC: () => NOTHING,
};

/**
 * Turns an instruction into the function that carries it out.
 * @throws BitloomError `simulator-unsupported` for instructions that are only timed (CONV, POOL).
 */
export function buildExecute(instruction: CompiledInstruction, kernels: Kernels, memory: CardMemory, identity: number): Execute {
  const build = BUILDERS[instruction.spec.name];
  if (build === undefined) {
    throw new BitloomError({
      code: 'simulator-unsupported',
      message: `the instruction ${instruction.spec.name} is timed but not executed by this version`,
      expected: Object.keys(BUILDERS).join(', '),
      got: instruction.spec.name,
      hint: 'run for time only',
    });
  }
  return build({ kernels, memory, identity }, instruction);
}
