/** Kernels over image windows: int8 convolution and pooling, NHWC. Slow and obvious; they define the result. */
import { roundToInteger } from '@bitloom/formats';
import type { Arena } from '../arena.js';
import { POOL_MAX, type WindowKernels } from '../interface/windows.js';

/** Calls `visit(y, x, ky, kx)` for every position of a window that lies inside the image. */
function forWindow(
  image: { readonly height: number; readonly width: number },
  window: {
    readonly top: number;
    readonly left: number;
    readonly height: number;
    readonly width: number;
    readonly stepY: number;
    readonly stepX: number;
  },
  visit: (y: number, x: number, ky: number, kx: number) => void,
): void {
  for (let ky = 0; ky < window.height; ky++) {
    const y = window.top + ky * window.stepY;
    if (y < 0 || y >= image.height) continue;
    for (let kx = 0; kx < window.width; kx++) {
      const x = window.left + kx * window.stepX;
      if (x >= 0 && x < image.width) visit(y, x, ky, kx);
    }
  }
}

export function windowKernels(arena: Arena): WindowKernels {
  return {
    convolution(
      height,
      width,
      channels,
      outHeight,
      outWidth,
      kernelHeight,
      kernelWidth,
      strideHeight,
      strideWidth,
      padTop,
      padLeft,
      dilationHeight,
      dilationWidth,
      filters,
      groups,
      input,
      weights,
      scale,
      out,
    ) {
      const { i8, f32 } = arena;
      const perGroup = channels / groups;
      for (let y = 0; y < outHeight; y++) {
        for (let x = 0; x < outWidth; x++) {
          const window = {
            top: y * strideHeight - padTop,
            left: x * strideWidth - padLeft,
            height: kernelHeight,
            width: kernelWidth,
            stepY: dilationHeight,
            stepX: dilationWidth,
          };
          for (let f = 0; f < filters; f++) {
            const firstChannel = Math.floor((f * groups) / filters) * perGroup;
            let sum = 0;
            forWindow({ height, width }, window, (row, column, ky, kx) => {
              const pixel = input + (row * width + column) * channels + firstChannel;
              const tap = weights + ((f * kernelHeight + ky) * kernelWidth + kx) * perGroup;
              for (let c = 0; c < perGroup; c++) sum += i8[pixel + c] * i8[tap + c];
            });
            f32[out / 4 + (y * outWidth + x) * filters + f] = Math.fround(
              Math.fround(sum) * f32[scale / 4 + f],
            );
          }
        }
      }
    },

    pooling(
      height,
      width,
      channels,
      outHeight,
      outWidth,
      kernelHeight,
      kernelWidth,
      strideHeight,
      strideWidth,
      padTop,
      padLeft,
      dilationHeight,
      dilationWidth,
      mode,
      input,
      out,
    ) {
      const { i8 } = arena;
      for (let y = 0; y < outHeight; y++) {
        for (let x = 0; x < outWidth; x++) {
          const window = {
            top: y * strideHeight - padTop,
            left: x * strideWidth - padLeft,
            height: kernelHeight,
            width: kernelWidth,
            stepY: dilationHeight,
            stepX: dilationWidth,
          };
          for (let c = 0; c < channels; c++) {
            let [sum, largest, count] = [0, -128, 0];
            forWindow({ height, width }, window, (row, column) => {
              const value = i8[input + (row * width + column) * channels + c];
              sum += value;
              largest = Math.max(largest, value);
              count++;
            });
            const pooled = mode === POOL_MAX ? largest : roundToInteger(sum / count, 'nearest-even');
            i8[out + (y * outWidth + x) * channels + c] = count === 0 ? 0 : pooled;
          }
        }
      }
    },
  };
}
