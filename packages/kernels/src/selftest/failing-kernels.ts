/**
 * The check a backend passes when a family is loaded: one small seeded case per kernel, compared with the reference on
 * the same bytes. A kernel that differs (a miscompiling engine, a missing instruction) is replaced, visibly. The
 * conformance suite of the tests is the thorough version; this one takes a few milliseconds.
 */
import type { Arena } from '../arena.js';
import type { FamilyTable, KernelFamily } from '../family.js';
import type { KernelName } from '../kernels.js';
import { layOutPlaces, OUT_BYTES, REGION } from './places.js';

/**
 * Names of the kernels of `candidate` whose results differ from the reference in any bit, or that throw. The candidate
 * must work on `arena`; what this allocates is released.
 */
export function failingKernels(
  arena: Arena,
  family: Pick<KernelFamily, 'names' | 'cases' | 'reference'>,
  candidate: FamilyTable,
): KernelName[] {
  const mark = arena.mark();
  try {
    const places = layOutPlaces(arena);
    const reference = family.reference(arena);
    const run = (kernels: FamilyTable, name: KernelName): Uint8Array => {
      arena.u8.fill(0, places.out, places.out + OUT_BYTES);
      arena.u8.copyWithin(places.scratch, places.floats, places.floats + REGION);
      family.cases(name, kernels, places);
      return arena.u8.slice(places.out, places.out + OUT_BYTES);
    };
    return family.names.filter((name) => {
      const expected = run(reference, name);
      try {
        const got = run(candidate, name);
        return got.some((byte, i) => byte !== expected[i]);
      } catch {
        return true;
      }
    });
  } finally {
    arena.release(mark);
  }
}
