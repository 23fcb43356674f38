/** The convolutions of ResNet-50 for one image of 224 x 224, each shape once with how often it occurs (53 in all). */

/** [size of the input, channels, filters, kernel, stride, times] */
const LAYERS = [
  [224, 3, 64, 7, 2, 1],
  [56, 64, 64, 1, 1, 1],
  [56, 64, 64, 3, 1, 3],
  [56, 64, 256, 1, 1, 4],
  [56, 256, 64, 1, 1, 2],
  [56, 256, 128, 1, 1, 1],
  [56, 128, 128, 3, 2, 1],
  [28, 128, 512, 1, 1, 4],
  [56, 256, 512, 1, 2, 1],
  [28, 512, 128, 1, 1, 3],
  [28, 128, 128, 3, 1, 3],
  [28, 512, 256, 1, 1, 1],
  [28, 256, 256, 3, 2, 1],
  [14, 256, 1024, 1, 1, 6],
  [28, 512, 1024, 1, 2, 1],
  [14, 1024, 256, 1, 1, 5],
  [14, 256, 256, 3, 1, 5],
  [14, 1024, 512, 1, 1, 1],
  [14, 512, 512, 3, 2, 1],
  [7, 512, 2048, 1, 1, 3],
  [14, 1024, 2048, 1, 2, 1],
  [7, 2048, 512, 1, 1, 2],
  [7, 512, 512, 3, 1, 2],
];

/** Square images, kernels, strides and paddings; `operations` counts two per product, those with the padding too. */
export const RESNET50 = LAYERS.map(([size, channels, filters, kernel, stride, times]) => {
  const pad = kernel >> 1;
  const outSize = Math.floor((size + 2 * pad - kernel) / stride) + 1;
  return {
    name: `${kernel}x${kernel}${stride === 1 ? '' : `/${stride}`} ${channels}->${filters} @${size}`,
    ...{ size, channels, filters, kernel, stride, pad, outSize, times },
    operations: 2 * outSize * outSize * filters * kernel * kernel * channels,
  };
});
