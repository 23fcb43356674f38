/**
 * The way down from a kernel that fails its check: native, WebAssembly, reference. Families with a broken part stand in for
 * an engine or an addon at fault.
 */
import { loadNative } from '@bitloom/kernels-native';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { FAMILIES } from '../src/families.js';
import type { FamilyTable, KernelFamily } from '../src/family.js';
import { probeFeatures } from '../src/features.js';
import { Arena, createKernels } from '../src/index.js';
import type { Backend } from '../src/kernels.js';
import { FamilyLoader } from '../src/loader.js';
import { NativeBackend } from '../src/native/native-backend.js';
import { SCRATCH_BYTES } from '../src/wasm/scratch.js';

const INDEX = FAMILIES.findIndex(({ name }) => name === 'vectors');
const VECTORS = FAMILIES[INDEX];
const VALUES = [3, -1, 8, -2, 5];
const RECTIFIED = [3, 0, 8, 0, 5];

/** WebAssembly whose kernels do nothing. */
const emitNothing: KernelFamily['emit'] = (module) => {
  for (const name of VECTORS.names) module.procedure(name, {}, () => {});
};

/** WebAssembly that no engine takes: it exports two functions of one name. */
const emitInvalid: KernelFamily['emit'] = (module) => {
  for (const name of [...VECTORS.names, ...VECTORS.names]) module.procedure(name, {}, () => {});
};

const emitThrowing: KernelFamily['emit'] = () => {
  throw new Error('a fault of the emitter');
};

/** Breaks `relu` of the addon alone: it is bound without scratch memory. */
const bindBadly: KernelFamily['bind'] = (exports, scratch) => {
  const bound = VECTORS.bind(exports, scratch);
  return scratch === 0 ? { ...bound, relu: () => {} } : bound;
};

/** Loads a family in place of `vectors` and runs `relu` of it. */
function runRelu(backend: Backend, parts: Partial<KernelFamily>) {
  const arena = new Arena();
  let onReference = 0;
  const family: KernelFamily = {
    ...VECTORS,
    ...parts,
    reference(memory): FamilyTable {
      const table = VECTORS.reference(memory);
      return {
        ...table,
        relu(...args) {
          if (memory === arena) onReference += 1;
          return table.relu?.(...args);
        },
      };
    },
  };
  const scratch = arena.alloc(SCRATCH_BYTES);
  expect(scratch).toBeGreaterThan(0);
  const loader = new FamilyLoader({
    arena,
    backend,
    features: probeFeatures(),
    scratch,
    pool: undefined,
    native: backend === 'native' ? new NativeBackend(arena, { threads: 1 }) : undefined,
    threads: 1,
    families: FAMILIES.map((known, i) => (i === INDEX ? family : known)),
  });
  const [src, dst] = [arena.alloc(64), arena.alloc(64)];
  arena.f32.set(VALUES, src / 4);
  arena.f32.fill(-1, dst / 4, dst / 4 + VALUES.length);
  loader.kernel('relu')(1, 1, VALUES.length, src, 0, 0, dst, 0, 0);
  const result = [...arena.f32.subarray(dst / 4, dst / 4 + VALUES.length)];
  return { result, onReference, fallbacks: loader.fallbacks, loader };
}

describe('a kernel that fails its check', () => {
  it('is not listed where there is none', () => {
    expect(runRelu('wasm', {})).toMatchObject({ result: RECTIFIED, onReference: 0, fallbacks: [] });
  });

  it('in WebAssembly runs on the reference, other families where they were', () => {
    const { loader, ...rest } = runRelu('wasm', { emit: emitNothing });
    expect(rest).toEqual({ result: RECTIFIED, onReference: 1, fallbacks: VECTORS.names });
    loader.loadAll();
    expect(loader.fallbacks).toEqual(VECTORS.names);
  });

  it.each([
    ['the engine refuses', emitInvalid],
    ['cannot be emitted', emitThrowing],
    ['lacks its kernels', () => {}],
  ])('in a module that %s runs on the reference, and so do the others of its family', (_, emit) => {
    const { loader, ...rest } = runRelu('wasm', { emit });
    expect(rest).toEqual({ result: RECTIFIED, onReference: 1, fallbacks: VECTORS.names });
    loader.loadAll();
    expect(loader.fallbacks).toEqual(VECTORS.names);
  });

  it.skipIf(loadNative() === undefined)('in the addon and in a module the engine refuses', () => {
    expect(runRelu('native', { bind: bindBadly, emit: emitInvalid })).toMatchObject({
      result: RECTIFIED,
      onReference: 1,
      fallbacks: ['relu'],
    });
  });

  it.skipIf(loadNative() === undefined)('in the addon runs in WebAssembly', () => {
    expect(runRelu('native', { bind: bindBadly })).toMatchObject({
      result: RECTIFIED,
      onReference: 0,
      fallbacks: ['relu'],
    });
  });

  it.skipIf(loadNative() === undefined)('in both runs on the reference and is listed once, alone', () => {
    expect(runRelu('native', { bind: bindBadly, emit: emitNothing })).toMatchObject({
      result: RECTIFIED,
      onReference: 1,
      fallbacks: ['relu'],
    });
  });
});

describe('the native backend where there is none', () => {
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  it.each([
    ['turned off', '0', /BITLOOM_NATIVE=0/, /^unset BITLOOM_NATIVE/],
    ['a path to nothing', '/nowhere/bitloom.node', /BITLOOM_NATIVE names no file/, /correct or unset it;/],
  ])('%s: kernel-native-absent with the reason and what mends it', (_, value, reason, hint) => {
    vi.stubEnv('BITLOOM_NATIVE', value);
    expect(() => createKernels({ backend: 'native' })).toThrow(
      expect.objectContaining({
        code: 'kernel-native-absent',
        got: expect.stringMatching(reason),
        hint: expect.stringMatching(hint),
      }),
    );
  });

  it.skipIf(loadNative() === undefined)('an instruction set of another machine: says which there are', () => {
    const isa: unknown = 'neon';
    const options: object = { backend: 'native', isa };
    expect(() => createKernels(options)).toThrow(
      expect.objectContaining({
        code: 'kernel-native-absent',
        expected: loadNative()?.isas.join(', '),
        got: 'neon',
        hint: 'leave out isa for the fastest that this machine runs',
      }),
    );
    const unshared = new Arena({ shared: false, maxBytes: 2 ** 24 });
    expect(() => createKernels({ backend: 'native', arena: unshared })).toThrow(
      expect.objectContaining({ code: 'kernel-native-absent', hint: expect.stringMatching(/share/) }),
    );
  });
});
