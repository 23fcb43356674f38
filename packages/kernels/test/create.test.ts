import { loadNative } from '@bitloom/kernels-native';
import { describe, expect, it } from 'vitest';
import { FAMILIES } from '../src/families.js';
import { Arena, createKernels, KERNEL_NAMES } from '../src/index.js';
import type { KernelName } from '../src/kernels.js';
import { failingKernels } from '../src/selftest/failing-kernels.js';
import { SCRATCH_BYTES } from '../src/wasm/scratch.js';

describe('createKernels', () => {
  it('gives every kernel on every backend', () => {
    for (const backend of ['reference', 'wasm'] as const) {
      const kernels = createKernels({ backend });
      expect(kernels.backend).toBe(backend);
      kernels.load();
      expect(kernels.fallbacks).toEqual([]);
      for (const name of KERNEL_NAMES) expect(typeof kernels[name], name).toBe('function');
      kernels.close();
      kernels.close();
    }
  });

  it('uses the given arena and leaves it as it was, but for its scratch memory', () => {
    const arena = new Arena();
    const kernels = createKernels({ arena });
    expect(kernels.arena).toBe(arena);
    const used = arena.used;
    createKernels({ arena, backend: 'reference' });
    expect(arena.used).toBe(used);
  });

  it('refuses a backend that does not exist', () => {
    const options: object = { backend: 'simd' };
    expect(() => createKernels(options)).toThrow(/reference, wasm, native.*simd/s);
  });

  it('refuses a wrong number of threads', () => {
    expect(() => createKernels({ threads: 0 })).toThrow(/threads/);
    expect(() => createKernels({ threads: 1.5 })).toThrow(/threads/);
    expect(() => createKernels({ threads: 17 })).toThrow(/1 to 16.*17/);
    const options: object = { threads: '2' };
    expect(() => createKernels(options)).toThrow(/got: "2" \(string\)/);
  });

  it('says how much scratch memory it needs where the arena has no room, and takes none', () => {
    const arena = new Arena({ maxBytes: 2 ** 20 });
    const before = arena.used;
    expect(() => createKernels({ arena, threads: 4 })).toThrow(
      expect.objectContaining({
        code: 'arena-full',
        expected: `more than ${4 * SCRATCH_BYTES} bytes: ${SCRATCH_BYTES} per thread, 4 in all`,
        got: `${2 ** 20 - before} bytes free of maxBytes = ${2 ** 20}`,
        hint: expect.stringContaining('maxBytes'),
      }),
    );
    expect(arena.used).toBe(before);
    createKernels({ arena }).close();
  });
});

describe('counts', () => {
  const backends = ['reference', 'wasm', ...(loadNative() === undefined ? [] : ['native' as const])] as const;
  const none = [undefined, Number.NaN, Number.POSITIVE_INFINITY, -1, 0.5, 2 ** 31];

  it.each(backends)('that are none are refused by the products and convolutions of %s', (backend) => {
    const kernels = createKernels({ backend });
    const call = (name: KernelName, args: readonly unknown[]): unknown =>
      Reflect.apply(kernels[name], undefined, args);
    const shape = [1, 4, 4, 1, 4, 4, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1];
    for (const wrong of none) {
      for (const [name, at, args] of [
        ['gemmF32', 0, [wrong]],
        ['matmulF32', 2, [1, 1, wrong, 64, 4, 4, 64, 4, 4, 128, 4, 0]],
        ['gemmGroups', 4, [4, 32, 1, 16, wrong]],
        ['gemmShift', 3, [4, 4, 0, wrong, 1, 1, 64, 1, 1, 64, 1, 1, 64, 128, 4, 0]],
        ['convolutionInputGradientF32', 6, [...shape.with(6, Number(wrong)), 64, 64, 128]],
        ['pooling', 12, [...shape.slice(1, 13), wrong]],
      ] as const) {
        const expected = expect.objectContaining({ code: 'kernel-argument', where: `argument ${at}` });
        expect(() => call(name, args), `${name} ${wrong}`).toThrow(expected);
      }
    }
  });

  it.each(backends)('are refused with too few arguments or too many: %s', (backend) => {
    const kernels = createKernels({ backend, arena: new Arena({ initialBytes: 2 ** 20 }) });
    const call = (name: KernelName, args: readonly number[]): unknown =>
      Reflect.apply(kernels[name], undefined, args);
    const references = FAMILIES.map((family) => family.reference(kernels.arena));
    const arityOf = (name: KernelName): number => {
      if (name.startsWith('convolution') && name !== 'convolution') return 19;
      if (name.startsWith('poolingGradient')) return 18;
      if (name === 'poolingF32') return 17;
      return references.find((table) => table[name] !== undefined)?.[name]?.length ?? Number.NaN;
    };
    const checked = KERNEL_NAMES.filter((name) =>
      /^(gemm|matmul|mls|embedG|conv|pool|l1NormInt8|rowMaxima|quantizeRowsBy)/.test(name),
    );
    expect(checked).toHaveLength(24);
    for (const name of checked) {
      const arity = arityOf(name);
      const args = Array.from({ length: arity }, () => 1);
      for (const wrong of [args.slice(1), [...args, 1]]) {
        const expected = expect.objectContaining({ code: 'kernel-argument', expected: String(arity) });
        expect(() => call(name, wrong), `${name} of ${wrong.length}`).toThrow(expected);
      }
    }
    const shape = [1, 4, 4, 1, 4, 4, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1];
    for (const at of [8, 9, 12, 13, 15]) {
      const expected = expect.objectContaining({ code: 'kernel-argument', where: `argument ${at}` });
      const wrong = [...shape.with(at, 0), 64, 64, 128];
      expect(() => call('convolutionInputGradientInt8', wrong), `step ${at}`).toThrow(expected);
    }
    for (const gain of [0, -3, Number.NaN, Number.POSITIVE_INFINITY]) {
      const expected = expect.objectContaining({ code: 'kernel-argument', where: 'argument 6' });
      expect(() => call('l1NormInt8', [1, 1, 64, 1, 0, 0, gain, 128, 1]), `gain ${gain}`).toThrow(expected);
    }
  });

  it.each(backends)('are missing where no argument is given: no kernel of %s runs on', (backend) => {
    const arena = new Arena({ initialBytes: 2 ** 20 });
    const kernels = createKernels({ backend, arena });
    const before = arena.u8.slice(arena.used);
    for (const name of KERNEL_NAMES) {
      try {
        Reflect.apply(kernels[name], undefined, []);
      } catch {
        // Refused by the check of one backend or another; what matters is that it ends.
      }
    }
    expect(Buffer.compare(arena.u8.subarray(arena.used), before)).toBe(0);
  });
});

describe('failingKernels', () => {
  it.each(FAMILIES)('finds nothing wrong with the reference of $name', (family) => {
    const arena = new Arena();
    const mark = arena.mark();
    expect(failingKernels(arena, family, family.reference(arena))).toEqual([]);
    expect(arena.mark()).toBe(mark);
  });

  it.each(FAMILIES)('finds each kernel of $name that does nothing', (family) => {
    const arena = new Arena();
    for (const name of family.names) {
      expect(failingKernels(arena, family, { ...family.reference(arena), [name]: () => {} })).toEqual([name]);
    }
  });

  it('finds a kernel that is off by one bit, and one that throws', () => {
    const arena = new Arena();
    const [family] = FAMILIES;
    const reference = family.reference(arena);
    const off = {
      ...reference,
      rmsNorm: (...args: number[]) => {
        reference.rmsNorm?.(...args);
        arena.u8[args[7]] ^= 1;
      },
      mul: () => {
        throw new Error('trap');
      },
    };
    expect(failingKernels(arena, family, off)).toEqual(['rmsNorm', 'mul']);
  });
});

it('every kernel belongs to one family', () => {
  expect(FAMILIES.flatMap(({ names }) => names)).toEqual([...KERNEL_NAMES]);
});
