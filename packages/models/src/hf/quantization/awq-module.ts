/** An AWQ module: `qweight`, `qzeros` and `scales`. Rows of W are columns of its tensors. */
import { awqLengths, type PackedLinear, readAwq } from '@bitloom/formats';
import { BitloomError } from '@bitloom/ir';
import type { TensorFile } from '../../tensors/tensor-file.js';
import { inModule, type ModuleShape, type PackedModule } from './packed-module.js';
import type { AwqRecord } from './quantization-record.js';
import { readColumns, requireTensor, SCALE_TYPES, storedFloats } from './stored-arrays.js';

/** Zero point of symmetric weights of four bits. */
const SYMMETRIC_ZERO = 8;

/**
 * Opens an AWQ module.
 * @throws BitloomError `model-tensor-missing`, `model-tensor-shape`, `model-tensor-type`, `packing-shape`
 */
export function openAwqModule(
  file: TensorFile,
  { name, rows, cols }: ModuleShape,
  record: AwqRecord,
): PackedModule {
  const groupSize = record.groupSize === -1 ? cols : record.groupSize;
  const { groups } = inModule(file.name, name, () =>
    awqLengths({ rows, cols, groupSize, bits: record.bits }),
  );
  const qweight = requireTensor(file, `${name}.qweight`, ['I32'], [cols, rows / 8]);
  const qzeros = requireTensor(file, `${name}.qzeros`, ['I32'], [groups, rows / 8]);
  const scales = requireTensor(file, `${name}.scales`, SCALE_TYPES, [groups, rows]);
  return {
    name,
    rows,
    cols,
    tensors: [qweight.name, qzeros.name, scales.name],
    rowUnit: 8,
    readRows(start, end) {
      const packed = readAwq(
        {
          qweight: new Int32Array(readColumns(qweight, start / 8, end / 8).buffer),
          qzeros: new Int32Array(readColumns(qzeros, start / 8, end / 8).buffer),
          scales: storedFloats(scales, readColumns(scales, start, end)),
        },
        { rows: end - start, cols, groupSize },
      );
      if (record.symmetric) requireSymmetric(packed, `${file.name}, ${qzeros.name}`);
      return packed;
    },
  };
}

function requireSymmetric({ zeros = new Float32Array(0) }: PackedLinear, where: string): void {
  const bad = zeros.findIndex((zero) => zero !== SYMMETRIC_ZERO);
  if (bad < 0) return;
  throw new BitloomError({
    code: 'packing-zero-range',
    message: 'a symmetric AWQ weight has a zero point other than the middle',
    where,
    expected: `${SYMMETRIC_ZERO}, as zero_point false says`,
    got: String(zeros[bad]),
    hint: 'the configuration belongs to another checkpoint',
  });
}
