/**
 * Kernels for a command: the backend that was asked for, and as many threads as were asked for or, where nobody said, as
 * many as the model gains from.
 */
import { availableParallelism } from 'node:os';
import { BitloomError, type Model } from '@bitloom/ir';
import { createKernels, type Kernels } from '@bitloom/kernels';
import { type NativeAbsence, nativeStatus } from '@bitloom/kernels-native';
import { type KernelsName, MOST_THREADS } from './kernel-names.js';

export interface KernelOptions {
  readonly threads?: number;
  readonly kernels?: KernelsName;
}

/**
 * Matrix elements from which on a model is shared among threads. Below, a product takes a few microseconds, which is
 * what it costs to call others.
 */
const SHARED_ELEMENTS = 2 ** 24;

/**
 * Matrix elements from which on native kernels are taken. A call of native code costs some hundred nanoseconds more than
 * one of WebAssembly, which is half of what the products of a very small model take.
 */
const NATIVE_ELEMENTS = 2 ** 20;

/**
 * Opens kernels for a model. The caller closes them.
 * @throws BitloomError `kernel-native-absent`, and what `createKernels` throws
 */
export function openKernels({ threads, kernels = 'auto' }: KernelOptions, model: Model): Kernels {
  const count = threads ?? usefulThreads(model);
  if (kernels === 'native') requireNative();
  if (kernels !== 'auto') return createKernels({ backend: kernels, threads: count });
  return matrixElements(model) < NATIVE_ELEMENTS ? createKernels({ threads: count }) : bestKernels(count);
}

/**
 * Native kernels where this machine has them, else WebAssembly: the same bits in integer schemes, and in float32 where the
 * engine has relaxed SIMD and fuses.
 */
function bestKernels(threads: number): Kernels {
  try {
    return createKernels({ backend: 'native', threads });
  } catch (error) {
    if (!(error instanceof BitloomError) || error.code !== 'kernel-native-absent') throw error;
    return createKernels({ threads });
  }
}

/** @throws BitloomError `kernel-native-absent`, in the words of the option */
function requireNative(): void {
  const status = nativeStatus();
  if (status.available) return;
  const { message, hint } = NATIVE_ABSENCES[status.absence];
  throw new BitloomError({
    code: 'kernel-native-absent',
    message,
    where: '--kernels native',
    got: status.reason,
    hint: `${hint}; without --kernels, WebAssembly is used`,
  });
}

const BUILD =
  'npm rebuild @bitloom/kernels-native (in a checkout: node packages/kernels-native/build-addon.mjs)';

/** What is said of each kind of absence. */
const NATIVE_ABSENCES: Readonly<Record<NativeAbsence, { readonly message: string; readonly hint: string }>> =
  {
    off: { message: 'native kernels are switched off', hint: 'unset BITLOOM_NATIVE' },
    'not-built': {
      message: 'native kernels have not been built',
      hint: `install a C++ compiler (g++ or clang++, or name one in CXX), then run ${BUILD}`,
    },
    'not-loaded': {
      message: 'native kernels cannot be loaded on this machine',
      hint: `build them here: ${BUILD}; where BITLOOM_NATIVE names an addon, correct or unset it`,
    },
  };

/** Threads that make a model no slower than one does. */
export function usefulThreads(model: Model, cores = availableParallelism()): number {
  return matrixElements(model) < SHARED_ELEMENTS ? 1 : Math.max(1, Math.min(cores, MOST_THREADS));
}

function matrixElements(model: Model): number {
  let elements = 0;
  for (const { type } of model.constants) {
    if (type.shape.length !== 2) continue;
    elements += type.shape.reduce<number>((n, size) => n * (typeof size === 'number' ? size : 1), 1);
  }
  return elements;
}
