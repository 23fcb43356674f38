/**
 * Ops of the special-function unit, and the fetches of the small tables they need.
 */
import {
  add,
  BitloomError,
  type Expression,
  type FieldValue,
  floatAttribute,
  type GraphNode,
  integerAttribute,
  internalError,
  multiply,
  optionalIntegerAttribute,
  type Region,
  stringAttribute,
  TRANSFER_KINDS,
  VECTOR_FUNCTION_NAMES,
} from '@bitloom/ir';
import type { Allocation } from './data-buffer.js';
import { borrowWhole, ownColumns, wholeValue } from './divided-values.js';
import type { Touch } from './draft.js';
import type { Emitter, FloatColumns, Floats } from './emitter.js';
import { dataAddress, operand, runs, touchBytes, touchData, touchRegion } from './operands.js';
import { CORE, ownBlock, ownItems } from './partition.js';

const OTHER_KIND = TRANSFER_KINDS.indexOf('other');
const ACTIVATIONS_KIND = TRANSFER_KINDS.indexOf('activations');

/** Ops whose every column depends on that column of their operands alone. */
export const ELEMENTWISE: ReadonlySet<string> = new Set(['add', 'mul', 'silu', 'siluMul', 'gelu', 'relu']);

/** Code of a vector function by name. */
export function vectorFunction(name: string): number {
  const code = VECTOR_FUNCTION_NAMES.indexOf(name);
  if (code < 0) throw internalError(`no vector function '${name}'`);
  return code;
}

function requiredName(names: readonly string[], index: number, node: GraphNode): string {
  const name = names[index];
  if (name === undefined) throw internalError(`operand ${index} missing`, node.name);
  return name;
}

/** A vector instruction over [batch, rows, cols]. */
export function pushVector(
  emitter: Emitter,
  name: string,
  shape: { batch?: Expression; rows: Expression; cols: Expression },
  fields: Readonly<Record<string, FieldValue>>,
  touches: readonly Touch[],
): void {
  emitter.push(
    emitter.draft(
      'VEC',
      'vector',
      {
        function: vectorFunction(name),
        batch: shape.batch ?? 1,
        rows: shape.rows,
        cols: shape.cols,
        ...fields,
      },
      touches,
    ),
  );
}

export function floatOperand(
  name: string,
  value: Pick<FloatColumns, 'allocation' | 'offset' | 'rowBytes'>,
): Record<string, FieldValue> {
  return operand(name, dataAddress(value.allocation, value.offset), 0, value.rowBytes);
}

/** Fetches a whole small table into staging; two stages take turns so that a fetch can run ahead. */
function fetchParameter(emitter: Emitter, region: Region, purpose: string): Allocation {
  if (region.bytes > emitter.widestRow) {
    throw new BitloomError({
      code: 'compiler-op-unsupported',
      message: `the parameter '${region.name}' is not one row that all tokens share`,
      expected: `at most ${emitter.widestRow} bytes`,
      got: `${region.bytes} bytes`,
    });
  }
  const turn = emitter.turn(purpose);
  const stage = emitter.stage(`${purpose}.${turn}`, emitter.widestRow);
  emitter.push(
    emitter.draft('LD', 'fetch', runs(region, 0, dataAddress(stage), { length: region.bytes }, OTHER_KIND), [
      touchRegion(region, false),
      touchData(stage, true),
    ]),
  );
  return stage;
}

/** Bytes from the first column to those of the executing core. */
function ownOffset(perCore: number | undefined): Expression {
  return perCore === undefined ? 0 : multiply(4 * perCore, CORE);
}

export function emitBias(emitter: Emitter, biasName: string, out: Floats): void {
  const stage = fetchParameter(emitter, emitter.image.floats32(biasName), 'bias');
  const own = emitter.partOf(out);
  pushVector(
    emitter,
    'add',
    { rows: emitter.lengths.rows, cols: own.cols },
    {
      ...floatOperand('src0', own),
      ...operand('src1', dataAddress(stage, ownOffset(out.perCore)), 0, 0),
      ...floatOperand('dst', own),
    },
    [touchData(stage, false), touchData(out.allocation, true)],
  );
}

/** Every head by itself: heads are divided over the cores, their weight is not. */
function emitHeadNorm(emitter: Emitter, node: GraphNode, headDim: number): void {
  const inputName = requiredName(node.inputs, 0, node);
  const outName = requiredName(node.outputs, 0, node);
  const { cols } = emitter.floatValue(inputName);
  const weight = fetchParameter(emitter, emitter.image.floats32(requiredName(node.inputs, 1, node)), 'norm');
  const perCore = emitter.columnsPerCore(outName, cols);
  const input = ownColumns(emitter, inputName, perCore);
  const out = emitter.allocateFloats(outName, cols, perCore);
  pushVector(
    emitter,
    'rmsNorm',
    {
      batch: ownItems(cols / headDim, perCore / headDim, emitter.cores),
      rows: emitter.lengths.rows,
      cols: headDim,
    },
    {
      ...operand('src0', dataAddress(input.allocation, input.offset), headDim * 4, input.rowBytes),
      ...operand('src1', dataAddress(weight), 0, 0),
      ...operand('dst', dataAddress(out.allocation), headDim * 4, out.rowBytes),
      immediate: Math.fround(floatAttribute(node, 'epsilon')),
    },
    [touchData(input.allocation, false), touchData(weight, false), touchData(out.allocation, true)],
  );
}

function emitNorm(emitter: Emitter, node: GraphNode): void {
  const headDim = optionalIntegerAttribute(node, 'headDim');
  if (headDim !== undefined) {
    emitHeadNorm(emitter, node, headDim);
    return;
  }
  const { value: input, release } = borrowWhole(emitter, requiredName(node.inputs, 0, node));
  const weight = fetchParameter(emitter, emitter.image.floats32(requiredName(node.inputs, 1, node)), 'norm');
  const biasName = node.inputs[2];
  const outName = requiredName(node.outputs, 0, node);
  // Rows do not depend on each other: every core takes some of them.
  const perCore = emitter.rowsPerCore;
  const out =
    perCore === undefined
      ? emitter.allocateFloats(outName, input.cols)
      : emitter.allocateRows(outName, input.cols, perCore);
  const touches = [
    touchData(input.allocation, false),
    touchData(weight, false),
    touchData(out.allocation, true),
  ];
  const fields: Record<string, FieldValue> = {
    ...floatOperand('src0', perCore === undefined ? input : ownRowsOf(input, perCore)),
    ...operand('src1', dataAddress(weight), 0, 0),
    ...floatOperand('dst', out),
    immediate: Math.fround(floatAttribute(node, 'epsilon')),
  };
  if (node.op === 'layerNorm') {
    if (biasName === undefined) {
      throw new BitloomError({
        code: 'compiler-op-unsupported',
        message: 'layerNorm without a bias has no instruction',
        where: `node '${node.name}'`,
      });
    }
    const bias = fetchParameter(emitter, emitter.image.floats32(biasName), 'norm-bias');
    Object.assign(fields, operand('src2', dataAddress(bias), 0, 0));
    touches.push(touchData(bias, false));
  }
  const rows = perCore === undefined ? emitter.lengths.rows : emitter.ownRows(perCore);
  pushVector(emitter, node.op, { rows, cols: input.cols }, fields, touches);
  release();
}

/** A value from the first row of the executing core on. */
function ownRowsOf(value: Floats, perCore: number): Floats {
  return { ...value, offset: add(value.offset, multiply(perCore * value.rowBytes, CORE)) };
}

/** An element-wise op of which some columns are emitted. */
export interface Elementwise {
  /** Emits columns of the part of a core: `count` from `first` on, as far as there are so many. */
  push(first: number, count: number): void;
}

/**
 * Allocates the result of an element-wise op. Works on the part of a core as soon as one operand is divided: every column
 * then costs one core only.
 *
 * @param piecewise operand that is made piece by piece, of one row: pieces wait for their columns of it only
 */
export function openElementwise(emitter: Emitter, node: GraphNode, piecewise?: string): Elementwise {
  const names = node.inputs.filter((name) => emitter.values.has(name));
  for (const name of names) if (emitter.floatValue(name).rowsPerCore !== undefined) wholeValue(emitter, name);
  const first = emitter.floatValue(requiredName(names, 0, node));
  const { cols } = first;
  const perCore = names
    .map((name) => emitter.floatValue(name).perCore)
    .find((columns) => columns !== undefined);
  const columns = (name: string): FloatColumns =>
    perCore === undefined ? emitter.floatValue(name) : ownColumns(emitter, name, perCore);
  const aName = requiredName(node.inputs, 0, node);
  const bName = node.inputs[1];
  const sources: (readonly [field: string, name: string, value: FloatColumns])[] = [
    ['src0', aName, columns(aName)],
  ];
  if (bName !== undefined && emitter.values.has(bName)) sources.push(['src1', bName, columns(bName)]);
  const out = emitter.partOf(emitter.allocateFloats(requiredName(node.outputs, 0, node), cols, perCore));
  const stage =
    bName !== undefined && sources.length === 1
      ? fetchParameter(emitter, emitter.image.floats32(bName), 'bias')
      : undefined;
  return {
    push(start, count) {
      const fields: Record<string, FieldValue> = {
        ...floatOperand('dst', { ...out, offset: add(out.offset, 4 * start) }),
      };
      const touches = [touchData(out.allocation, true)];
      for (const [field, name, value] of sources) {
        Object.assign(fields, floatOperand(field, { ...value, offset: add(value.offset, 4 * start) }));
        touches.push(
          name === piecewise
            ? touchBytes(value.allocation, 4 * start, 4 * count, false)
            : touchData(value.allocation, false),
        );
      }
      if (stage !== undefined) {
        Object.assign(fields, operand('src1', dataAddress(stage, add(ownOffset(perCore), 4 * start)), 0, 0));
        touches.push(touchData(stage, false));
      }
      const { rows } = emitter.lengths;
      pushVector(emitter, node.op, { rows, cols: ownBlock(out.cols, start, count) }, fields, touches);
    },
  };
}

function emitElementwise(emitter: Emitter, node: GraphNode): void {
  openElementwise(emitter, node).push(0, Number.MAX_SAFE_INTEGER);
}

/** Rows of the rotary table for the tokens in flight, fetched once per chunk and kept. */
function ropeRows(emitter: Emitter, tableName: string, rowBytes: number): Allocation {
  const region = emitter.image.floats32(tableName);
  const stage = emitter.keptStage(`rope ${tableName}`, emitter.lengths.maxRows * rowBytes);
  if (!emitter.batch.fetched.has(tableName)) {
    emitter.batch.fetched.add(tableName);
    const { rows, position } = emitter.lengths;
    emitter.push(
      emitter.draft(
        'LD',
        'fetch',
        runs(
          region,
          multiply(rowBytes, position),
          dataAddress(stage),
          { length: multiply(rowBytes, rows) },
          OTHER_KIND,
        ),
        [touchRegion(region, false), touchData(stage, true)],
      ),
    );
  }
  return stage;
}

function emitRope(emitter: Emitter, node: GraphNode): void {
  const inputName = requiredName(node.inputs, 0, node);
  const outName = requiredName(node.outputs, 0, node);
  const { cols } = emitter.floatValue(inputName);
  const headDim = integerAttribute(node, 'headDim');
  const tableBytes = headDim * 4;
  const table = ropeRows(emitter, requiredName(node.inputs, 1, node), tableBytes);
  const perCore = emitter.columnsPerCore(outName, cols);
  const input = ownColumns(emitter, inputName, perCore);
  const out = emitter.allocateFloats(outName, cols, perCore);
  const heads = ownItems(cols / headDim, perCore / headDim, emitter.cores);
  pushVector(
    emitter,
    'rope',
    { batch: heads, rows: emitter.lengths.rows, cols: headDim },
    {
      ...operand('src0', dataAddress(input.allocation, input.offset), headDim * 4, input.rowBytes),
      ...operand('src1', dataAddress(table), 0, tableBytes),
      ...operand('dst', dataAddress(out.allocation), headDim * 4, out.rowBytes),
      layout: stringAttribute(node, 'layout') === 'half' ? 1 : 0,
    },
    [touchData(input.allocation, false), touchData(table, false), touchData(out.allocation, true)],
  );
}

/** The last token's row of a value: no instruction, only an address. */
function emitTakeLast(emitter: Emitter, node: GraphNode): void {
  const input = emitter.floatValue(requiredName(node.inputs, 0, node));
  if (input.rowsPerCore !== undefined) throw internalError('the last token of divided rows', node.name);
  emitter.values.set(requiredName(node.outputs, 0, node), {
    ...input,
    offset: add(input.offset, multiply(input.rowBytes, emitter.lastRow)),
  });
}

/** Token ids of the chunk, fetched once from the mailbox. */
function tokenIds(emitter: Emitter, name: string): Allocation {
  const region = emitter.image.mailbox(name, 'input', emitter.capacity * 4);
  const stage = emitter.keptStage(`ids ${name}`, emitter.lengths.maxRows * 4);
  if (!emitter.batch.fetched.has(name)) {
    emitter.batch.fetched.add(name);
    const { rows, offset } = { rows: emitter.lengths.rows, offset: emitter.batch.start };
    emitter.push(
      emitter.draft(
        'LD',
        'fetch',
        runs(
          region,
          multiply(4, offset),
          dataAddress(stage),
          { length: multiply(4, rows) },
          ACTIVATIONS_KIND,
        ),
        [touchRegion(region, false), touchData(stage, true)],
      ),
    );
  }
  return stage;
}

function emitEmbedding(emitter: Emitter, node: GraphNode): void {
  const idsName = requiredName(node.inputs, 0, node);
  const tableName = requiredName(node.inputs, 1, node);
  const outName = requiredName(node.outputs, 0, node);
  const constant = emitter.image.constant(tableName);
  const { rows, maxRows } = emitter.lengths;
  const positions = emitter.batch.positionOffsets.get(idsName);
  if (constant?.type.kind === 'dense') {
    const region = emitter.image.floats32(tableName);
    const cols = constant.type.shape[1];
    if (typeof cols !== 'number') throw internalError('table without a static width', node.name);
    const stage = emitter.stage(`rows ${tableName}`, maxRows * cols * 4);
    if (positions !== undefined) {
      // Positions are consecutive, so their rows are one run.
      emitter.push(
        emitter.draft(
          'LD',
          'fetch',
          runs(
            region,
            multiply(4 * cols, positions),
            dataAddress(stage),
            { length: multiply(4 * cols, rows) },
            OTHER_KIND,
          ),
          [touchRegion(region, false), touchData(stage, true)],
        ),
      );
    } else {
      pushGather(emitter, region, tokenIds(emitter, idsName), stage, 4 * cols);
    }
    const out = emitter.allocateFloats(outName, cols);
    pushVector(
      emitter,
      'copy',
      { rows, cols },
      { ...operand('src0', dataAddress(stage), 0, 4 * cols), ...floatOperand('dst', out) },
      [touchData(stage, false), touchData(out.allocation, true)],
    );
    return;
  }
  if (positions !== undefined) {
    throw new BitloomError({
      code: 'compiler-op-unsupported',
      message: 'a quantised position table has no instruction',
      where: `node '${node.name}'`,
    });
  }
  const table = emitter.image.table(tableName);
  const ids = tokenIds(emitter, idsName);
  const codes = emitter.stage(`codes ${tableName}`, maxRows * table.rowBytes);
  const scales = emitter.stage(`scales ${tableName}`, maxRows * table.scaleRowBytes);
  pushGather(emitter, table.codes, ids, codes, table.rowBytes);
  pushGather(emitter, table.scales, ids, scales, table.scaleRowBytes);
  const out = emitter.allocateFloats(outName, table.cols);
  pushVector(
    emitter,
    'dequantize',
    { rows, cols: table.cols },
    {
      ...operand('src0', dataAddress(codes), 0, table.rowBytes),
      ...operand('src1', dataAddress(scales), 0, table.scaleRowBytes),
      ...floatOperand('dst', out),
      layout: table.group,
      immediate: table.bits,
    },
    [touchData(codes, false), touchData(scales, false), touchData(out.allocation, true)],
  );
}

function pushGather(
  emitter: Emitter,
  region: Region,
  ids: Allocation,
  stage: Allocation,
  rowBytes: number,
): void {
  const fields = {
    ...runs(
      region,
      0,
      dataAddress(stage),
      { length: rowBytes, count1: emitter.lengths.rows, srcStride1: rowBytes, dstStride1: rowBytes },
      OTHER_KIND,
    ),
    gather: 1,
    indices: dataAddress(ids),
    tableBytes: region.bytes,
  };
  emitter.push(
    emitter.draft('LD', 'fetch', fields, [
      touchRegion(region, false),
      touchData(ids, false),
      touchData(stage, true),
    ]),
  );
}

/** Positions are never stored: the embedding that reads them fetches consecutive rows. */
function emitPositions(emitter: Emitter, node: GraphNode): void {
  emitter.batch.positionOffsets.set(
    requiredName(node.outputs, 0, node),
    emitter.positionPlus(integerAttribute(node, 'offset')),
  );
}

export const VECTOR_EMITTERS: ReadonlyMap<string, (emitter: Emitter, node: GraphNode) => void> = new Map([
  ['embedding', emitEmbedding],
  ['positions', emitPositions],
  ['rmsNorm', emitNorm],
  ['layerNorm', emitNorm],
  ['rope', emitRope],
  ['takeLast', emitTakeLast],
  ...[...ELEMENTWISE].map((op) => [op, emitElementwise] as const),
]);
