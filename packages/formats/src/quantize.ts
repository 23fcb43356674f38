/**
 * `quantize` and `dequantize`: any scheme, any layout, one form of result. They choose the code for a layout and check
 * nothing twice; a bundle that needs one family imports that family's function instead.
 */
import { BANDED_LAYOUT, BitloomError, bandComponent, bandMatrices, type TensorScheme } from '@bitloom/ir';
import { dequantizeFast, quantizeFast } from './fast/scheme-path.js';
import { GGML_BLOCK_SIZES, type GgmlBlockName } from './ggml/block-sizes.js';
import { decodeGgmlBlocks, encodeGgmlBlocks } from './ggml/ggml-blocks.js';
import { checkLength } from './layouts/group-shape.js';
import { canonicalComponents, dequantizeScaled } from './scaled/dequantize-scaled.js';
import { finiteValues } from './scaled/finite-values.js';
import { type QuantizeOptions, quantizeScaled } from './scaled/quantize-scaled.js';
import { quantizeShifted } from './scaled/quantize-shifted.js';
import { describe } from './schemes/describe.js';
import { ggmlLayoutName, ggmlScheme } from './schemes/ggml-scheme.js';
import { schemeType } from './schemes/scheme-type.js';
import { isNmLayout, nmComponents, unpackNmTensor } from './sparsity/nm-tensor.js';
import {
  checkShape,
  componentOf,
  elementsOf,
  type FixedQuantizedType,
  type QuantizedTensor,
  rowsOf,
  type Tensor,
} from './tensor.js';

/**
 * A tensor as codes under a scheme.
 *
 * @param tensor float32, row-major; [rows, cols] for weights, any rank in general
 * @returns the type and the component bytes, as a constant of a model holds them
 * @throws BitloomError `scheme-invalid`, `scheme-rule-unknown`, `scheme-rank`, `scheme-nesting`, `scheme-ragged` when a
 *   layout of whole blocks does not divide the last axis, `scheme-layout` for a layout without an encoder,
 *   `quantize-not-finite`, `quantize-scale-overflow`, `format-shape`, `format-length`
 */
export function quantize(
  tensor: Tensor,
  scheme: TensorScheme,
  options: QuantizeOptions = {},
): QuantizedTensor {
  const block = ggmlLayoutName(scheme.layout);
  if (block !== undefined) return quantizeBlocks(tensor, scheme, block);
  if (scheme.layout !== 'canonical') throw unknownLayout(scheme.layout);
  if (scheme.shiftGroups !== undefined) return quantizeShifted(tensor, scheme, scheme.shiftGroups, options);
  // Fast paths divide.
  const components = scheme.quotient === 'reciprocal' ? undefined : quantizeFast(tensor, scheme);
  if (components === undefined) return quantizeScaled(tensor, scheme, options);
  return { type: schemeType(scheme, tensor.shape), components };
}

/**
 * The float32 values of a quantised tensor, row-major.
 *
 * A value past the largest float32 is an infinity: of values within half a step of it the nearest may lie beyond.
 *
 * @param out as long as the tensor has elements; a new array by default
 * @throws BitloomError `format-length`, `format-shape`, `quantized-type`, `quantized-component-missing`,
 *   `quantized-index`, `element-code`, `scheme-nesting`, `scheme-ragged`, `scheme-layout`, `sparsity-shape`,
 *   `sparsity-packed`. Nothing is allocated for a type whose components are not there.
 */
export function dequantize(tensor: QuantizedTensor, out?: Float32Array): Float32Array {
  const block = ggmlLayoutName(tensor.type.layout);
  if (block !== undefined) {
    const blocks = componentOf(tensor, 'blocks');
    checkLength('bytes of blocks', blocks.length, componentBytes(tensor.type).blocks);
    return decodeGgmlBlocks(block, blocks, out);
  }
  if (isNmLayout(tensor.type)) return dequantize(unpackNmTensor(tensor), out);
  if (tensor.type.bands !== undefined) return dequantizeBands(tensor, out);
  if (tensor.type.layout !== 'canonical') throw unknownLayout(tensor.type.layout);
  const lengths = componentBytes(tensor.type);
  const isWhole = Object.entries(lengths).every(([name, bytes]) => tensor.components[name]?.length === bytes);
  // What does not fit together is for the definition to refuse, before anything is allocated.
  if (!isWhole) return dequantizeScaled(tensor, out);
  const values = out ?? new Float32Array(elementsOf(tensor.type.shape));
  return dequantizeFast(tensor, values) ? values : dequantizeScaled(tensor, values);
}

/**
 * Exact bytes of every component of a type, by name.
 *
 * @throws BitloomError `scheme-layout`, `scheme-ragged`, `quantized-type`, `format-shape`, `sparsity-shape`
 */
export function componentBytes(type: FixedQuantizedType): Record<string, number> {
  const block = ggmlLayoutName(type.layout);
  if (block === undefined) {
    if (isNmLayout(type)) return nmComponents(type);
    if (type.bands !== undefined) return bandedComponents(type);
    if (type.layout !== 'canonical') throw unknownLayout(type.layout);
    return canonicalComponents(type);
  }
  checkShape(type.shape);
  requireWholeBlocks(block, type.shape);
  const { elements, bytes } = GGML_BLOCK_SIZES[block];
  return { blocks: (elementsOf(type.shape) / elements) * bytes };
}

/** Components of all bands, which are those of matrices of their own with the number of the band before their names. */
function bandedComponents(type: FixedQuantizedType): Record<string, number> {
  checkBands(type);
  return Object.fromEntries(
    fixedBands(type).flatMap((band, index) =>
      Object.entries(componentBytes(band.type)).map(([name, bytes]) => [bandComponent(name, index), bytes]),
    ),
  );
}

/** The values of a matrix in bands, each of which is dequantised by itself. */
function dequantizeBands(tensor: QuantizedTensor, out?: Float32Array): Float32Array {
  const { type } = tensor;
  for (const [name, bytes] of Object.entries(bandedComponents(type))) {
    checkLength(`bytes of ${name}`, componentOf(tensor, name).length, bytes);
  }
  const [rows, cols] = type.shape;
  const values = out ?? new Float32Array(rows * cols);
  checkLength('values', values.length, rows * cols);
  for (const [index, band] of fixedBands(type).entries()) {
    const components = Object.fromEntries(
      Object.keys(componentBytes(band.type)).map((name) => [
        name,
        componentOf(tensor, bandComponent(name, index)),
      ]),
    );
    const own = dequantize({ type: band.type, components });
    for (let row = 0; row < rows; row += 1) {
      values.set(own.subarray(row * band.cols, (row + 1) * band.cols), row * cols + band.start);
    }
  }
  return values;
}

function fixedBands(type: FixedQuantizedType): { start: number; cols: number; type: FixedQuantizedType }[] {
  return bandMatrices(type).map(({ start, cols, type: own }) => ({
    start,
    cols,
    type: { ...own, shape: [type.shape[0], cols] },
  }));
}

/** @throws BitloomError `quantized-type` unless bands are the columns of a matrix, without bands in them */
function checkBands({ shape, bands = [] }: FixedQuantizedType): void {
  checkShape(shape);
  const sum = bands.reduce((columns, { cols }) => columns + cols, 0);
  if (shape.length === 2 && sum === shape[1] && bands.every(({ layout }) => layout !== BANDED_LAYOUT)) return;
  throw new BitloomError({
    code: 'quantized-type',
    message: 'this quantised type says nothing that could be read in bands',
    where: 'bands',
    expected: 'bands that are the columns of a matrix',
    got: `${bands.map(({ cols }) => cols).join(' + ')} of [${shape.join(', ')}]`,
  });
}

function quantizeBlocks(tensor: Tensor, scheme: TensorScheme, block: GgmlBlockName): QuantizedTensor {
  const { data, shape } = tensor;
  requireOwnScheme(block, scheme);
  checkShape(shape);
  checkLength('values', data.length, elementsOf(shape));
  requireWholeBlocks(block, shape);
  // The encoder refuses what is not finite by itself.
  const values = scheme.nan === 'throw' ? data : finiteValues(data, scheme.nan, shape);
  return { type: schemeType(scheme, shape), components: { blocks: encodeGgmlBlocks(block, values) } };
}

/** GGML's algorithm is the only one of a block format: a scheme that asks for another would not get it. */
function requireOwnScheme(block: GgmlBlockName, scheme: TensorScheme): void {
  const expected = describe(ggmlScheme(block)).text;
  const got = describe(scheme).text;
  if (got === expected) return;
  throw new BitloomError({
    code: 'scheme-invalid',
    message: `the scheme '${scheme.name}' contradicts itself`,
    where: `layout ${scheme.layout}`,
    expected,
    got,
  });
}

function requireWholeBlocks(block: GgmlBlockName, shape: readonly number[]): void {
  const { elements } = GGML_BLOCK_SIZES[block];
  const { cols } = rowsOf(shape);
  if (cols % elements === 0) return;
  throw new BitloomError({
    code: 'scheme-ragged',
    message: `rows of this length are not whole blocks of ${block}`,
    where: `shape [${shape.join(', ')}]`,
    expected: `a multiple of ${elements} columns`,
    got: String(cols),
    hint: 'fall back to a format with smaller blocks for this tensor, or keep it in floating point',
  });
}

function unknownLayout(layout: string): BitloomError {
  return new BitloomError({
    code: 'scheme-layout',
    message: 'no tensor can be brought into this layout, or out of it, by itself',
    expected: `canonical, nm. with groups and blocks, or ggml. and one of ${Object.keys(GGML_BLOCK_SIZES).join(', ')}`,
    got: layout,
    hint: 'layouts of kernels are made from canonical ones: packRows16, unpackRows16',
  });
}
