/**
 * Key and value caches of a sequence, head-major: float32 [heads, capacity, headDim], or codes of int8 or int4, one per
 * byte, of the same shape with float32 scales [heads, capacity]. The caches of a sequence in one memory are one block, laid out here;
 * rows at and past the position hold anything, no step reads them.
 */
import { formatType, type StateDecl } from '@bitloom/ir';
import { type NodeIdentity, unsupportedNode } from './unsupported.js';
import { roundUp } from './workspace.js';

/** Where the cache of one state lies in the block of a sequence. Offsets and strides in bytes. */
export interface StateLayout {
  readonly name: string;
  /** Index of the memory that holds it. */
  readonly shard: number;
  /** What the bytes are. Codes of 4 bits lie in int8, so that the products are those of int8. */
  readonly kind: 'f32' | 'int8';
  /** Width of a code; 32 for float32. */
  readonly bits: 4 | 8 | 32;
  readonly heads: number;
  readonly headDim: number;
  readonly offset: number;
  readonly headBytes: number;
  readonly rowBytes: number;
  /** Scales, float32 [heads, capacity]; 0 for float32 caches. */
  readonly scalesOffset: number;
  readonly scalesHeadBytes: number;
}

const ALIGNMENT = 64;

/** Formats of codes that are appended, by name. */
const CODE_BITS: ReadonlyMap<string, 4 | 8> = new Map([
  ['int8', 8],
  ['int4', 4],
]);

/**
 * Lays out the cache of a state for `capacity` tokens from byte `offset` of the block; `end` is where the next may
 * begin.
 * @throws BitloomError `host-op-unsupported`
 */
export function layOutState(
  state: StateDecl,
  capacity: number,
  shard: number,
  offset: number,
): { readonly layout: StateLayout; readonly end: number } {
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
  const common = { name: state.name, shard, heads, headDim, offset };
  if (type.kind === 'dense' && type.dtype === 'f32') {
    const rowBytes = headDim * 4;
    const headBytes = capacity * rowBytes;
    return {
      layout: { ...common, kind: 'f32', bits: 32, headBytes, rowBytes, scalesOffset: 0, scalesHeadBytes: 0 },
      end: offset + roundUp(heads * headBytes, ALIGNMENT),
    };
  }
  const [scale] = type.kind === 'quantized' ? type.scales : [];
  const bits = type.kind === 'quantized' ? CODE_BITS.get(type.element.name) : undefined;
  const perRow =
    type.kind === 'quantized' &&
    type.scales.length === 1 &&
    scale !== undefined &&
    scale.format.name === 'fp32' &&
    scale.zero === undefined &&
    scale.direction === 'multiply' &&
    scale.block[0] === 1 &&
    scale.block[1] === 1 &&
    (scale.block[2] === 0 || scale.block[2] === headDim);
  if (!perRow || bits === undefined) {
    throw unsupportedNode(
      user,
      `state '${state.name}' in float32, or int8 or int4 with a float32 scale per head and token`,
      formatType(type),
    );
  }
  const headBytes = capacity * headDim;
  const scalesOffset = offset + roundUp(heads * headBytes, ALIGNMENT);
  const scalesHeadBytes = capacity * 4;
  return {
    layout: { ...common, kind: 'int8', bits, headBytes, rowBytes: headDim, scalesOffset, scalesHeadBytes },
    end: scalesOffset + roundUp(heads * scalesHeadBytes, ALIGNMENT),
  };
}
