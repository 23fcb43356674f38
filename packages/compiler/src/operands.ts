/**
 * Fields of instructions in short: addresses of buffers, strided operands, runs of loads, and the ranges that a draft
 * touches.
 */
import {
  type Address,
  add,
  type Expression,
  type FieldValue,
  maximum,
  minimum,
  multiply,
  type Region,
  type SpaceName,
  subtract,
} from '@bitloom/ir';
import type { Allocation } from './data-buffer.js';
import type { Touch } from './draft.js';
import { BUFFER_REGISTER, regionAddress } from './image.js';

/** Address in an on-chip buffer. */
export function bufferAddress(space: SpaceName, offset: Expression): Address {
  return { space, channel: 0, register: BUFFER_REGISTER, page: false, offset };
}

export function dataAddress(allocation: Allocation, offset: Expression = 0): Address {
  return bufferAddress('data', add(allocation.start, offset));
}

export function touchData(allocation: Allocation, write: boolean): Touch {
  return { space: 'data', start: allocation.start, end: allocation.start + allocation.bytes, write };
}

/** As {@link touchData}, of bytes from `first` on, as far as there are so many. */
export function touchBytes(allocation: Allocation, first: number, bytes: number, write: boolean): Touch {
  const { start } = allocation;
  const end = start + Math.min(allocation.bytes, first + bytes);
  return { space: 'data', start: start + Math.min(allocation.bytes, first), end, write };
}

export function touchRegion(region: Region, write: boolean): Touch {
  return { space: region.space, start: region.offset, end: region.offset + region.bytes, write };
}

/** Operand fields of a strided operand. */
export function operand(
  name: string,
  address: Address,
  batch: Expression,
  row: Expression,
): Record<string, FieldValue> {
  return { [name]: address, [`${name}Batch`]: batch, [`${name}Row`]: row };
}

/** Fields of a load of `rows` runs of `length` bytes. */
export function runs(
  region: Region,
  offset: Expression,
  dst: Address,
  shape: { length: Expression; count1?: Expression; srcStride1?: Expression; dstStride1?: Expression },
  kind: number,
): Record<string, FieldValue> {
  return {
    dst,
    src: regionAddress(region, add(region.offset, offset)),
    length: shape.length,
    count1: shape.count1 ?? 1,
    srcStride1: shape.srcStride1 ?? 0,
    dstStride1: shape.dstStride1 ?? 0,
    count2: 1,
    kind,
  };
}

/** Elements of tile `index` of `size` out of `total`, never negative. */
export function tileLength(total: Expression, size: number, index: Expression): Expression {
  const left = subtract(total, multiply(size, index));
  return maximum(0, minimum(size, left));
}
