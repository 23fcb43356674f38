/**
 * The values of a tensor in the layout `canonical`, from its type and its components alone. One float32 scale per
 * element (see `quantize-scaled.ts`), then
 *
 *     value = fround(code · s)     fround((code − zero) · s)     fround(fround(code · s) + minimum)
 */
import { BitloomError, type ElementFormat } from '@bitloom/ir';
import { type CodeArray, decode } from '../elements/codes.js';
import { codeCount, codeError, decodeElement } from '../elements/decode-element.js';
import { codesFromBytes, rowBytes, unpackCodes } from '../layouts/codes.js';
import { checkLength } from '../layouts/group-shape.js';
import { type BlockGrid, blockGrid, forSegments, outerCells } from '../schemes/block-grid.js';
import { checkQuantizedType } from '../schemes/check-type.js';
import { componentOf, type FixedQuantizedType, type QuantizedTensor, rowsOf } from '../tensor.js';

const f = Math.fround;

/**
 * Bytes of each component that a type asks for in the layout `canonical`, exactly.
 *
 * @throws BitloomError `format-shape`, `quantized-type`
 */
export function canonicalComponents(type: FixedQuantizedType): Record<string, number> {
  checkQuantizedType(type);
  const { rows, cols } = rowsOf(type.shape);
  const out: Record<string, number> = { codes: rows * rowBytes(cols, type.element.bits) };
  type.scales.forEach(({ format, block, zero }, index) => {
    const { cells } = blockGrid(type.shape, block);
    const suffix = index === 0 ? '' : String(index);
    out[`scales${suffix}`] = cells * codeSize(format);
    if (zero !== undefined) out[`zeros${suffix}`] = cells * codeSize(zero.format);
  });
  if (type.indexMap !== undefined) out.index = type.shape[type.indexMap.axis];
  return out;
}

function codeSize({ bits }: ElementFormat): number {
  return bits <= 8 ? 1 : bits <= 16 ? 2 : 4;
}

/**
 * The float32 values of a tensor in the layout `canonical`.
 *
 * @param into row-major, as long as the tensor has elements; a new array by default
 * @throws BitloomError `quantized-type`, `format-shape`; `format-length` when a component or `into` has another length,
 *   `quantized-component-missing`, `quantized-index` for a group that is not there, `element-code` for a code that is
 *   not there, `scheme-nesting`
 */
export function dequantizeScaled(tensor: QuantizedTensor, into?: Float32Array): Float32Array {
  const { type, components } = tensor;
  for (const [name, bytes] of Object.entries(canonicalComponents(type))) {
    checkLength(`bytes of ${name}`, componentOf(tensor, name).length, bytes);
  }
  const { shape, element } = type;
  const { rows, cols } = rowsOf(shape);
  // Not before the components are there: a shape alone may ask for any amount of memory.
  const out = into ?? new Float32Array(rows * cols);
  checkLength('values', out.length, rows * cols);
  const grid = blockGrid(shape, type.scales[0].block);
  const scales = effectiveScales(tensor, grid);
  const zeros = zerosOf(tensor, grid);
  const minimum = type.scales[0].zero?.kind === 'minimum';
  const codes = unpackCodes(components.codes, rows, cols, element.bits);
  const value = element.bits <= 8 ? valueTable(element, codes) : undefined;
  const values = value === undefined ? decode(codes, element) : undefined;
  const factors = channelFactors(tensor);

  forSegments(rows, grid, (cell, start, end) => {
    const scale = scales[cell];
    const zero = zeros === undefined ? 0 : zeros[cell];
    const first = start % cols;
    for (let i = start; i < end; i += 1) {
      const code = value !== undefined ? value[codes[i]] : values !== undefined ? values[i] : 0;
      const factor = factors === undefined ? scale : f(scale * factors[first + i - start]);
      out[i] = minimum ? f(code * factor) + zero : (code - zero) * factor;
    }
  });
  return out;
}

/** Value of every code of a narrow element. */
function valueTable(element: ElementFormat, codes: CodeArray): Float32Array {
  const count = codeCount(element);
  if (count < 2 ** element.bits) {
    const bad = codes.findIndex((code) => code >= count);
    if (bad >= 0) throw codeError(codes[bad], element, `element ${bad}`);
  }
  return Float32Array.from({ length: count }, (_, code) => decodeElement(code, element));
}

/** Effective scale of each block of the first level. */
export function effectiveScales({ type, components }: QuantizedTensor, grid: BlockGrid): Float32Array {
  let scales = new Float32Array(0);
  let around: { readonly grid: BlockGrid; readonly scales: Float32Array } | undefined;
  for (let index = type.scales.length - 1; index >= 0; index -= 1) {
    const { format, block } = type.scales[index];
    const own = index === 0 ? grid : blockGrid(type.shape, block);
    const name = `scales${index === 0 ? '' : index}`;
    scales = new Float32Array(decode(codesFromBytes(components[name], own.cells, format, name), format));
    if (around !== undefined) {
      const parents = outerCells(type.shape, own, around.grid);
      const divides = type.scales[index + 1].direction === 'divide';
      for (let cell = 0; cell < own.cells; cell += 1) {
        const outer = around.scales[parents[cell]];
        scales[cell] = divides ? scales[cell] / outer : scales[cell] * outer;
      }
    }
    around = { grid: own, scales };
  }
  return scales;
}

/** Zero point or minimum of each block of the first level, as values. */
function zerosOf({ type, components }: QuantizedTensor, grid: BlockGrid): Float32Array | undefined {
  const [{ zero }] = type.scales;
  if (zero === undefined) return undefined;
  return decode(codesFromBytes(components.zeros, grid.cells, zero.format, 'zeros'), zero.format);
}

/** 2^−group of every channel of the last axis, for ShiftQuant. */
function channelFactors({ type, components }: QuantizedTensor): Float32Array | undefined {
  const { indexMap } = type;
  if (indexMap === undefined) return undefined;
  const { index } = components;
  const bad = index.findIndex((group) => group >= indexMap.groups);
  if (bad >= 0) {
    throw new BitloomError({
      code: 'quantized-index',
      message: 'a channel names a group that is not there',
      where: `channel ${bad}`,
      expected: `0..${indexMap.groups - 1}`,
      got: String(index[bad]),
    });
  }
  return Float32Array.from(index, (group) => 2 ** -group);
}
