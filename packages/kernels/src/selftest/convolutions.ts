/** Self-test cases of convolutions and pooling for training. */
import type { ConvolutionKernels, ConvolutionShape, PoolingShape } from '../interface/convolutions.js';
import { POOL_MAX, POOL_MEAN } from '../interface/windows.js';
import type { SelfTestCases } from './places.js';

/** Two images of 5 x 4 pixels of 6 channels in two groups, 10 filters of 3 x 2, stride 2 x 1, padding. */
const GROUPED: ConvolutionShape = [2, 5, 4, 6, 3, 4, 3, 2, 2, 1, 1, 1, 1, 1, 10, 2];
/** One image of 5 x 4 pixels of 9 channels, each with a filter of its own. */
const DEPTHWISE: ConvolutionShape = [1, 5, 4, 9, 5, 4, 3, 3, 1, 1, 1, 1, 1, 1, 9, 9];
/** Room for the first result. */
const SECOND = 2048;

const pooling = (mode: number): PoolingShape => [2, 5, 4, 7, 3, 4, 3, 2, 2, 1, 1, 1, 1, 1, mode];

/** Both shapes, over bytes or over the small whole floats, so that every order of summation gives the same float. */
function twice(
  kernel: keyof ConvolutionKernels,
  place: 'bytes' | 'ids',
): (
  kernels: ConvolutionKernels,
  places: { readonly bytes: number; readonly ids: number; readonly out: number },
) => void {
  const second = place === 'bytes' ? 1024 : 2048;
  return (kernels, places) => {
    const run: (...args: number[]) => void = kernels[kernel];
    const at = places[place] + (place === 'ids' ? 16 : 0);
    run(...GROUPED, at, at + second, places.out);
    run(...DEPTHWISE, at, at + second, places.out + SECOND);
  };
}

export const CONVOLUTION_CASES: SelfTestCases<ConvolutionKernels> = {
  convolutionInt8(k, p) {
    twice('convolutionInt8', 'bytes')(k, p);
    k.convolutionInt8(...GROUPED, p.rectified, p.bytes, p.out + 2 * SECOND);
  },
  convolutionInputGradientInt8: twice('convolutionInputGradientInt8', 'bytes'),
  convolutionWeightGradientInt8: twice('convolutionWeightGradientInt8', 'bytes'),
  convolutionF32: twice('convolutionF32', 'ids'),
  convolutionInputGradientF32: twice('convolutionInputGradientF32', 'ids'),
  convolutionWeightGradientF32: twice('convolutionWeightGradientF32', 'ids'),
  poolingF32(k, p) {
    k.poolingF32(...pooling(POOL_MAX), p.floats, p.out);
    k.poolingF32(...pooling(POOL_MEAN), p.floats, p.out + SECOND);
  },
  poolingGradientF32(k, p) {
    k.poolingGradientF32(...pooling(POOL_MAX), p.floats, p.floats + 2048, p.out);
    k.poolingGradientF32(...pooling(POOL_MEAN), p.floats, p.floats + 2048, p.out + SECOND);
  },
};
