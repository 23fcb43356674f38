import { describe, expect, it } from 'vitest';
import { FAMILIES } from '../src/families.js';
import { Arena, createKernels, KERNEL_NAMES } from '../src/index.js';
import { failingKernels } from '../src/selftest/failing-kernels.js';

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
