/**
 * An HQQ module as transformers writes it: `W_q`, `scale` and `zero`, and beside them, as small tensors, what was used
 * to quantise. Those are held against the configuration, and no two sources may disagree.
 */
import { type HqqShape, hqqLayout, readHqqRows, type StoredFloats } from '@bitloom/formats';
import { BitloomError } from '@bitloom/ir';
import { invalidConfig, unsupportedModel } from '../../decoder/decoder-config.js';
import { tensorError } from '../../decoder/weights.js';
import type { StoredTensor, TensorFile } from '../../tensors/tensor-file.js';
import { inModule, type ModuleShape, type PackedModule } from './packed-module.js';
import type { HqqParameters, HqqRecord } from './quantization-record.js';
import { readElements, readWhole, requireTensor, SCALE_TYPES, storedFloats } from './stored-arrays.js';

/** Bytes that a small tensor may have. */
const MAX_SMALL = 256;

/** Small tensors that are read here. */
const CHECKED = [
  'nbits',
  'group_size',
  'axis',
  'shape',
  'packing',
  'view_as_float',
  'quant_scale',
  'quant_zero',
  'channel_wise',
] as const;
/** Small tensors that say how the codes were chosen, or what they are to be computed in. */
const IGNORED = [
  'compute_dtype',
  'unpack_view_dtype',
  'offload_meta',
  'encoded_state_dict',
  'stores_quant_config',
  'optimize',
  'round_zero',
] as const;

/**
 * Opens an HQQ module.
 * @throws BitloomError `model-tensor-missing`, `model-tensor-shape`, `model-tensor-type`, `model-config-invalid`,
 *   `model-unsupported`, `packing-bits`, `packing-shape`
 */
export async function openHqqModule(
  file: TensorFile,
  module: ModuleShape,
  record: HqqRecord,
): Promise<PackedModule> {
  const { name, rows, cols } = module;
  const facts = await readFacts(file, name);
  const parameters = configured(record, name, file.name);
  for (const [key, wanted] of [
    ['nbits', parameters.bits],
    ['group_size', parameters.groupSize],
    ['axis', parameters.axis],
  ] as const) {
    facts.require(key, [wanted]);
  }
  facts.require('shape', [rows, cols]);
  facts.only('quant_scale', 0, 'quantised scales');
  facts.only('quant_zero', 0, 'quantised zero points');
  facts.only('channel_wise', 1, 'one scale for all weights');
  const shape: HqqShape = { rows, cols, ...parameters };
  const layout = inModule(file.name, name, () => hqqLayout(shape));
  if (facts.has('packing'))
    facts.require(
      'packing',
      [...layout.packing].map((char) => char.charCodeAt(0)),
    );
  const packed = requirePacked(file, name, layout, facts.flag('view_as_float'));
  const scales = requireTensor(file, `${name}.scale`, SCALE_TYPES, layout.scaleShape);
  const zeros = requireTensor(file, `${name}.zero`, SCALE_TYPES, layout.scaleShape);
  const elementBytes = layout.wide ? 4 : 1;
  const perElement = packed.encoding.blockBytes;
  const read = (tensor: StoredTensor, first: number, count: number): StoredFloats =>
    storedFloats(tensor, readElements(tensor, first, count));
  return {
    name,
    rows,
    cols,
    tensors: [packed.name, scales.name, zeros.name, ...facts.tensors],
    rowUnit: 1,
    readRows: (start, end) =>
      readHqqRows(
        shape,
        { start, end },
        {
          span({ packedStart, count }) {
            // The tensor may have elements of another width, of which the span may cut one.
            const from = Math.floor((packedStart * elementBytes) / perElement);
            const to = Math.ceil(((packedStart + count) * elementBytes) / perElement);
            const skip = packedStart * elementBytes - from * perElement;
            const bytes = readElements(packed, from, to - from).slice(skip, skip + count * elementBytes);
            return layout.wide ? new Int32Array(bytes.buffer) : bytes;
          },
          scales: (first, count) => read(scales, first, count),
          zeros: (first, count) => read(zeros, first, count),
        },
      ),
  };
}

/** What the configuration says about a module. */
function configured(record: HqqRecord, module: string, where: string): HqqParameters {
  const { parameters } = record;
  if ('bits' in parameters) return parameters;
  const tag = module.split('.').slice(-2).join('.');
  const found = parameters.get(tag);
  if (found !== undefined) return found;
  throw invalidConfig(where, `quant_config for ${tag}`, 'an entry, as the module is quantised', undefined);
}

/** `W_q`: of the shape and type of its packing, or with the same bytes under a float type. */
function requirePacked(
  file: TensorFile,
  module: string,
  { packedShape, wide }: ReturnType<typeof hqqLayout>,
  asFloat: boolean,
): StoredTensor {
  const name = `${module}.W_q`;
  if (!asFloat) return requireTensor(file, name, [wide ? 'I32' : 'U8'], packedShape);
  const width = file.tensors.get(name)?.encoding.blockBytes ?? 1;
  const columns = (packedShape[1] * (wide ? 4 : 1)) / width;
  return requireTensor(file, name, SCALE_TYPES, [packedShape[0], columns]);
}

/** The small tensors of a module, read. */
interface Facts {
  readonly tensors: readonly string[];
  has(key: (typeof CHECKED)[number]): boolean;
  /** @throws BitloomError `model-tensor-missing`, `model-tensor-shape` */
  require(key: (typeof CHECKED)[number], wanted: readonly number[]): void;
  /** Refuses another value; absent is the value that is implemented. @throws BitloomError `model-unsupported` */
  only(key: (typeof CHECKED)[number], wanted: number, what: string): void;
  flag(key: (typeof CHECKED)[number]): boolean;
}

async function readFacts(file: TensorFile, module: string): Promise<Facts> {
  const values = new Map<string, readonly number[]>();
  const tensors: string[] = [];
  for (const key of [...CHECKED, ...IGNORED]) {
    const tensor = file.tensors.get(`${module}.${key}`);
    if (tensor === undefined) continue;
    tensors.push(tensor.name);
    values.set(key, await smallValues(file, tensor));
  }
  const nameOf = (key: string): string => `${module}.${key}`;
  return {
    tensors,
    has: (key) => values.has(key),
    require(key, wanted) {
      const got = values.get(key);
      const expected = `[${wanted.join(', ')}]`;
      if (got === undefined) {
        throw tensorError('model-tensor-missing', file.name, nameOf(key), expected, 'no such tensor');
      }
      if (got.length === wanted.length && got.every((value, i) => value === wanted[i])) return;
      throw new BitloomError({
        code: 'model-config-invalid',
        message: `the tensor '${nameOf(key)}' says otherwise than the configuration`,
        where: file.name,
        expected,
        got: `[${got.join(', ')}]`,
        hint: 'configuration and weights do not belong together; fetch both again',
      });
    },
    only(key, wanted, what) {
      const got = values.get(key)?.[0] ?? wanted;
      if (got !== wanted) throw unsupportedModel(`${file.name}, ${nameOf(key)}`, what, String(wanted), got);
    },
    flag: (key) => (values.get(key)?.[0] ?? 0) !== 0,
  };
}

/** Integers and floats that small tensors are stored as. */
const SMALL_TYPES: Readonly<Record<string, (buffer: ArrayBuffer) => number[]>> = {
  U8: (buffer) => Array.from(new Uint8Array(buffer)),
  BOOL: (buffer) => Array.from(new Uint8Array(buffer)),
  I32: (buffer) => Array.from(new Int32Array(buffer)),
  I64: (buffer) => Array.from(new BigInt64Array(buffer), Number),
  F32: (buffer) => Array.from(new Float32Array(buffer)),
};

async function smallValues(file: TensorFile, tensor: StoredTensor): Promise<number[]> {
  const type = tensor.encoding.name;
  if (!Object.hasOwn(SMALL_TYPES, type)) {
    requireTensor(file, tensor.name, Object.keys(SMALL_TYPES), tensor.shape);
  }
  if (tensor.byteLength > MAX_SMALL) {
    const expected = `at most ${MAX_SMALL} bytes`;
    throw tensorError('model-tensor-shape', file.name, tensor.name, expected, `${tensor.byteLength} bytes`);
  }
  return SMALL_TYPES[type]((await readWhole(tensor)).buffer);
}
