/** Everything the families `windows` and `convolutions` emit, and their kernels as callers see them. */
import type { ModuleBuilder, WasmFunction } from '@bitloom/wasm';
import type { Features } from '../features.js';
import type { ConvolutionKernels } from '../interface/convolutions.js';
import type { WindowKernels } from '../interface/windows.js';
import type { NumericKernel } from '../kernels.js';
import { CONVOLUTION_CALLS, WINDOW_CALLS } from '../parallel/convolution-calls.js';
import { emitGather } from './convolution-gather.js';
import { float32, INT7, INT8 } from './convolution-tile.js';
import { emitWeightGradient } from './convolution-weight-gradient.js';
import { emitPoolingF32, emitPoolingGradientF32, emitPoolingInt8 } from './pooling.js';

export function emitWindows(module: ModuleBuilder, { relaxedSimd }: Features): void {
  emitGather(module, INT8, ['convolution'], relaxedSimd ? INT7 : undefined);
  emitPoolingInt8(module);
}

export function emitConvolutions(module: ModuleBuilder, features: Features): void {
  const F32 = float32(features);
  const bytes = features.relaxedSimd ? INT7 : undefined;
  emitGather(module, INT8, ['convolutionInt8', 'convolutionInputGradientInt8'], bytes);
  emitGather(module, F32, ['convolutionF32', 'convolutionInputGradientF32']);
  emitWeightGradient(module, INT8, 'convolutionWeightGradientInt8');
  emitWeightGradient(module, F32, 'convolutionWeightGradientF32');
  emitPoolingF32(module);
  emitPoolingGradientF32(module);
}

type Exports = Readonly<Record<string, WasmFunction>>;

/** The kernel `name`: its calls one after the other. */
function run(
  exports: Exports,
  name: string,
  calls: { readonly whole: (args: readonly number[]) => number[][] },
  scratch: number,
): NumericKernel {
  const exported = exports[name];
  return (...args) => {
    for (const call of calls.whole(args)) exported(...call, scratch);
  };
}

export function bindWindows(exports: Exports, scratch: number): WindowKernels {
  const bound = (name: keyof WindowKernels): NumericKernel => run(exports, name, WINDOW_CALLS[name], scratch);
  return { convolution: bound('convolution'), pooling: bound('pooling') };
}

export function bindConvolutions(exports: Exports, scratch: number): ConvolutionKernels {
  const bound = (name: keyof ConvolutionKernels): NumericKernel =>
    run(exports, name, CONVOLUTION_CALLS[name], scratch);
  return {
    convolutionInt8: bound('convolutionInt8'),
    convolutionInputGradientInt8: bound('convolutionInputGradientInt8'),
    convolutionWeightGradientInt8: bound('convolutionWeightGradientInt8'),
    convolutionF32: bound('convolutionF32'),
    convolutionInputGradientF32: bound('convolutionInputGradientF32'),
    convolutionWeightGradientF32: bound('convolutionWeightGradientF32'),
    poolingF32: bound('poolingF32'),
    poolingGradientF32: bound('poolingGradientF32'),
  };
}
