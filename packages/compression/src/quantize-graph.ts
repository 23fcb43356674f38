/** Rewrites the functions and states of a float graph for integer arithmetic. Types only; no bytes. */
import {
  BitloomError,
  type CacheBits,
  FP32,
  formatType,
  type GraphFunction,
  type GraphNode,
  intFormat,
  type StateDecl,
  type ValueType,
} from '@bitloom/ir';

/**
 * Inserts one `quantize` before the first product that reads a value and lets every product of a quantised weight
 * read its result, so that q, k and v share one, and gate and up.
 */
export function quantizeFunction(fn: GraphFunction, weights: ReadonlySet<string>): GraphFunction {
  const taken = new Set(fn.nodes.flatMap((node) => [node.name, ...node.outputs]));
  const fresh = (wanted: string): string => {
    let name = wanted;
    while (taken.has(name)) name += '_';
    taken.add(name);
    return name;
  };
  const producers = new Map(fn.nodes.flatMap((node) => node.outputs.map((output) => [output, node.name])));
  const quantized = new Map<string, string>();
  const nodes: GraphNode[] = [];
  for (const node of fn.nodes) {
    const [x, w, ...rest] = node.inputs;
    if (node.op !== 'linear' || !weights.has(w)) {
      nodes.push(node);
      continue;
    }
    let codes = quantized.get(x);
    if (codes === undefined) {
      codes = fresh(`${x}.int8`);
      quantized.set(x, codes);
      nodes.push({
        name: fresh(`${producers.get(x) ?? x}.quantize`),
        op: 'quantize',
        inputs: [x],
        outputs: [codes],
        attributes: { bits: 8 },
        ...(node.layer === undefined ? {} : { layer: node.layer }),
      });
    }
    nodes.push({ ...node, inputs: [codes, w, ...rest] });
  }
  return { ...fn, nodes };
}

/**
 * KV caches become codes of `bits` with one float32 scale per head and token; other states stay.
 * @throws BitloomError `scheme-kv-cache` for codes of 4 bits in heads of an odd width: two of them share a byte
 */
export function quantizeState(state: StateDecl, bits: CacheBits): StateDecl {
  if (state.purpose !== 'kv-cache' || state.type.kind !== 'dense') return state;
  const { shape } = state.type;
  const width = shape[shape.length - 1];
  if (bits === 4 && typeof width === 'number' && width % 2 !== 0) {
    throw new BitloomError({
      code: 'scheme-kv-cache',
      message: 'two codes of 4 bits share a byte, and the heads of this model have an odd number of them',
      where: `state '${state.name}'`,
      expected: 'heads of an even width',
      got: formatType(state.type),
      hint: 'choose the scheme without -KV4, whose cache is INT8',
    });
  }
  const type: ValueType = {
    kind: 'quantized',
    shape,
    element: intFormat(bits),
    scales: [
      {
        format: FP32,
        block: shape.map((_, axis) => (axis === shape.length - 1 ? 0 : 1)),
        direction: 'multiply',
        rule: bits === 8 ? 'amax/127' : 'amax/7',
      },
    ],
    layout: 'rows',
  };
  return { ...state, type };
}
