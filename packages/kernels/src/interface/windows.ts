/** Kernels over windows of images. Conventions: see {@link Kernels}. */

/** `mode` of {@link Kernels.pooling}: the maximum. */
export const POOL_MAX = 0;
/** `mode` of {@link Kernels.pooling}: the mean. */
export const POOL_MEAN = 1;

/** Convolution and pooling. */
export interface WindowKernels {
  /**
   * Convolution of int8 pixels: out[y, x, f] = f32(int32 sum over the window) · scale[f].
   *
   * `input` int8 [height, width, channels]; pixels outside of the image count as 0. `weights` int8 [filters,
   * kernelHeight, kernelWidth, channels / groups]; filter f reads the channels of group floor(f · groups / filters).
   * `scale` float32 [filters]; `out` float32 [outHeight, outWidth, filters]. The window of output pixel (y, x) starts
   * at (y · strideHeight − padTop, x · strideWidth − padLeft) and steps by the dilation. The int32 sum must not wrap:
   * kernelHeight · kernelWidth · channels / groups ≤ 131072. Paddings may be negative.
   */
  convolution(
    height: number,
    width: number,
    channels: number,
    outHeight: number,
    outWidth: number,
    kernelHeight: number,
    kernelWidth: number,
    strideHeight: number,
    strideWidth: number,
    padTop: number,
    padLeft: number,
    dilationHeight: number,
    dilationWidth: number,
    filters: number,
    groups: number,
    input: number,
    weights: number,
    scale: number,
    out: number,
  ): void;

  /**
   * Pooling of int8 pixels [height, width, channels] to int8 [outHeight, outWidth, channels], windows placed as in
   * {@link Kernels.convolution}. mode {@link POOL_MAX}: the maximum; {@link POOL_MEAN}: the mean rounded to nearest
   * even. Only pixels inside the image count; a window without any gives 0.
   */
  pooling(
    height: number,
    width: number,
    channels: number,
    outHeight: number,
    outWidth: number,
    kernelHeight: number,
    kernelWidth: number,
    strideHeight: number,
    strideWidth: number,
    padTop: number,
    padLeft: number,
    dilationHeight: number,
    dilationWidth: number,
    mode: number,
    input: number,
    out: number,
  ): void;
}

/** Names of {@link WindowKernels}. */
export const WINDOW_KERNELS = ['convolution', 'pooling'] as const satisfies readonly (keyof WindowKernels)[];
