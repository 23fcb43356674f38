/** A module of compressed-tensors in any of its formats. Rows of W are rows of its tensors. */
import {
  type CompressedStrategy,
  compressedGroups,
  packedLayout,
  readFp4,
  readFp8,
  readPackQuantized,
  readPlainIntegers,
  strategyScales,
  type WordLayout,
  wordCount,
} from '@bitloom/formats';
import { tensorError } from '../../decoder/weights.js';
import type { StoredTensor, TensorFile } from '../../tensors/tensor-file.js';
import { inModule, type ModuleShape, type PackedModule } from './packed-module.js';
import type { CompressedScheme } from './quantization-record.js';
import { readElements, readWhole, requireTensor, SCALE_TYPES, storedFloats } from './stored-arrays.js';

type IntegerScheme = Extract<CompressedScheme, { format: 'pack-quantized' | 'int-quantized' }>;
type Fp4Scheme = Extract<CompressedScheme, { format: 'nvfp4-pack-quantized' | 'mxfp4-pack-quantized' }>;

/**
 * Opens a module of compressed-tensors.
 * @throws BitloomError `model-tensor-missing`, `model-tensor-shape`, `model-tensor-type`, `packing-shape`,
 *   `packing-length`, `packing-ambiguous`, `packing-group-index`, `packing-scale-not-finite`
 */
export async function openCompressedModule(
  file: TensorFile,
  module: ModuleShape,
  scheme: CompressedScheme,
): Promise<PackedModule> {
  switch (scheme.format) {
    case 'pack-quantized':
      return openPackQuantized(file, module, scheme);
    case 'int-quantized':
      return openPlainIntegers(file, module, scheme);
    case 'float-quantized':
      return openFp8(file, module, scheme.scaling);
    case 'nvfp4-pack-quantized':
    case 'mxfp4-pack-quantized':
      return openFp4(file, module, scheme);
  }
}

/** Scales of a matrix, and which rows of them some rows of it need. */
interface ScaleTensor {
  readonly tensor: StoredTensor;
  readonly cols: number;
  /** Rows of W that share a row of scales, but for one scale of all: 1 then, as any rows can have it. */
  readonly rowUnit: number;
  /** Elements of a tensor of the shape of the scales: first and count. */
  range(start: number, end: number): readonly [number, number];
}

function openScales(file: TensorFile, module: ModuleShape, scaling: CompressedStrategy): ScaleTensor {
  const { name, rows, cols } = module;
  const { shape } = inModule(file.name, name, () => strategyScales(scaling, rows, cols));
  if (scaling.strategy === 'tensor') {
    // Stored as one element, or as a scalar.
    const tensor = requireTensor(file, `${name}.weight_scale`, SCALE_TYPES, [1], [], [1, 1]);
    return { tensor, cols: 1, rowUnit: 1, range: () => [0, 1] };
  }
  const tensor = requireTensor(file, `${name}.weight_scale`, SCALE_TYPES, shape);
  const [, scaleCols] = shape;
  const rowUnit = scaling.strategy === 'block' ? scaling.blockShape[0] : 1;
  return {
    tensor,
    cols: scaleCols,
    rowUnit,
    range(start, end) {
      const first = Math.floor(start / rowUnit);
      return [first * scaleCols, (Math.ceil(end / rowUnit) - first) * scaleCols];
    },
  };
}

/** The index of columns, where the configuration says there is one. */
async function openGroupIndex(
  file: TensorFile,
  { name, rows, cols }: ModuleShape,
  { scaling, reordered }: IntegerScheme,
): Promise<{ readonly tensors: string[]; readonly part: { readonly groupIndex?: Int32Array } }> {
  if (!reordered) return { tensors: [], part: {} };
  const tensor = requireTensor(file, `${name}.weight_g_idx`, ['I32'], [cols]);
  const groupIndex = new Int32Array((await readWhole(tensor)).buffer);
  inModule(file.name, name, () =>
    compressedGroups(groupIndex, scaling, strategyScales(scaling, rows, cols).groups, cols),
  );
  return { tensors: [tensor.name], part: { groupIndex } };
}

async function openPackQuantized(
  file: TensorFile,
  module: ModuleShape,
  scheme: IntegerScheme,
): Promise<PackedModule> {
  const { name, rows, cols } = module;
  const { bits, scaling } = scheme;
  const scales = openScales(file, module, scaling);
  const zeroName = scheme.symmetric ? undefined : `${name}.weight_zero_point`;
  const packsZeros = scaling.strategy === 'group' || scaling.strategy === 'channel';
  const layout = inModule(file.name, name, () =>
    findLayout(file, module, bits, packsZeros ? zeroName : undefined),
  );
  const words = wordCount(cols, bits, layout);
  const packed = requireTensor(file, `${name}.weight_packed`, ['I32'], [rows, words]);
  const shape = requireTensor(file, `${name}.weight_shape`, ['I64', 'I32'], [2]);
  await requireShape(file, shape, rows, cols);
  const zeros =
    zeroName === undefined
      ? undefined
      : packsZeros
        ? requireTensor(file, zeroName, ['I32'], [wordCount(rows, bits, layout), scales.cols])
        : requireTensor(file, zeroName, ['I8'], scales.tensor.shape);
  const index = await openGroupIndex(file, module, scheme);
  const readZeros = (start: number, end: number): Int32Array | Int8Array | undefined => {
    if (zeros === undefined) return undefined;
    if (!packsZeros) return new Int8Array(readElements(zeros, ...scales.range(start, end)).buffer);
    const [first, last] = [start, end].map((row) => wordCount(row, bits, layout) * scales.cols);
    return new Int32Array(readElements(zeros, first, last - first).buffer);
  };
  return {
    name,
    rows,
    cols,
    tensors: [
      packed.name,
      shape.name,
      scales.tensor.name,
      ...(zeros === undefined ? [] : [zeros.name]),
      ...index.tensors,
    ],
    rowUnit: packsZeros && zeros !== undefined ? zeroUnit(bits, layout) : scales.rowUnit,
    readRows(start, end) {
      const zeroPoints = readZeros(start, end);
      return readPackQuantized(
        {
          packed: new Int32Array(readElements(packed, start * words, (end - start) * words).buffer),
          scales: storedFloats(scales.tensor, readElements(scales.tensor, ...scales.range(start, end))),
          ...(zeroPoints === undefined ? {} : { zeroPoints }),
          ...index.part,
        },
        { rows: end - start, cols, bits, scaling, layout },
      );
    },
  };
}

/** Rows whose packed zero points fill whole words. */
function zeroUnit(bits: number, layout: WordLayout): number {
  return layout === 'dense' && 32 % bits !== 0 ? 32 : Math.floor(32 / bits);
}

/**
 * Layout of the words, from the number of words of the weight and, where they are packed, of its zero points.
 * @throws BitloomError `packing-length`, `packing-ambiguous`, `model-tensor-missing`
 */
function findLayout(
  file: TensorFile,
  { name, rows, cols }: ModuleShape,
  bits: number,
  zeroName: string | undefined,
): WordLayout {
  const sizeOf = (tensorName: string, axis: number): number => {
    const tensor = file.tensors.get(tensorName);
    if (tensor !== undefined) return tensor.shape[axis] ?? 0;
    throw tensorError('model-tensor-missing', file.name, tensorName, 'packed codes', 'no such tensor');
  };
  const rowWords = sizeOf(`${name}.weight_packed`, 1);
  return packedLayout(
    { rows, cols, bits },
    rowWords,
    zeroName === undefined ? undefined : sizeOf(zeroName, 0),
  );
}

/** The stored shape must be that of the configuration. */
async function requireShape(
  file: TensorFile,
  tensor: StoredTensor,
  rows: number,
  cols: number,
): Promise<void> {
  const bytes = await readWhole(tensor);
  const values =
    tensor.encoding.name === 'I64'
      ? Array.from(new BigInt64Array(bytes.buffer), Number)
      : Array.from(new Int32Array(bytes.buffer));
  if (values[0] === rows && values[1] === cols) return;
  const expected = `[${rows}, ${cols}]`;
  throw tensorError('model-tensor-shape', file.name, tensor.name, expected, `[${values.join(', ')}]`);
}

async function openPlainIntegers(
  file: TensorFile,
  module: ModuleShape,
  scheme: IntegerScheme,
): Promise<PackedModule> {
  const { name, rows, cols } = module;
  const { bits, scaling } = scheme;
  const scales = openScales(file, module, scaling);
  const codes = requireTensor(file, `${name}.weight`, ['I8'], [rows, cols]);
  const zeros = scheme.symmetric
    ? undefined
    : requireTensor(file, `${name}.weight_zero_point`, ['I8'], scales.tensor.shape);
  const index = await openGroupIndex(file, module, scheme);
  return {
    name,
    rows,
    cols,
    tensors: [codes.name, scales.tensor.name, ...(zeros === undefined ? [] : [zeros.name]), ...index.tensors],
    rowUnit: scales.rowUnit,
    readRows(start, end) {
      const range = scales.range(start, end);
      return readPlainIntegers(
        {
          codes: new Int8Array(readElements(codes, start * cols, (end - start) * cols).buffer),
          scales: storedFloats(scales.tensor, readElements(scales.tensor, ...range)),
          ...(zeros === undefined ? {} : { zeroPoints: new Int8Array(readElements(zeros, ...range).buffer) }),
          ...index.part,
        },
        { rows: end - start, cols, bits, scaling },
      );
    },
  };
}

function openFp8(file: TensorFile, module: ModuleShape, scaling: CompressedStrategy): PackedModule {
  const { name, rows, cols } = module;
  const scales = openScales(file, module, scaling);
  const codes = requireTensor(file, `${name}.weight`, ['F8_E4M3'], [rows, cols]);
  return {
    name,
    rows,
    cols,
    tensors: [codes.name, scales.tensor.name],
    rowUnit: scales.rowUnit,
    readRows: (start, end) =>
      readFp8(
        {
          codes: readElements(codes, start * cols, (end - start) * cols),
          scales: storedFloats(scales.tensor, readElements(scales.tensor, ...scales.range(start, end))),
        },
        { rows: end - start, cols, scaling },
      ),
  };
}

async function openFp4(file: TensorFile, module: ModuleShape, scheme: Fp4Scheme): Promise<PackedModule> {
  const { name, rows, cols } = module;
  const { groupSize } = scheme;
  const groups = cols / groupSize;
  const isNvfp4 = scheme.format === 'nvfp4-pack-quantized';
  const packed = requireTensor(file, `${name}.weight_packed`, ['U8'], [rows, cols / 2]);
  const scaleTypes = isNvfp4 ? ['F8_E4M3'] : ['U8', 'F8_E8M0'];
  const scales = requireTensor(file, `${name}.weight_scale`, scaleTypes, [rows, groups]);
  const tensors = [packed.name, scales.name];
  let divisor: { readonly tensorDivisor?: number } = {};
  if (isNvfp4) {
    const tensor = requireTensor(file, `${name}.weight_global_scale`, ['F32'], [1], []);
    tensors.push(tensor.name);
    divisor = { tensorDivisor: new Float32Array((await readWhole(tensor)).buffer)[0] };
  }
  return {
    name,
    rows,
    cols,
    tensors,
    rowUnit: 1,
    readRows: (start, end) =>
      readFp4(
        {
          packed: readElements(packed, (start * cols) / 2, ((end - start) * cols) / 2),
          scales: storedFloats(scales, readElements(scales, start * groups, (end - start) * groups)),
          ...divisor,
        },
        { rows: end - start, cols, groupSize },
      ),
  };
}
