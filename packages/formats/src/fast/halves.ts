/**
 * Whole arrays between float32 and the two 16-bit floats at the speed of memory, to nearest even. The definition is
 * `elements/half-precision.ts`, which asks here first; every bit is its own.
 */
import { bufferAt } from './scratch.js';
import { type HalvesSource, sharedHalvesSource } from './simd-module.js';

/** Elements at a time; both buffers of a piece fit the module's memory of four pages. */
const PIECE = 16384;
/** Where the float32 and the codes of a piece begin, in bytes. */
const FLOATS = /* @__PURE__ */ bufferAt(0);
const CODES = /* @__PURE__ */ bufferAt(FLOATS + PIECE * 4);
/** Below this many elements the plain loop is done before a piece is set up. */
const FEW = 256;

/**
 * Encodes every element, or returns false: there are few of them, `out` has another length, or this engine has no SIMD.
 *
 * @param source where the SIMD functions come from; another one than the shared is for tests
 */
export function encodeHalves(
  values: Float32Array,
  out: Uint16Array,
  name: 'encodeFp16' | 'encodeBf16',
  source: HalvesSource = sharedHalvesSource,
): boolean {
  const functions = isWorthIt(values.length, out.length) ? source() : undefined;
  if (functions === undefined) return false;
  const { buffer } = functions.memory;
  const floats = new Float32Array(buffer, FLOATS, PIECE);
  const codes = new Uint16Array(buffer, CODES, PIECE);
  for (let at = 0; at < values.length; at += PIECE) {
    const piece = values.subarray(at, at + PIECE);
    floats.set(piece);
    functions[name](piece.length, FLOATS, CODES);
    out.set(codes.subarray(0, piece.length), at);
  }
  return true;
}

/** Decodes every code, or returns false, as {@link encodeHalves}. */
export function decodeHalves(
  codes: Uint16Array,
  out: Float32Array,
  name: 'decodeFp16' | 'decodeBf16',
  source: HalvesSource = sharedHalvesSource,
): boolean {
  const functions = isWorthIt(codes.length, out.length) ? source() : undefined;
  if (functions === undefined) return false;
  const { buffer } = functions.memory;
  const floats = new Float32Array(buffer, FLOATS, PIECE);
  const halves = new Uint16Array(buffer, CODES, PIECE);
  for (let at = 0; at < codes.length; at += PIECE) {
    const piece = codes.subarray(at, at + PIECE);
    halves.set(piece);
    functions[name](piece.length, CODES, FLOATS);
    out.set(floats.subarray(0, piece.length), at);
  }
  return true;
}

function isWorthIt(length: number, outLength: number): boolean {
  return length >= FEW && length === outLength;
}
