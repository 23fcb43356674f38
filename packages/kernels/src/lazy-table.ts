/** A table whose functions are made when they are first read. */
import { internalError } from '@bitloom/ir';
import { KERNEL_NAMES, type KernelName, type KernelTable, type NumericKernel } from './kernels.js';

/**
 * `target` with a property for every kernel. Reading one calls `load` once; from then on it is a plain property, so
 * that a caller in a loop pays nothing.
 */
export function lazyTable<T extends object>(
  target: T,
  load: (name: KernelName) => NumericKernel,
): T & KernelTable {
  for (const name of KERNEL_NAMES) {
    Object.defineProperty(target, name, {
      enumerable: true,
      configurable: true,
      get() {
        const value = load(name);
        Object.defineProperty(target, name, { enumerable: true, value });
        return value;
      },
    });
  }
  if (!hasEveryKernel(target)) throw internalError('a kernel is missing');
  return target;
}

function hasEveryKernel<T extends object>(target: T): target is T & KernelTable {
  return KERNEL_NAMES.every((name) => name in target);
}
