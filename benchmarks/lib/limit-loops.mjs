/**
 * Loops in WebAssembly that do nothing but read, multiply integers or multiply floats in registers: what the machine gives
 * to code of that width. Where the native backend is there, its own loops, which are wider, measure the machine instead.
 */
import {
  compileModule,
  i32,
  i32x4,
  instantiateModule,
  load,
  ModuleBuilder,
  op,
  probeFeatures,
} from '@bitloom/wasm';

/** Operands that stay in registers: 2 x 4 products over 8 sums leave two of 16 registers free. */
const ROWS = 2;
const COLUMNS = 4;
/** Operations of one turn, multiplications and additions counted apart, by kind of loop. */
const TURN_OPERATIONS = {
  f32: ROWS * COLUMNS * 4 * 2,
  int16: ROWS * COLUMNS * 8 * 2,
  int8: ROWS * COLUMNS * 16 * 2,
};

/** A loop of products whose left operands change in every turn, so that none is moved out of it. */
function productLoop(module, name, next, accumulate, finish = (sum) => sum) {
  module.procedure(name, { turns: 'i32', at: 'i32' }, (f, { turns, at }) => {
    const x = Array.from({ length: ROWS }, (_, i) => f.local('v128', `x${i}`, load('v128.load', at, 16 * i)));
    const w = Array.from({ length: COLUMNS }, (_, j) =>
      f.local('v128', `w${j}`, load('v128.load', at, 64 + 16 * j)),
    );
    const sums = x.map((_, i) => w.map((_, j) => f.local('v128', `sum${i}${j}`, i32x4(0))));
    f.while(turns, () => {
      for (const [i, row] of sums.entries()) {
        for (const [j, sum] of row.entries()) f.set(sum, accumulate(sum, x[i], w[j]));
        f.set(x[i], next(x[i]));
      }
      f.set(turns, op('i32.sub', turns, i32(1)));
    });
    const total = sums
      .flat()
      .map(finish)
      .reduce((a, b) => op('v128.xor', a, b));
    f.store('v128.store', at, total, 128);
  });
}

/** Bytes of a module with the loops `read`, `f32`, `int16` and, where relaxed SIMD is there, `int8`. */
function loopModule(isRelaxed) {
  const module = new ModuleBuilder();
  module.importMemory('env', 'memory', { initial: 1, maximum: 65536, shared: true });
  module.procedure('read', { at: 'i32', end: 'i32', out: 'i32' }, (f, { at, end, out }) => {
    const sums = [0, 1, 2, 3].map((i) => f.local('v128', `sum${i}`, i32x4(0)));
    f.while(op('i32.lt_u', at, end), () => {
      for (let i = 0; i < 8; i += 1)
        f.set(sums[i % 4], op('v128.xor', sums[i % 4], load('v128.load', at, i * 16)));
      f.set(at, op('i32.add', at, i32(128)));
    });
    f.store(
      'v128.store',
      out,
      sums.reduce((a, b) => op('v128.xor', a, b)),
    );
  });
  const turn = (x) => op('i16x8.add', x, i32x4(0x00010001));
  const turnFloat = (x) => op('v128.xor', x, i32x4(1));
  productLoop(module, 'int16', turn, (sum, x, w) => op('i32x4.add', sum, op('i32x4.dot_i16x8_s', x, w)));
  productLoop(module, 'f32', turnFloat, (sum, x, w) =>
    isRelaxed ? op('f32x4.relaxed_madd', x, w, sum) : op('f32x4.add', sum, op('f32x4.mul', x, w)),
  );
  if (isRelaxed) {
    productLoop(module, 'int8', turn, (sum, x, w) =>
      op('i16x8.add', sum, op('i16x8.relaxed_dot_i8x16_i7x16_s', x, w)),
    );
  }
  return module.toBytes();
}

/**
 * The loops over a shared memory. `read(from, to)` and `product(kind, turns)` work in the slot of a thread.
 *
 * @param {WebAssembly.Memory} memory its first bytes are scratch, 256 for each slot
 */
export function limitLoops(memory, slot) {
  const isRelaxed = probeFeatures().relaxedSimd;
  const loops = instantiateModule(compileModule(loopModule(isRelaxed)), { env: { memory } });
  const at = 256 * slot;
  new Float32Array(memory.buffer, at, 32).fill(1);
  // Four-bit and eight-bit weights cost the same here.
  const integers = isRelaxed ? 'int8' : 'int16';
  const loopOf = (kind) => (kind === 'float32' ? 'f32' : integers);
  return {
    label: isRelaxed ? 'WebAssembly, relaxed SIMD' : 'WebAssembly',
    read: (from, to) => loops.read(from, to, at + 128),
    product: (kind, turns) => loops[loopOf(kind)](turns, at),
    operations: (kind) => TURN_OPERATIONS[loopOf(kind)],
  };
}
