/** A GPTQ module: `qweight`, `qzeros`, `scales` and mostly `g_idx`. Rows of W are columns of its tensors. */
import { type GptqShape, gptqGroups, gptqLengths, readGptq } from '@bitloom/formats';
import { BitloomError } from '@bitloom/ir';
import type { StoredTensor, TensorFile } from '../../tensors/tensor-file.js';
import { inModule, type ModuleShape, type PackedModule } from './packed-module.js';
import type { GptqRecord } from './quantization-record.js';
import { readColumns, readWhole, requireTensor, SCALE_TYPES, storedFloats } from './stored-arrays.js';

/**
 * Opens a GPTQ module.
 * @throws BitloomError `model-tensor-missing`, `model-tensor-shape`, `model-tensor-type`, `packing-shape`,
 *   `packing-group-index`, `packing-zero-range`
 */
export async function openGptqModule(
  file: TensorFile,
  { name, rows, cols }: ModuleShape,
  record: GptqRecord,
): Promise<PackedModule> {
  const groupSize = record.groupSize === -1 ? cols : record.groupSize;
  const shape: GptqShape = { rows, cols, bits: record.bits, groupSize, version: record.version };
  const { groups } = inModule(file.name, name, () => gptqLengths(shape));
  const { bits } = record;
  const qweight = requireTensor(file, `${name}.qweight`, ['I32'], [(cols * bits) / 32, rows]);
  const qzeros = requireTensor(file, `${name}.qzeros`, ['I32'], [groups, (rows * bits) / 32]);
  const scales = requireTensor(file, `${name}.scales`, SCALE_TYPES, [groups, rows]);
  const tensors = [qweight.name, qzeros.name, scales.name];
  let groupIndex: Int32Array | undefined;
  // A file without an index has its columns in order, which must not be left to guess where the tool reorders.
  if (record.reordered === true || file.tensors.has(`${name}.g_idx`)) {
    const index = requireTensor(file, `${name}.g_idx`, ['I32'], [cols]);
    tensors.push(index.name);
    groupIndex = new Int32Array((await readWhole(index)).buffer);
    const found = inModule(file.name, name, () => gptqGroups(groupIndex, cols, groupSize));
    if (found.kind === 'indexed' && record.reordered === false) throw unexpectedOrder(file.name, index.name);
  }
  const module: PackedModule = {
    name,
    rows,
    cols,
    tensors,
    // The fewest outputs whose zero points fill whole words.
    rowUnit: bits === 3 ? 32 : 32 / bits,
    readRows(start, end) {
      const part = {
        qweight: new Int32Array(readColumns(qweight, start, end).buffer),
        qzeros: new Int32Array(readColumns(qzeros, (start * bits) / 32, (end * bits) / 32).buffer),
        scales: storedFloats(scales, readColumns(scales, start, end)),
        ...(groupIndex === undefined ? {} : { groupIndex }),
      };
      return readGptq(part, { ...shape, rows: end - start });
    },
  };
  if (record.symmetric) await requireSymmetric(file.name, module, qzeros, record);
  return module;
}

/**
 * Holds the zero points against what the configuration says of them: all in the middle of the codes. They are few, so
 * all are looked at when a module is opened; a wrong `sym` or `checkpoint_format` would shift every weight in silence.
 * @throws BitloomError `packing-zero-range`
 */
async function requireSymmetric(
  file: string,
  module: PackedModule,
  qzeros: StoredTensor,
  { bits, version }: GptqRecord,
): Promise<void> {
  const middle = 2 ** (bits - 1);
  const expected = middleWords(bits, version);
  const words = new Int32Array((await readWhole(qzeros)).buffer);
  const [, width] = qzeros.shape;
  const bad = words.findIndex((word, i) => word !== expected[(i % width) % expected.length]);
  if (bad < 0) return;
  const { rowUnit } = module;
  const row = Math.floor(((bad % width) * 32) / bits / rowUnit) * rowUnit;
  const { zeros = new Float32Array(0) } = module.readRows(row, row + rowUnit);
  const got = zeros.find((zero) => zero !== middle);
  // One too few or too many everywhere is how the other version looks.
  const other = version === 1 ? 'gptq_v2' : 'gptq';
  const isOther = got === middle + (version === 1 ? 1 : -1);
  throw new BitloomError({
    code: 'packing-zero-range',
    message: 'a symmetric GPTQ weight has a zero point other than the middle',
    where: `${file}, ${module.name}, ${qzeros.name}`,
    expected: `${middle}, as sym true says`,
    got: `${got} with checkpoint_format ${version === 1 ? 'gptq' : 'gptq_v2'}`,
    hint: isOther
      ? `the tensors look like checkpoint_format ${other}: the configuration was changed, or belongs to another checkpoint`
      : 'the configuration belongs to another checkpoint: its sym or checkpoint_format is not that of the tensors',
  });
}

/** Words of zero points that are all in the middle, as they are stored; they repeat. */
function middleWords(bits: number, version: 1 | 2): Int32Array {
  const stored = 2 ** (bits - 1) - (version === 1 ? 1 : 0);
  const words = new Int32Array(bits === 3 ? 3 : 1);
  for (let at = 0; at < words.length * 32; at += 1) {
    words[at >>> 5] |= ((stored >>> (at % bits)) & 1) << (at & 31);
  }
  return words;
}

/** Readers differ on such a file: some go by the index, some by the configuration. */
function unexpectedOrder(file: string, tensor: string): BitloomError {
  return new BitloomError({
    code: 'packing-group-index',
    message: 'the index of groups (g_idx) is not valid',
    where: `${file}, ${tensor}`,
    expected: 'columns in order, as desc_act false says',
    got: 'columns in another order',
    hint: 'the checkpoint is damaged, or its configuration names another group size',
  });
}
