/** Makes typed metadata values. Numbers are checked when they are written. */
import type { GgufValue } from './metadata.js';

export function string(data: string): GgufValue {
  return { type: 'string', data };
}

export function bool(data: boolean): GgufValue {
  return { type: 'bool', data };
}

export function uint32(data: number): GgufValue {
  return { type: 'uint32', data };
}

export function float32(data: number): GgufValue {
  return { type: 'float32', data: Math.fround(data) };
}

export function strings(data: readonly string[]): GgufValue {
  return { type: 'array', elementType: 'string', data };
}

export function float32s(data: readonly number[]): GgufValue {
  return { type: 'array', elementType: 'float32', data: Float32Array.from(data) };
}

export function int32s(data: readonly number[]): GgufValue {
  return { type: 'array', elementType: 'int32', data: Int32Array.from(data) };
}
