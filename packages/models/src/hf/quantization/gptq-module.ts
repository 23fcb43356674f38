/** A GPTQ module: `qweight`, `qzeros`, `scales` and mostly `g_idx`. Rows of W are columns of its tensors. */
import { type GptqShape, gptqGroups, gptqLengths, readGptq } from '@bitloom/formats';
import { BitloomError } from '@bitloom/ir';
import type { TensorFile } from '../../tensors/tensor-file.js';
import { inModule, type ModuleShape, type PackedModule } from './packed-module.js';
import type { GptqRecord } from './quantization-record.js';
import { readColumns, readWhole, requireTensor, SCALE_TYPES, storedFloats } from './stored-arrays.js';

/**
 * Opens a GPTQ module.
 * @throws BitloomError `model-tensor-missing`, `model-tensor-shape`, `model-tensor-type`, `packing-shape`,
 *   `packing-group-index`
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
  return {
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
