/**
 * Fusion: rewrites that turn several nodes into one instruction, and the cut of the node list into fused
 * groups. A group's intermediate values stay on chip; each group becomes a frame.
 */
import type { GraphFunction, GraphNode } from '@bitloom/ir';

/** A named rewrite of two neighbouring nodes into one. */
interface PairPattern {
  readonly name: string;
  readonly first: string;
  readonly second: string;
  readonly fused: string;
}

const PAIRS: readonly PairPattern[] = [
  { name: 'gated SiLU', first: 'silu', second: 'mul', fused: 'siluMul' },
];

/** Ops that open a new group, by what they are. */
const GROUP_STARTS: ReadonlyMap<string, string> = new Map([
  ['embedding', 'embedding'],
  ['rmsNorm', 'norm'],
  ['layerNorm', 'norm'],
  ['attention', 'attention'],
]);

export interface FusedGroup {
  readonly name: string;
  readonly layer: number;
  readonly nodes: readonly GraphNode[];
}

/** Joins pairs whose first result has one reader, and moves appends to caches forward. Results equal the unfused ones bit for bit. */
export function fusePairs(fn: GraphFunction): readonly GraphNode[] {
  const readers = new Map<string, number>();
  for (const name of [...fn.nodes.flatMap((node) => node.inputs), ...fn.outputs])
    readers.set(name, (readers.get(name) ?? 0) + 1);
  const producer = new Map(fn.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const absorbed = new Set<GraphNode>();
  const out: GraphNode[] = [];
  for (const node of fn.nodes) {
    const fused = fuseWith(node, producer, readers);
    if (fused === undefined) {
      out.push(node);
    } else {
      absorbed.add(fused.first);
      out.push(fused.node);
    }
  }
  return hoistAppends(out.filter((node) => !absorbed.has(node)));
}

/** Appends to a cache right behind what they append, so that stores and loads of the cache run beside other products. */
function hoistAppends(nodes: readonly GraphNode[]): readonly GraphNode[] {
  const appends = new Map<string, GraphNode[]>();
  const inputs = new Set(nodes.flatMap((node) => node.outputs));
  const movable = (node: GraphNode): string | undefined => {
    const [state, input] = node.inputs;
    // An append to what another one has updated stays behind it.
    return node.op === 'stateAppend' && !inputs.has(state) && inputs.has(input) ? input : undefined;
  };
  for (const node of nodes) {
    const input = movable(node);
    if (input !== undefined) appends.set(input, [...(appends.get(input) ?? []), node]);
  }
  return nodes.flatMap((node) =>
    movable(node) !== undefined ? [] : [node, ...node.outputs.flatMap((name) => appends.get(name) ?? [])],
  );
}

function fuseWith(
  node: GraphNode,
  producer: ReadonlyMap<string, GraphNode>,
  readers: ReadonlyMap<string, number>,
): { first: GraphNode; node: GraphNode } | undefined {
  for (const pattern of PAIRS) {
    if (node.op !== pattern.second) continue;
    for (const [index, name] of node.inputs.entries()) {
      const first = producer.get(name);
      const other = node.inputs[1 - index];
      if (first?.op !== pattern.first || readers.get(name) !== 1 || other === undefined) continue;
      return { first, node: { ...node, op: pattern.fused, inputs: [...first.inputs, other] } };
    }
  }
  return undefined;
}

/**
 * How finely groups are cut. `block`: at norms, embeddings and attention, and behind attention; nothing waits between
 * them, so few are best. `product`: every product opens one, with the element-wise work behind it, as in FlightLLM's
 * artefact (arXiv 2401.03868), where a barrier ends each. `alternating`: products and attention open one, with all vector
 * work up to the next, which another micro-batch's product covers. `node`: nothing is fused.
 */
export type Grouping = 'block' | 'product' | 'alternating' | 'node';

/** Cuts nodes into groups. */
export function groupNodes(nodes: readonly GraphNode[], grouping: Grouping = 'block'): readonly FusedGroup[] {
  const groups: { name: string; layer: number; nodes: GraphNode[] }[] = [];
  let isAfterAttention = false;
  for (const node of nodes) {
    const start = groupStart(node, grouping) ?? (isAfterAttention ? 'projection' : undefined);
    const layer = node.layer ?? -1;
    const current = groups[groups.length - 1];
    if (current === undefined || start !== undefined) {
      const name = start ?? 'start';
      groups.push({ name: layer < 0 ? name : `L${layer}.${name}`, layer, nodes: [node] });
    } else {
      current.nodes.push(node);
    }
    isAfterAttention = grouping === 'block' && node.op === 'attention';
  }
  return groups;
}

/** Name of the group that a node opens by what it is, if it opens one. */
function groupStart(node: GraphNode, grouping: Grouping): string | undefined {
  if (grouping === 'node') return node.op;
  if (grouping === 'alternating')
    return node.op === 'linear' || node.op === 'attention' ? node.op : undefined;
  return GROUP_STARTS.get(node.op) ?? (grouping === 'product' && node.op === 'linear' ? 'linear' : undefined);
}
