/**
 * Whether a quantised type in the layout `canonical` makes sense, whatever its components hold. Types come out of
 * artefacts: the schema has seen their fields one by one, this sees them together, before anything is allocated.
 */
import { BitloomError, type ScaleLevel } from '@bitloom/ir';
import { checkShape, type FixedQuantizedType } from '../tensor.js';
import { formatFault } from './format-fault.js';

/** @throws BitloomError `quantized-type` with the field, `format-shape` */
export function checkQuantizedType(type: FixedQuantizedType): void {
  const { shape, element, scales, indexMap, sparsity } = type;
  checkShape(shape);
  const elementFault = formatFault(element);
  if (elementFault !== undefined) throw typeError('element', elementFault, element.name);
  if (scales.length === 0) throw typeError('scales', 'at least one level', 'none');
  scales.forEach((level, index) => {
    checkLevel(level, index, shape.length, element.kind === 'int');
  });
  if (sparsity !== undefined) throw typeError('sparsity', 'none in the layout canonical', sparsity.kind);
  if (indexMap === undefined) return;
  const { axis, purpose, groups } = indexMap;
  if (purpose !== 'shift-group' || shape.length === 0 || axis !== shape.length - 1) {
    throw typeError('indexMap', 'shift groups of the last axis', `${purpose} of axis ${axis}`);
  }
  if (!(Number.isInteger(groups) && groups >= 1 && groups <= 256)) {
    throw typeError('indexMap.groups', '1 to 256', String(groups));
  }
}

function checkLevel(level: ScaleLevel, index: number, rank: number, hasIntegers: boolean): void {
  const { format, block, direction, zero } = level;
  const where = `scales[${index}]`;
  const fault = formatFault(format);
  if (fault !== undefined) throw typeError(`${where}.format`, fault, format.name);
  if (block.length !== rank || !block.every((size) => Number.isSafeInteger(size) && size >= 0)) {
    throw typeError(`${where}.block`, `${rank} whole numbers, one per axis`, `[${block.join(', ')}]`);
  }
  if (index === 0 && direction !== 'multiply') throw typeError(`${where}.direction`, 'multiply', direction);
  if (zero === undefined) return;
  if (index > 0) throw typeError(`${where}.zero`, 'a zero at the first level only', zero.kind);
  const zeroFault = formatFault(zero.format);
  if (zeroFault !== undefined) throw typeError(`${where}.zero.format`, zeroFault, zero.format.name);
  if (zero.kind === 'zero-point' && !hasIntegers) {
    throw typeError(`${where}.zero`, 'an integer element under a zero point', zero.kind);
  }
}

function typeError(where: string, expected: string, got: string): BitloomError {
  return new BitloomError({
    code: 'quantized-type',
    message: 'this quantised type says nothing that could be read in the layout canonical',
    where,
    expected,
    got,
  });
}
