/**
 * The byte mover of loads and stores: strided runs inside the arena, in one call. Emitted as WebAssembly, because
 * a call per run, or a loop over single bytes, costs more than the bytes of short runs.
 */
import { internalError } from '@bitloom/ir';
import type { Arena } from '@bitloom/kernels';
import {
  compileModule,
  type Expression,
  type FunctionBuilder,
  i32,
  instantiateModule,
  type Local,
  load,
  ModuleBuilder,
  op,
} from '@bitloom/wasm';

/**
 * Copies count2 x count1 runs of `length` bytes; all arguments but the counts are bytes. Source and destination
 * of one call do not overlap: they are different spaces of a card.
 */
export type CopyRuns = (
  dst: number,
  src: number,
  length: number,
  count1: number,
  dstStride1: number,
  srcStride1: number,
  count2: number,
  dstStride2: number,
  srcStride2: number,
) => void;

const PARAMETERS = {
  dst: 'i32',
  src: 'i32',
  length: 'i32',
  count1: 'i32',
  dstStride1: 'i32',
  srcStride1: 'i32',
  count2: 'i32',
  dstStride2: 'i32',
  srcStride2: 'i32',
} as const;

const plus = (a: Expression<'i32'>, b: Expression<'i32'> | number): Expression<'i32'> =>
  op('i32.add', a, typeof b === 'number' ? i32(b) : b);

/** Moves both pointers past `bytes` and takes them off what is left. */
function advance(
  f: FunctionBuilder,
  to: Local<'i32'>,
  from: Local<'i32'>,
  left: Local<'i32'>,
  bytes: number,
): void {
  f.set(to, plus(to, bytes));
  f.set(from, plus(from, bytes));
  f.set(left, plus(left, -bytes));
}

function emitCopyRuns(module: ModuleBuilder): void {
  module.procedure('copyRuns', PARAMETERS, (f, p) => {
    const [inner, outerTo, outerFrom] = [
      f.local('i32', 'inner'),
      f.local('i32', 'outerTo'),
      f.local('i32', 'outerFrom'),
    ];
    const [runTo, runFrom] = [f.local('i32', 'runTo'), f.local('i32', 'runFrom')];
    const [to, from, left] = [f.local('i32', 'to'), f.local('i32', 'from'), f.local('i32', 'left')];
    f.set(outerTo, p.dst);
    f.set(outerFrom, p.src);
    f.while(op('i32.gt_s', p.count2, i32(0)), () => {
      f.set(runTo, outerTo);
      f.set(runFrom, outerFrom);
      f.set(inner, p.count1);
      f.while(op('i32.gt_s', inner, i32(0)), () => {
        f.set(to, runTo);
        f.set(from, runFrom);
        f.set(left, p.length);
        f.while(op('i32.ge_s', left, i32(64)), () => {
          for (const offset of [0, 16, 32, 48])
            f.store('v128.store', to, load('v128.load', from, offset), offset);
          advance(f, to, from, left, 64);
        });
        f.while(op('i32.ge_s', left, i32(8)), () => {
          for (const offset of [0, 4]) f.store('i32.store', to, load('i32.load', from, offset), offset);
          advance(f, to, from, left, 8);
        });
        f.while(op('i32.gt_s', left, i32(0)), () => {
          f.store('i32.store8', to, load('i32.load8_u', from, 0), 0);
          advance(f, to, from, left, 1);
        });
        f.set(runTo, plus(runTo, p.dstStride1));
        f.set(runFrom, plus(runFrom, p.srcStride1));
        f.set(inner, plus(inner, -1));
      });
      f.set(outerTo, plus(outerTo, p.dstStride2));
      f.set(outerFrom, plus(outerFrom, p.srcStride2));
      f.set(p.count2, plus(p.count2, -1));
    });
  });
}

function isCopyRuns(value: unknown): value is CopyRuns {
  return typeof value === 'function';
}

/** The byte mover over an arena. */
export function createCopyRuns(arena: Arena): CopyRuns {
  const module = new ModuleBuilder();
  module.importMemory('env', 'memory', { initial: 1, maximum: 65536, shared: true });
  emitCopyRuns(module);
  const { copyRuns } = instantiateModule(compileModule(module.toBytes()), { env: { memory: arena.memory } });
  if (!isCopyRuns(copyRuns)) throw internalError('the copy module does not export copyRuns');
  return copyRuns;
}
