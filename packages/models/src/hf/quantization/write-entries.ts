/**
 * The tensors of a quantised module as each tool names and shapes them: from the neutral form of `formats` to entries
 * of a safetensors file. The inverse of the readers beside it.
 */
import {
  type HqqShape,
  hqqLayout,
  type PackedLinear,
  type StoredFloats,
  type StoredFormat,
  writeAwq,
  writeFp4,
  writeFp8,
  writeGptq,
  writeHqq,
  writePackQuantized,
  writePlainIntegers,
} from '@bitloom/formats';
import type { SafetensorsEntry } from '../../safetensors/writer.js';

/** Type of each format of stored floats in a file. */
const FLOAT_TYPES: Readonly<Record<StoredFormat, SafetensorsEntry['dtype']>> = {
  fp32: 'F32',
  fp16: 'F16',
  bf16: 'BF16',
  fp8_e4m3fn: 'F8_E4M3',
  e8m0: 'U8',
};

function entry(
  name: string,
  dtype: SafetensorsEntry['dtype'],
  shape: readonly number[],
  array: ArrayBufferView,
): SafetensorsEntry {
  return { name, dtype, shape, data: new Uint8Array(array.buffer, array.byteOffset, array.byteLength) };
}

function floats(name: string, shape: readonly number[], stored: StoredFloats): SafetensorsEntry {
  return entry(name, FLOAT_TYPES[stored.format], shape, stored.data);
}

/**
 * Tensors of a GPTQ module.
 * @throws BitloomError what `writeGptq` throws
 */
export function gptqEntries(module: string, packed: PackedLinear, version: 1 | 2): SafetensorsEntry[] {
  const { rows, cols, element } = packed;
  const tensors = writeGptq(packed, version);
  const groups = tensors.scales.data.length / rows;
  return [
    entry(`${module}.g_idx`, 'I32', [cols], tensors.groupIndex),
    entry(`${module}.qweight`, 'I32', [(cols * element.bits) / 32, rows], tensors.qweight),
    entry(`${module}.qzeros`, 'I32', [groups, (rows * element.bits) / 32], tensors.qzeros),
    floats(`${module}.scales`, [groups, rows], tensors.scales),
  ];
}

/**
 * Tensors of an AWQ module.
 * @throws BitloomError what `writeAwq` throws
 */
export function awqEntries(module: string, packed: PackedLinear): SafetensorsEntry[] {
  const { rows, cols } = packed;
  const tensors = writeAwq(packed);
  const groups = tensors.scales.data.length / rows;
  return [
    entry(`${module}.qweight`, 'I32', [cols, rows / 8], tensors.qweight),
    entry(`${module}.qzeros`, 'I32', [groups, rows / 8], tensors.qzeros),
    floats(`${module}.scales`, [groups, rows], tensors.scales),
  ];
}

/** Shape of the scales of compressed-tensors. */
function scaleShape({ rows, cols, groups, scales }: PackedLinear): number[] {
  if (groups.kind === 'blocks') {
    const across = Math.ceil(cols / groups.blockCols);
    // One scale for all is stored as one element.
    return scales.length === 1 ? [1] : [scales.length / across, across];
  }
  return [rows, scales.length / rows];
}

/**
 * Tensors of a `pack-quantized` module.
 * @throws BitloomError what `writePackQuantized` throws
 */
export function packQuantizedEntries(module: string, packed: PackedLinear): SafetensorsEntry[] {
  const { rows, cols } = packed;
  const { packed: words, scales, zeroPoints, groupIndex } = writePackQuantized(packed);
  const shape = scaleShape(packed);
  const zeros = ((): SafetensorsEntry[] => {
    if (zeroPoints === undefined) return [];
    const name = `${module}.weight_zero_point`;
    if (zeroPoints instanceof Int8Array) return [entry(name, 'I8', shape, zeroPoints)];
    return [entry(name, 'I32', [zeroPoints.length / shape[1], shape[1]], zeroPoints)];
  })();
  return [
    ...(groupIndex === undefined ? [] : [entry(`${module}.weight_g_idx`, 'I32', [cols], groupIndex)]),
    entry(`${module}.weight_packed`, 'I32', [rows, words.length / rows], words),
    floats(`${module}.weight_scale`, shape, scales),
    entry(`${module}.weight_shape`, 'I64', [2], BigInt64Array.of(BigInt(rows), BigInt(cols))),
    ...zeros,
  ];
}

/**
 * Tensors of an `int-quantized` module.
 * @throws BitloomError what `writePlainIntegers` throws
 */
export function plainIntegerEntries(module: string, packed: PackedLinear): SafetensorsEntry[] {
  const { codes, scales, zeroPoints, groupIndex } = writePlainIntegers(packed);
  const shape = scaleShape(packed);
  return [
    entry(`${module}.weight`, 'I8', [packed.rows, packed.cols], codes),
    ...(groupIndex === undefined ? [] : [entry(`${module}.weight_g_idx`, 'I32', [packed.cols], groupIndex)]),
    floats(`${module}.weight_scale`, shape, scales),
    ...(zeroPoints === undefined ? [] : [entry(`${module}.weight_zero_point`, 'I8', shape, zeroPoints)]),
  ];
}

/**
 * Tensors of a `float-quantized` module.
 * @throws BitloomError what `writeFp8` throws
 */
export function fp8Entries(module: string, packed: PackedLinear): SafetensorsEntry[] {
  const { codes, scales } = writeFp8(packed);
  return [
    entry(`${module}.weight`, 'F8_E4M3', [packed.rows, packed.cols], codes),
    floats(`${module}.weight_scale`, scaleShape(packed), scales),
  ];
}

/**
 * Tensors of an NVFP4 or MXFP4 module.
 * @throws BitloomError what `writeFp4` throws
 */
export function fp4Entries(module: string, packed: PackedLinear): SafetensorsEntry[] {
  const { packed: bytes, scales, tensorDivisor } = writeFp4(packed);
  return [
    ...(tensorDivisor === undefined
      ? []
      : [entry(`${module}.weight_global_scale`, 'F32', [1], Float32Array.of(tensorDivisor))]),
    entry(`${module}.weight_packed`, 'U8', [packed.rows, packed.cols / 2], bytes),
    floats(`${module}.weight_scale`, scaleShape(packed), scales),
  ];
}

/**
 * Tensors of an HQQ module, with the small ones that say how it was made.
 * @throws BitloomError what `writeHqq` throws
 */
export function hqqEntries(module: string, packed: PackedLinear): SafetensorsEntry[] {
  const tensors = writeHqq(packed);
  const layout = hqqLayout(tensors.shape);
  return [
    entry(`${module}.W_q`, layout.wide ? 'I32' : 'U8', layout.packedShape, tensors.packed),
    floats(`${module}.scale`, layout.scaleShape, tensors.scales),
    floats(`${module}.zero`, layout.scaleShape, tensors.zeros),
    ...hqqFacts(tensors.shape, layout.packing, layout.wide, tensors.scales.format).map(
      ([name, dtype, shape, data]) => entry(`${module}.${name}`, dtype, shape, data),
    ),
  ];
}

type Fact = [string, SafetensorsEntry['dtype'], readonly number[], ArrayBufferView];

function hqqFacts(
  { rows, cols, bits, groupSize, axis }: HqqShape,
  packing: string,
  wide: boolean,
  scaleFormat: StoredFormat,
): Fact[] {
  const text = (name: string, value: string): Fact => [
    name,
    'U8',
    [value.length],
    Uint8Array.from(value, (char) => char.charCodeAt(0)),
  ];
  const flag = (name: string, value: boolean): Fact => [name, 'U8', [], Uint8Array.of(value ? 1 : 0)];
  const integer = (name: string, value: number): Fact => [name, 'I32', [], Int32Array.of(value)];
  const dtype = { fp32: 'torch.float32', fp16: 'torch.float16', bf16: 'torch.bfloat16' };
  return [
    integer('axis', axis),
    flag('channel_wise', true),
    text('compute_dtype', scaleFormat in dtype ? dtype[scaleFormat as keyof typeof dtype] : dtype.fp16),
    flag('encoded_state_dict', true),
    integer('group_size', groupSize),
    integer('nbits', bits),
    flag('offload_meta', false),
    flag('optimize', false),
    text('packing', packing),
    flag('quant_scale', false),
    flag('quant_zero', false),
    flag('round_zero', bits === 4),
    ['shape', 'I64', [2], BigInt64Array.of(BigInt(rows), BigInt(cols))],
    flag('stores_quant_config', true),
    text('unpack_view_dtype', wide ? 'torch.int32' : 'torch.uint8'),
    flag('view_as_float', false),
  ];
}
