/**
 * Key and value caches in the arena, head-major: float32 [heads, capacity, headDim], or int8 codes of the same
 * shape with float32 scales [heads, capacity]. Rows at and past the position hold anything; no step reads them.
 */
import { formatType, type StateDecl } from '@bitloom/ir';
import type { Arena } from '@bitloom/kernels';
import { type NodeIdentity, unsupportedNode } from './unsupported.js';

/** A cache of one state. Strides in bytes. */
export interface StateBuffer {
  readonly name: string;
  readonly kind: 'f32' | 'int8';
  readonly heads: number;
  readonly headDim: number;
  readonly pointer: number;
  readonly headBytes: number;
  readonly rowBytes: number;
  /** Scales, float32 [heads, capacity]; 0 for float32 caches. */
  readonly scales: number;
  readonly scalesHeadBytes: number;
}

/** Allocates the cache of a state for `capacity` tokens. */
export function allocateState(state: StateDecl, capacity: number, arena: Arena): StateBuffer {
  const user: NodeIdentity = { name: state.name, op: 'stateAppend' };
  const { type } = state;
  const [heads, , headDim] = type.shape;
  if (type.shape.length !== 3 || typeof heads !== 'number' || typeof headDim !== 'number') {
    throw unsupportedNode(
      user,
      `state '${state.name}' of shape [heads, capacity, headDim]`,
      formatType(type),
    );
  }
  const common = { name: state.name, heads, headDim };
  if (type.kind === 'dense' && type.dtype === 'f32') {
    const rowBytes = headDim * 4;
    const headBytes = capacity * rowBytes;
    const pointer = arena.alloc(heads * headBytes);
    return { ...common, kind: 'f32', pointer, headBytes, rowBytes, scales: 0, scalesHeadBytes: 0 };
  }
  const [scale] = type.kind === 'quantized' ? type.scales : [];
  const perRow =
    type.kind === 'quantized' &&
    type.element.name === 'int8' &&
    type.scales.length === 1 &&
    scale !== undefined &&
    scale.format.name === 'fp32' &&
    scale.zero === undefined &&
    scale.direction === 'multiply' &&
    scale.block[0] === 1 &&
    scale.block[1] === 1 &&
    (scale.block[2] === 0 || scale.block[2] === headDim);
  if (!perRow) {
    throw unsupportedNode(
      user,
      `state '${state.name}' in float32, or int8 with a float32 scale per head and token`,
      formatType(type),
    );
  }
  const pointer = arena.alloc(heads * capacity * headDim);
  const scales = arena.alloc(heads * capacity * 4);
  return {
    ...common,
    kind: 'int8',
    pointer,
    headBytes: capacity * headDim,
    rowBytes: headDim,
    scales,
    scalesHeadBytes: capacity * 4,
  };
}
