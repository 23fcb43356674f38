/** Value types of WebAssembly as this encoder knows them (no 64-bit scalars, no references), with their codes. */

export type ValueType = 'i32' | 'f32' | 'v128';

/** Binary code of each value type. */
export const VALUE_TYPE_CODES: Readonly<Record<ValueType, number>> = { i32: 0x7f, f32: 0x7d, v128: 0x7b };
