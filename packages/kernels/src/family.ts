/**
 * A family: kernels that are loaded together. Its parts are an interface, a reference, an emitter of WebAssembly, one
 * self-test case per kernel and the divisions over threads; loading, fall-back, threads and conformance are written
 * once over all families (see families.ts for the table).
 */
import { internalError } from '@bitloom/ir';
import type { ModuleBuilder, WasmFunction } from '@bitloom/wasm';
import type { Arena } from './arena.js';
import type { Features } from './features.js';
import type { KernelName, KernelTable, NumericKernel } from './kernels.js';
import type { Division, Divisions } from './parallel/division.js';
import type { Places, SelfTestCases } from './selftest/places.js';

/** Functions of a family by name. */
export type FamilyTable = Partial<Record<KernelName, NumericKernel>>;

/** The parts of a family whose kernels are those of `T`. */
export interface FamilyParts<T> {
  readonly name: string;
  readonly names: readonly (keyof T & KernelName)[];
  readonly reference: (arena: Arena) => T;
  /** Adds every kernel to a module, exported under its name. Absent: the reference is the only version. */
  readonly emit?: (module: ModuleBuilder, features: Features) => void;
  /**
   * The kernels as callers see them, from the exported functions: arguments that choose a code path are checked here,
   * and `scratch` (memory of this thread) is added. Absent: the exported functions are the kernels.
   */
  readonly bind?: (exports: Readonly<Record<string, WasmFunction>>, scratch: number) => Partial<T>;
  readonly cases: SelfTestCases<T>;
  readonly divisions?: Divisions<T>;
}

/** A family, whatever its kernels are called. */
export interface KernelFamily {
  readonly name: string;
  readonly names: readonly KernelName[];
  readonly reference: (arena: Arena) => FamilyTable;
  readonly emit: FamilyParts<KernelTable>['emit'];
  readonly bind: (exports: Readonly<Record<string, WasmFunction>>, scratch: number) => FamilyTable;
  /** Runs the self-test case of one kernel. */
  readonly cases: (name: KernelName, kernels: FamilyTable, places: Places) => void;
  readonly divisions: Partial<Record<KernelName, Division>>;
}

/** Whether `table` has a function for every name of a family. */
function isComplete<T>(
  table: FamilyTable,
  names: readonly (keyof T & KernelName)[],
): table is FamilyTable & T {
  return names.every((name) => typeof table[name] === 'function');
}

/** Joins the parts of a family. */
export function defineFamily<T extends Partial<Record<KernelName, NumericKernel>>>(
  parts: FamilyParts<T>,
): KernelFamily {
  const { name, names, reference, emit, bind, cases } = parts;
  return {
    name,
    names,
    reference,
    emit,
    bind: (exports, scratch) => ({
      ...Object.fromEntries(names.map((kernel) => [kernel, exports[kernel]])),
      ...bind?.(exports, scratch),
    }),
    cases(kernel, kernels, places) {
      if (!isComplete<T>(kernels, names)) throw internalError(`a kernel of the family ${name} is missing`);
      const found = names.find((candidate) => candidate === kernel);
      if (found === undefined) throw internalError(`${kernel} is not of the family ${name}`);
      cases[found](kernels, places);
    },
    divisions: parts.divisions ?? {},
  };
}
