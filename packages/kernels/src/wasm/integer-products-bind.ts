/** The integer products as callers see them: arguments are checked, and scratch memory of this thread is added. */
import type { WasmFunction } from '@bitloom/wasm';
import type { IntegerProductKernels } from '../interface/integer-products.js';
import {
  checkMlsElement,
  checkMlsGroups,
  checkShift,
  checkStrides,
} from '../reference/integer-products-checks.js';

/** @param scratch `SCRATCH_BYTES` bytes (see scratch.ts) that only this thread uses */
export function bindIntegerProducts(
  exports: Readonly<Record<string, WasmFunction>>,
  scratch: number,
): IntegerProductKernels {
  const checks = INTEGER_PRODUCT_CHECKS;
  return {
    gemmInt8(...args) {
      checks.gemmInt8(args);
      exports.gemmInt8(...args, scratch);
    },
    gemmInt8Scaled(...args) {
      checks.gemmInt8Scaled(args);
      exports.gemmInt8Scaled(...args, scratch);
    },
    gemmShift(...args) {
      checks.gemmShift(args);
      exports.gemmShift(...args, scratch);
    },
    gemmShiftScaled(...args) {
      checks.gemmShiftScaled(args);
      exports.gemmShiftScaled(...args, scratch);
    },
    mlsIntegers(...args) {
      checks.mlsIntegers(args);
      exports.mlsIntegers(...args);
    },
    gemmMls(...args) {
      checks.gemmMls(args);
      exports.gemmMls(...args, scratch);
    },
  };
}

type Check = (args: readonly number[]) => void;

/** What every backend checks before it computes, by kernel. @throws BitloomError as said in the interface */
export const INTEGER_PRODUCT_CHECKS: Readonly<Record<keyof IntegerProductKernels, Check>> = {
  gemmInt8: ([, , , , aM, aK, , bN, bK]) => checkStrides('gemmInt8', aM, aK, bN, bK),
  gemmInt8Scaled: ([, , , , aM, aK, , bN, bK]) => checkStrides('gemmInt8Scaled', aM, aK, bN, bK),
  gemmShift: (args) => checkShifted('gemmShift', args),
  gemmShiftScaled: (args) => checkShifted('gemmShiftScaled', args),
  mlsIntegers: ([exponentBits, mantissaBits]) => checkMlsElement(exponentBits, mantissaBits),
  gemmMls([group, scaleMantissa, , , , , aM, aK, , , , , bN, bK]) {
    checkMlsGroups(group, scaleMantissa);
    checkStrides('gemmMls', aM, aK, bN, bK);
  },
};

function checkShifted(kernel: string, args: readonly number[]): void {
  const [bitsA, bitsB, mostShift, , , K, , aM, aK, , bN, bK] = args;
  checkShift(kernel, bitsA, bitsB, mostShift, K);
  checkStrides(kernel, aM, aK, bN, bK);
}
