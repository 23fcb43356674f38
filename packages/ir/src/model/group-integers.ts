/**
 * The one kind of weights that integer products read today: symmetric integers of 2 to 8 bits with one fp16 multiplier
 * per group of columns. Verifier, host and compiler ask here, so that they cannot differ; a record counts by what it
 * says, not by its name.
 */
import type { ElementFormat } from './element-format.js';
import type { QuantizedType } from './types.js';

/** Whether a type is a dense matrix of symmetric group integers, in whatever layout. */
export function isGroupIntegers(type: QuantizedType): boolean {
  const { element, scales, shape } = type;
  const [level] = scales;
  return (
    shape.length === 2 &&
    element.kind === 'int' &&
    element.signed &&
    element.bias === 0 &&
    element.bits >= 2 &&
    element.bits <= 8 &&
    scales.length === 1 &&
    isFp16(level.format) &&
    level.direction === 'multiply' &&
    level.zero === undefined &&
    level.block.length === 2 &&
    level.block[0] === 1 &&
    type.indexMap === undefined &&
    type.sparsity === undefined &&
    type.bands === undefined
  );
}

function isFp16({ kind, bits, signed, exponentBits, mantissaBits, bias, specials }: ElementFormat): boolean {
  const isShape = bits === 16 && signed && exponentBits === 5 && mantissaBits === 10;
  return kind === 'float' && isShape && bias === 15 && specials === 'ieee';
}
