import { BitloomError } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  compileModule,
  disassemble,
  f32,
  i32,
  i32x4,
  instantiateModule,
  lane,
  load,
  loadLane,
  ModuleBuilder,
  op,
  select,
  shuffle,
} from '../src/index.js';

/** A module that shows each kind of line. */
function sample(): Uint8Array {
  const module = new ModuleBuilder();
  module.importMemory('env', 'memory', { initial: 1, maximum: 65536, shared: true });
  const note = module.importFunction('env', 'note', ['i32'], undefined);
  const half = module.function('half', { x: 'f32' }, 'f32', (_f, { x }) => op('f32.mul', x, f32(0.5)), {
    export: false,
  });
  module.procedure('main', { count: 'i32', at: 'i32' }, (f, { count, at }) => {
    const sum = f.local('v128', 'sum', i32x4(0));
    const i = f.local('i32', 'i');
    f.while(op('i32.lt_u', i, count), () => {
      f.set(sum, op('i32x4.add', sum, load('v128.load', op('i32.add', at, i), 16)));
      f.set(sum, loadLane('v128.load32_lane', 1, at, sum));
      f.set(i, op('i32.add', i, i32(-300)));
    });
    f.block((out) => {
      f.branchIf(
        out,
        lane(
          'i32x4.extract_lane',
          3,
          shuffle(sum, sum, [3, 2, 1, 0, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 31]),
        ),
      );
      f.if(
        i,
        () => f.call(note, select(i32(1), i32(2), count)),
        () => f.store('f32.store', at, f.result(half, f32(-0)), 300),
      );
    });
    f.storeLane('v128.store8_lane', 15, at, select(sum, sum, i), 1);
    f.return();
  });
  return module.toBytes();
}

const golden = `(module
  (import "env" "memory" (memory 1 65536 shared))
  (import "env" "note" (func $note (param i32)))
  (func $half (param $x f32) (result f32)
    local.get $x
    f32.const 0.5
    f32.mul
  )
  (func $main (export "main") (param $count i32) (param $at i32)
    (local $sum v128)
    (local $i i32)
    v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
    local.set $sum
    local.get $i
    local.get $count
    i32.lt_u
    if
      loop
        local.get $sum
        local.get $at
        local.get $i
        i32.add
        v128.load offset=16
        i32x4.add
        local.set $sum
        local.get $at
        local.get $sum
        v128.load32_lane 1
        local.set $sum
        local.get $i
        i32.const -300
        i32.add
        local.set $i
        local.get $i
        local.get $count
        i32.lt_u
        br_if 0
      end
    end
    block
      local.get $sum
      local.get $sum
      i8x16.shuffle 3 2 1 0 4 5 6 7 8 9 10 11 12 13 14 31
      i32x4.extract_lane 3
      br_if 0
      local.get $i
      if
        i32.const 1
        i32.const 2
        local.get $count
        select
        call $note
      else
        local.get $at
        f32.const -0
        call $half
        f32.store offset=300
      end
    end
    local.get $at
    local.get $sum
    local.get $sum
    local.get $i
    select (result v128)
    v128.store8_lane offset=1 15
    return
  )
)
`;

describe('disassemble', () => {
  it('gives the golden text', () => {
    expect(disassemble(sample())).toBe(golden);
  });

  it('shows own memories', () => {
    const module = new ModuleBuilder();
    module.memory('memory', { initial: 2 });
    expect(disassemble(module.toBytes())).toBe('(module\n  (memory (export "memory") 2)\n)\n');
  });

  it('numbers what has no name when the names are left out', () => {
    const module = new ModuleBuilder();
    module.function('half', { x: 'i32' }, 'i32', (_f, { x }) => op('i32.shr_u', x, i32(1)));
    const nameless = module.toBytes({ names: false });
    expect(nameless.length).toBeLessThan(module.toBytes().length);
    expect(disassemble(nameless)).not.toContain('$x');
    expect(disassemble(nameless)).toContain('(export "half")');
    expect(instantiateModule(compileModule(nameless)).half).toBeTypeOf('function');
  });

  it('refuses other files and unknown items with a typed error', () => {
    const codeOf = (bytes: Uint8Array): string => {
      try {
        disassemble(bytes);
      } catch (error) {
        if (error instanceof BitloomError) return error.code;
        throw error;
      }
      return 'nothing';
    };
    expect(codeOf(new Uint8Array(4))).toBe('wasm-truncated');
    expect(codeOf(new Uint8Array(8))).toBe('wasm-bad-magic');
    const header = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
    expect(codeOf(Uint8Array.from([...header, 9, 0]))).toBe('wasm-unsupported');
    expect(codeOf(Uint8Array.from([...header, 1, 255, 255, 255, 255, 255]))).toBe('wasm-bad-number');
    expect(codeOf(Uint8Array.from([...header, 1, 255, 255, 255, 255, 15]))).toBe('wasm-truncated');
  });

  it('never fails otherwise on damaged binaries', () => {
    const bytes = sample();
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 0, max: bytes.length }),
        (edits, length) => {
          const damaged = bytes.slice(0, Math.max(length, 8));
          for (const [at, value] of edits) if (at < damaged.length) damaged[at] = value;
          try {
            expect(typeof disassemble(damaged)).toBe('string');
          } catch (error) {
            expect(error).toBeInstanceOf(BitloomError);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});
