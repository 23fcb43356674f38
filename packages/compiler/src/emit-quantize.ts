/**
 * Quantisation of activations to int8, one scale per token. Where a value is divided over cores, so is this: by rows,
 * which do not depend on each other, or by columns, after the cores have told each other the largest magnitude of every
 * row. Either way codes are exchanged, not floats, and the bits are those of an undivided row.
 */
import {
  add,
  BitloomError,
  type Expression,
  type FieldValue,
  type GraphNode,
  integerAttribute,
  internalError,
  maximum,
  multiply,
  subtract,
} from '@bitloom/ir';
import type { Allocation } from './data-buffer.js';
import { floatOperand, pushVector } from './emit-vector.js';
import type { Emitter, Floats } from './emitter.js';
import { exchangeColumns, exchangeRows } from './exchange.js';
import { dataAddress, operand, touchData } from './operands.js';
import { CORE, ownItems } from './partition.js';

/** Where codes and scales of all rows and columns come to lie on every core. */
interface CodesPlace {
  readonly allocation: Allocation;
  readonly scales: Allocation;
  readonly rowBytes: number;
  /** Columns up to the end of a block: what lies behind the last one is zero, for the engine reads whole steps. */
  readonly padded: number;
}

export function emitQuantize(emitter: Emitter, node: GraphNode): void {
  const [inputName] = node.inputs;
  const [outName] = node.outputs;
  if (inputName === undefined || outName === undefined)
    throw internalError('quantize without operands', node.name);
  if (integerAttribute(node, 'bits') !== 8) {
    throw new BitloomError({
      code: 'compiler-op-unsupported',
      message: 'activations are quantised to 8 bits only',
      where: `node '${node.name}'`,
      expected: '8',
      got: String(integerAttribute(node, 'bits')),
    });
  }
  const input = emitter.floatValue(inputName);
  const rowBytes = Math.ceil(input.cols / 64) * 64;
  const { maxRows } = emitter.lengths;
  const allocation = emitter.allocate(outName, maxRows * rowBytes);
  const scales = emitter.allocate(`${outName}.scales`, maxRows * 4);
  emitter.values.set(outName, { kind: 'codes', allocation, scales, rowBytes, cols: input.cols });
  const place = { allocation, scales, rowBytes, padded: Math.ceil(input.cols / 16) * 16 };
  const rowsPerCore = input.rowsPerCore ?? emitter.rowsPerCore;
  if (input.perCore !== undefined)
    quantizeColumns(emitter, node, { ...input, perCore: input.perCore }, place);
  else if (rowsPerCore !== undefined) quantizeRows(emitter, input, rowsPerCore, place);
  else quantizeWhole(emitter, input, emitter.lengths.rows, place, 0);
}

/** All columns of `rows` rows, into codes and scales from row `first` on. */
function quantizeWhole(
  emitter: Emitter,
  input: Pick<Floats, 'allocation' | 'offset' | 'rowBytes' | 'cols'>,
  rows: Expression,
  place: CodesPlace,
  first: Expression,
): void {
  const { allocation, scales, rowBytes, padded } = place;
  pushVector(
    emitter,
    'quantize',
    { rows, cols: input.cols },
    {
      ...floatOperand('src0', input),
      ...operand('dst', dataAddress(allocation, multiply(rowBytes, first)), 0, rowBytes),
      ...operand('scale', dataAddress(scales, multiply(4, first)), 0, 4),
      padTo: padded,
    },
    [touchData(input.allocation, false), touchData(allocation, true), touchData(scales, true)],
  );
}

/** Rows of the executing core; the value may be whole, or hold those rows only. */
function quantizeRows(emitter: Emitter, input: Floats, perCore: number, place: CodesPlace): void {
  const first = multiply(perCore, CORE);
  const own =
    input.rowsPerCore === undefined
      ? { ...input, offset: add(input.offset, multiply(perCore * input.rowBytes, CORE)) }
      : input;
  quantizeWhole(emitter, own, emitter.ownRows(perCore), place, first);
  const { allocation, scales, rowBytes } = place;
  for (const placed of [
    { allocation, rowBytes },
    { allocation: scales, rowBytes: 4 },
  ]) {
    const offset = multiply(perCore * placed.rowBytes, CORE);
    exchangeRows(emitter, { ...placed, offset }, placed, perCore);
  }
}

/** Columns of the executing core, by the largest magnitude of a row over all cores. */
function quantizeColumns(
  emitter: Emitter,
  node: GraphNode,
  input: Floats & { readonly perCore: number },
  place: CodesPlace,
): void {
  const { cores, lengths } = emitter;
  const { rows, maxRows } = lengths;
  const { perCore, cols } = input;
  const { allocation, scales, rowBytes, padded } = place;
  const own = ownItems(cols, perCore, cores);
  const maxima = emitter.allocate(`${node.name}.maxima`, maxRows * cores * 4);
  pushVector(
    emitter,
    'rowMaxima',
    { rows, cols: own },
    {
      ...floatOperand('src0', input),
      ...operand('dst', dataAddress(maxima, multiply(4, CORE)), 0, 4 * cores),
    },
    [touchData(input.allocation, false), touchData(maxima, true)],
  );
  const ofMaxima = { allocation: maxima, rowBytes: 4 * cores };
  exchangeColumns(emitter, { ...ofMaxima, offset: multiply(4, CORE) }, ofMaxima, {
    all: cores,
    perCore: 1,
    itemBytes: 4,
  });
  const start = multiply(perCore, CORE);
  const fields: Record<string, FieldValue> = {
    ...floatOperand('src0', input),
    ...operand('src1', dataAddress(maxima), 0, 4 * cores),
    ...operand('dst', dataAddress(allocation, start), 0, rowBytes),
    ...operand('scale', dataAddress(scales), 0, 4),
    layout: cores,
    padTo: maximum(0, subtract(padded, start)),
  };
  pushVector(emitter, 'quantizeBy', { rows, cols: own }, fields, [
    touchData(input.allocation, false),
    touchData(maxima, false),
    touchData(allocation, true),
    touchData(scales, true),
  ]);
  emitter.data.free(maxima);
  exchangeColumns(
    emitter,
    { allocation, offset: start, rowBytes },
    { allocation, rowBytes },
    {
      all: cols,
      perCore,
      itemBytes: 1,
    },
  );
}
