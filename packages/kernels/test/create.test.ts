import { describe, expect, it } from 'vitest';
import { Arena, createKernels, KERNEL_NAMES, type KernelTable } from '../src/index.js';
import { referenceKernels } from '../src/reference/backend.js';
import { failingKernels } from '../src/selftest.js';

describe('createKernels', () => {
  it('gives every kernel on every backend', () => {
    for (const backend of ['reference', 'wasm'] as const) {
      const kernels = createKernels({ backend });
      expect(kernels.backend).toBe(backend);
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

  it('refuses a wrong number of threads', () => {
    expect(() => createKernels({ threads: 0 })).toThrow(/threads/);
    expect(() => createKernels({ threads: 1.5 })).toThrow(/threads/);
    expect(() => createKernels({ threads: 17 })).toThrow(/1 to 16.*17/);
  });
});

describe('failingKernels', () => {
  it('finds nothing wrong with the reference itself', () => {
    const arena = new Arena();
    const reference = referenceKernels(arena);
    const mark = arena.mark();
    expect(failingKernels(arena, referenceKernels(arena), reference)).toEqual([]);
    expect(arena.mark()).toBe(mark);
  });

  it('finds each kernel that does nothing, is off by one bit, or throws', () => {
    const arena = new Arena();
    const reference = referenceKernels(arena);
    for (const name of KERNEL_NAMES) {
      const nothing: KernelTable = { ...reference, [name]: () => {} };
      expect(failingKernels(arena, nothing, reference)).toContain(name);
    }
    const off: KernelTable = {
      ...reference,
      rmsNorm: (...args) => {
        reference.rmsNorm(...args);
        arena.u8[args[7]] ^= 1;
      },
      mul: () => {
        throw new Error('trap');
      },
    };
    expect(failingKernels(arena, off, reference)).toEqual(['rmsNorm', 'mul']);
  });
});
