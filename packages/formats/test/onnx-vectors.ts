/** The ONNX node cases of `format-vectors`, and how their tensors are read. */
import { type ElementFormat, intFormat, uintFormat } from '@bitloom/ir';
import { decode, elementFormat } from '../src/index.js';
import { readFormatVectors } from './data.js';

/** A tensor by the bit patterns of its elements, row-major. */
export interface OnnxTensor {
  name: string;
  type: string;
  dims: number[];
  codes_hex: string[];
}

export interface OnnxCase {
  case: string;
  op: string;
  /** Names of the inputs that the node has, in order. */
  node_inputs: string[];
  attributes: Record<string, unknown>;
  inputs: OnnxTensor[];
  outputs: OnnxTensor[];
}

/** The cases of these operators; none when the data are absent. */
export function onnxCases(...ops: string[]): OnnxCase[] {
  const { cases } = readFormatVectors<{ cases: OnnxCase[] }>('onnx-quant-node-tests.json') ?? { cases: [] };
  return cases.filter(({ op }) => ops.includes(op));
}

/** The element format of an ONNX type; integers may be wider than those with a name. */
export function onnxFormat(type: string): ElementFormat {
  const integer = /^(U?)INT(\d+)$/.exec(type);
  if (integer === null) return elementFormat(type);
  return integer[1] === 'U' ? uintFormat(Number(integer[2])) : intFormat(Number(integer[2]));
}

export function codesOf({ codes_hex }: OnnxTensor): number[] {
  return codes_hex.map((hex) => Number.parseInt(hex, 16));
}

/** The exact values of a tensor; those of DOUBLE rounded to float32. */
export function valuesOf(tensor: OnnxTensor): Float32Array {
  if (tensor.type === 'DOUBLE') return Float32Array.from(doublesOf(tensor));
  return decode(codesOf(tensor), onnxFormat(tensor.type));
}

export function doublesOf({ codes_hex }: OnnxTensor): Float64Array {
  return new Float64Array(BigUint64Array.from(codes_hex, (hex) => BigInt(`0x${hex}`)).buffer);
}

/** The input of this position, where the node has it. */
export function inputAt(node: OnnxCase, position: number): OnnxTensor | undefined {
  const name = node.node_inputs[position];
  return node.inputs.find((input) => input.name === name);
}
