/** Appends to the KV cache of int8 or int4 codes. */
import { add, type GraphNode, internalError, multiply, TRANSFER_KINDS } from '@bitloom/ir';
import { ownColumns } from './divided-values.js';
import { pushVector } from './emit-vector.js';
import type { Emitter } from './emitter.js';
import { dataAddress, operand, runs, touchData, touchRegion } from './operands.js';
import { itemsPerCore, ownItems, ownStart } from './partition.js';

const KV_KIND = TRANSFER_KINDS.indexOf('kv');

/** Quantises the new rows per head and stores them behind those already cached. */
export function emitStateAppend(emitter: Emitter, node: GraphNode): void {
  const [stateName, inputName] = node.inputs;
  const [outName] = node.outputs;
  if (stateName === undefined || inputName === undefined || outName === undefined)
    throw internalError('operands missing', node.name);
  const cache = emitter.image.cache(emitter.stateOf(stateName));
  emitter.batch.stateAliases.set(outName, emitter.stateOf(stateName));
  const { headDim, bits, rowBytes } = cache;
  const heads = itemsPerCore(cache.heads, emitter.cores, 1);
  const own = ownItems(cache.heads, heads, emitter.cores);
  const input = ownColumns(emitter, inputName, heads * headDim);
  const { rows, maxRows, position } = emitter.lengths;
  const codes = emitter.allocate(`${node.name}.codes`, heads * maxRows * rowBytes);
  const scales = emitter.allocate(`${node.name}.scales`, heads * maxRows * 4);
  pushVector(
    emitter,
    bits === 4 ? 'quantizeInt4' : 'quantize',
    { batch: own, rows, cols: headDim },
    {
      ...operand('src0', dataAddress(input.allocation, input.offset), headDim * 4, input.rowBytes),
      ...operand('dst', dataAddress(codes), maxRows * rowBytes, rowBytes),
      ...operand('scale', dataAddress(scales), maxRows * 4, 4),
      ...(bits === 4 ? {} : { padTo: headDim }),
    },
    [touchData(input.allocation, false), touchData(codes, true), touchData(scales, true)],
  );
  for (const [region, source, width, stride] of [
    [cache.codes, codes, rowBytes, cache.codesHead],
    [cache.scales, scales, 4, cache.scalesHead],
  ] as const) {
    const load = runs(
      region,
      add(multiply(width, position), ownStart(emitter.cores, heads * stride)),
      dataAddress(source),
      {
        length: multiply(width, rows),
        count1: own,
        srcStride1: stride,
        dstStride1: maxRows * width,
      },
      KV_KIND,
    );
    // A store is the load with its sides exchanged.
    const fields = {
      ...load,
      src: load.dst ?? 0,
      dst: load.src ?? 0,
      srcStride1: maxRows * width,
      dstStride1: stride,
    };
    emitter.push(emitter.draft('ST', 'store', fields, [touchData(source, false), touchRegion(region, true)]));
  }
  emitter.data.free(codes);
  emitter.data.free(scales);
}
