/**
 * The four integer products of ONNX (MatMulInteger and ConvInteger of operator set 10, QLinearMatMul of 21, QLinearConv of
 * 10), slow and obvious: what such a node of an imported graph means. Row-major arrays in and out; the kernels that
 * models run on are in the other files of this folder.
 */
import { roundToInteger } from '@bitloom/formats';
import { BitloomError } from '@bitloom/ir';

const f = Math.fround;

/** 8-bit integers, row-major; `Int8Array` is ONNX int8, `Uint8Array` is uint8. */
export interface IntegerTensor {
  readonly data: Int8Array | Uint8Array;
  readonly shape: readonly number[];
}

/** Sums of products, row-major. They wrap at 32 bits. */
export interface IntegerSums {
  readonly data: Int32Array;
  readonly shape: readonly number[];
}

/** An {@link IntegerTensor} and what its codes stand for: (code − zeroPoint) · scale. */
export interface LinearTensor extends IntegerTensor {
  readonly scale: ArrayLike<number>;
  /** As many as scales. */
  readonly zeroPoint: ArrayLike<number>;
}

/** How the result of a `qLinear...` product is written. */
export interface LinearOutput {
  readonly type: 'int8' | 'uint8';
  readonly scale: number;
  readonly zeroPoint: number;
}

/** Attributes of a convolution; each list has one entry per spatial axis (pads: all begins, then all ends). */
export interface ConvolutionAttributes {
  readonly strides?: readonly number[];
  readonly dilations?: readonly number[];
  readonly pads?: readonly number[];
  readonly group?: number;
  /** In place of `pads`: as much padding as makes the output ceil(size / stride) long. */
  readonly autoPad?: 'same-upper' | 'same-lower' | 'valid';
}

/**
 * Sums over k of (a[…, i, k] − aZero) · (b[…, k, j] − bZero), with the shapes of numpy's `matmul`: leading axes are
 * broadcast, a vector is a row on the left and a column on the right.
 *
 * @param aZero One zero point, one per row i, or one per row of every matrix; none is 0.
 * @param bZero One zero point, one per column j, or one per column of every matrix.
 * @throws BitloomError `onnx-shape`.
 */
export function matMulInteger(
  a: IntegerTensor,
  b: IntegerTensor,
  aZero: ArrayLike<number> = [0],
  bZero: ArrayLike<number> = [0],
): IntegerSums {
  const plan = planMatMul(a, b);
  const { rows, columns, depth, matrices } = plan;
  const aAt = spread('zero points of a', aZero, rows, plan.aMatrices);
  const bAt = spread('zero points of b', bZero, columns, plan.bMatrices);
  const sums = new Int32Array(matrices.length * rows * columns);
  matrices.forEach(([aMatrix, bMatrix], matrix) => {
    for (let i = 0; i < rows; i += 1) {
      for (let j = 0; j < columns; j += 1) {
        const zeroOfA = aZero[aAt(aMatrix, i)];
        const zeroOfB = bZero[bAt(bMatrix, j)];
        let sum = 0;
        for (let k = 0; k < depth; k += 1) {
          const left = a.data[(aMatrix * rows + i) * depth + k] - zeroOfA;
          const right = b.data[(bMatrix * depth + k) * columns + j] - zeroOfB;
          sum = (sum + left * right) | 0;
        }
        sums[(matrix * rows + i) * columns + j] = sum;
      }
    }
  });
  return { data: sums, shape: plan.shape };
}

/**
 * {@link matMulInteger} brought to the codes of `output`: saturate(rne(sum · aScale · bScale / scale) + zeroPoint), in
 * float32 (the factor first). Scales and zero points of `a` by tensor or row, of `b` by tensor or column.
 *
 * @throws BitloomError `onnx-shape`.
 */
export function qLinearMatMul(a: LinearTensor, b: LinearTensor, output: LinearOutput): IntegerTensor {
  const plan = planMatMul(a, b);
  const { rows, columns, matrices } = plan;
  const aAt = spread('scales of a', a.scale, rows, plan.aMatrices);
  const bAt = spread('scales of b', b.scale, columns, plan.bMatrices);
  const { data: sums, shape } = matMulInteger(a, b, a.zeroPoint, b.zeroPoint);
  const data = newCodes(output, sums.length);
  matrices.forEach(([aMatrix, bMatrix], matrix) => {
    for (let i = 0; i < rows; i += 1) {
      for (let j = 0; j < columns; j += 1) {
        const at = (matrix * rows + i) * columns + j;
        const scale = f(f(a.scale[aAt(aMatrix, i)]) * f(b.scale[bAt(bMatrix, j)]));
        data[at] = requantize(sums[at], scale, output);
      }
    }
  });
  return { data, shape };
}

/**
 * Convolution of x [n, c, …spatial] with w [filters, c / group, …kernel] over any number of spatial axes, zero points
 * taken off first. Padding stands for x's zero point, so it adds nothing.
 *
 * @param xZero One zero point.
 * @param wZero One zero point, or one per filter.
 * @returns [n, filters, …spatial of the output].
 * @throws BitloomError `onnx-shape`.
 */
export function convInteger(
  x: IntegerTensor,
  w: IntegerTensor,
  attributes: ConvolutionAttributes = {},
  xZero: ArrayLike<number> = [0],
  wZero: ArrayLike<number> = [0],
): IntegerSums {
  const { group = 1 } = attributes;
  const [batch, channels, ...spatial] = x.shape;
  const [filters, perGroup, ...kernel] = w.shape;
  checkLength('x', x.data.length, x.shape);
  checkLength('w', w.data.length, w.shape);
  const grouped = perGroup * group === channels && filters % group === 0;
  if (!grouped || kernel.length !== spatial.length || spatial.length === 0) {
    throw shapeError('the kernel does not fit the image', `[filters, ${channels / group}, …]`, w.shape);
  }
  const windows = spatial.map((size, axis) => planAxis(size, kernel[axis], attributes, axis, spatial.length));
  const out = windows.map(({ outputs }) => outputs);
  const wAt = spread('zero points of w', wZero, filters, 1);
  if (xZero.length !== 1) throw shapeError('x has one zero point', '1', [xZero.length]);
  const pixels = product(spatial);
  const taps = positions(kernel);
  const sums = new Int32Array(batch * filters * product(out));
  let at = 0;
  for (let n = 0; n < batch; n += 1) {
    for (let filter = 0; filter < filters; filter += 1) {
      const firstChannel = Math.floor(filter / (filters / group)) * perGroup;
      const zeroOfW = wZero[wAt(0, filter)];
      for (const place of positions(out)) {
        let sum = 0;
        taps.forEach((tap, t) => {
          const pixel = pixelAt(place, tap, windows, spatial);
          if (pixel < 0) return;
          for (let c = 0; c < perGroup; c += 1) {
            const left = x.data[(n * channels + firstChannel + c) * pixels + pixel] - xZero[0];
            const right = w.data[(filter * perGroup + c) * taps.length + t] - zeroOfW;
            sum = (sum + left * right) | 0;
          }
        });
        sums[at] = sum;
        at += 1;
      }
    }
  }
  return { data: sums, shape: [batch, filters, ...out] };
}

/**
 * {@link convInteger} plus a bias, brought to the codes of `output` as in {@link qLinearMatMul}. Scales and zero
 * points of `w` by tensor or filter.
 *
 * @param bias One int32 per filter, in units of xScale · wScale.
 * @throws BitloomError `onnx-shape`.
 */
export function qLinearConv(
  x: LinearTensor,
  w: LinearTensor,
  output: LinearOutput,
  attributes: ConvolutionAttributes = {},
  bias?: Int32Array,
): IntegerTensor {
  const { data: sums, shape } = convInteger(x, w, attributes, x.zeroPoint, w.zeroPoint);
  const [batch, filters, ...out] = shape;
  if (x.scale.length !== 1) throw shapeError('x has one scale', '1', [x.scale.length]);
  if (bias !== undefined && bias.length !== filters)
    throw shapeError('there is one bias per filter', String(filters), [bias.length]);
  const wAt = spread('scales of w', w.scale, filters, 1);
  const data = newCodes(output, sums.length);
  const pixels = product(out);
  for (let plane = 0; plane < batch * filters; plane += 1) {
    const filter = plane % filters;
    const scale = f(f(x.scale[0]) * f(w.scale[wAt(0, filter)]));
    for (let pixel = 0; pixel < pixels; pixel += 1) {
      const at = plane * pixels + pixel;
      data[at] = requantize((sums[at] + (bias?.[filter] ?? 0)) | 0, scale, output);
    }
  }
  return { data, shape };
}

function requantize(sum: number, scale: number, output: LinearOutput): number {
  const factor = f(scale / f(output.scale));
  const rounded = roundToInteger(f(f(sum) * factor), 'nearest-even') + output.zeroPoint;
  const min = output.type === 'int8' ? -128 : 0;
  return Math.min(Math.max(rounded, min), min + 255);
}

function newCodes({ type }: LinearOutput, length: number): Int8Array | Uint8Array {
  return type === 'int8' ? new Int8Array(length) : new Uint8Array(length);
}

interface MatMulPlan {
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  readonly shape: readonly number[];
  readonly aMatrices: number;
  readonly bMatrices: number;
  /** For each matrix of the result, the matrices of a and b it is made of. */
  readonly matrices: readonly (readonly [number, number])[];
}

function planMatMul(a: IntegerTensor, b: IntegerTensor): MatMulPlan {
  checkLength('a', a.data.length, a.shape);
  checkLength('b', b.data.length, b.shape);
  const aShape = a.shape.length === 1 ? [1, ...a.shape] : a.shape;
  const bShape = b.shape.length === 1 ? [...b.shape, 1] : b.shape;
  const [rows, depth] = aShape.slice(-2);
  const [bDepth, columns] = bShape.slice(-2);
  if (aShape.length < 2 || bShape.length < 2 || depth !== bDepth) {
    throw shapeError('the matrices do not fit', `b [..., ${depth}, columns]`, b.shape);
  }
  const aOuter = aShape.slice(0, -2);
  const bOuter = bShape.slice(0, -2);
  const outer = broadcast(aOuter, bOuter);
  const matrices = positions(outer).map(
    (place) => [offsetOf(place, aOuter), offsetOf(place, bOuter)] as const,
  );
  const shape = [
    ...outer,
    ...(a.shape.length === 1 ? [] : [rows]),
    ...(b.shape.length === 1 ? [] : [columns]),
  ];
  return { rows, columns, depth, shape, aMatrices: product(aOuter), bMatrices: product(bOuter), matrices };
}

/** Shape to which both are broadcast, aligned at their last axes. */
function broadcast(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const left = a[axis - rank + a.length] ?? 1;
    const right = b[axis - rank + b.length] ?? 1;
    if (left !== right && left !== 1 && right !== 1)
      throw shapeError('leading axes do not broadcast', String(a), b);
    return left === 1 ? right : left;
  });
}

/** Row-major offset of a broadcast place in `shape`. */
function offsetOf(place: readonly number[], shape: readonly number[]): number {
  return shape.reduce((offset, size, axis) => {
    const index = place[axis + place.length - shape.length];
    return offset * size + (size === 1 ? 0 : index);
  }, 0);
}

/** Every index of a box of `shape`, in row-major order; one empty index for no axes. */
function positions(shape: readonly number[]): number[][] {
  return shape.reduce<number[][]>(
    (places, size) =>
      places.flatMap((place) => Array.from({ length: size }, (_, index) => [...place, index])),
    [[]],
  );
}

/** Where the parameter of (matrix, index) lies: one for all, one per index, or one per matrix and index. */
function spread(
  where: string,
  parameters: ArrayLike<number>,
  count: number,
  matrices: number,
): (matrix: number, index: number) => number {
  if (parameters.length === 1) return () => 0;
  if (parameters.length === count) return (_matrix, index) => index;
  if (parameters.length === count * matrices) return (matrix, index) => matrix * count + index;
  throw shapeError(`${where} do not fit`, `1, ${count} or ${count * matrices}`, [parameters.length]);
}

interface AxisWindow {
  readonly outputs: number;
  readonly stride: number;
  readonly dilation: number;
  readonly begin: number;
}

function planAxis(
  size: number,
  kernel: number,
  { strides, dilations, pads, autoPad }: ConvolutionAttributes,
  axis: number,
  axes: number,
): AxisWindow {
  const stride = strides?.[axis] ?? 1;
  const dilation = dilations?.[axis] ?? 1;
  const reach = (kernel - 1) * dilation + 1;
  if (autoPad === 'same-upper' || autoPad === 'same-lower') {
    const outputs = Math.ceil(size / stride);
    const padding = Math.max(0, (outputs - 1) * stride + reach - size);
    const begin = autoPad === 'same-upper' ? Math.floor(padding / 2) : Math.ceil(padding / 2);
    return { outputs, stride, dilation, begin };
  }
  const begin = autoPad === 'valid' ? 0 : (pads?.[axis] ?? 0);
  const end = autoPad === 'valid' ? 0 : (pads?.[axis + axes] ?? 0);
  const outputs = Math.max(0, Math.floor((size + begin + end - reach) / stride) + 1);
  return { outputs, stride, dilation, begin };
}

/** Row-major offset of the pixel under a tap of the window at `place`, or −1 in the padding. */
function pixelAt(
  place: readonly number[],
  tap: readonly number[],
  windows: readonly AxisWindow[],
  spatial: readonly number[],
): number {
  let offset = 0;
  for (let axis = 0; axis < spatial.length; axis += 1) {
    const { stride, dilation, begin } = windows[axis];
    const index = place[axis] * stride - begin + tap[axis] * dilation;
    if (index < 0 || index >= spatial[axis]) return -1;
    offset = offset * spatial[axis] + index;
  }
  return offset;
}

function product(shape: readonly number[]): number {
  return shape.reduce((all, size) => all * size, 1);
}

function checkLength(where: string, length: number, shape: readonly number[]): void {
  if (length !== product(shape)) throw shapeError(`${where} does not fill its shape`, `[${shape}]`, [length]);
}

function shapeError(message: string, expected: string, got: readonly number[]): BitloomError {
  return new BitloomError({ code: 'onnx-shape', message, expected, got: `[${got}]` });
}
