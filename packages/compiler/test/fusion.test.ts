/** Fusion of pairs and the cut into groups. */
import { dense, type GraphFunction, type GraphNode } from '@bitloom/ir';
import { describe, expect, it } from 'vitest';
import { fusePairs, groupNodes } from '../src/fusion.js';
import { quantizedLlama, STORIES } from './support/quantized-llama.js';

function node(op: string, inputs: string[], output: string, layer?: number): GraphNode {
  return {
    name: `${op} ${output}`,
    op,
    inputs,
    outputs: [output],
    attributes: {},
    ...(layer === undefined ? {} : { layer }),
  };
}

function fn(nodes: GraphNode[], outputs: string[]): GraphFunction {
  return {
    name: 'f',
    inputs: [{ name: 'x', type: dense('f32', [1, 4]) }],
    outputs,
    nodes,
    bindings: {},
    stateUpdates: {},
  };
}

const shown = (nodes: readonly GraphNode[]): string[] =>
  nodes.map(({ op, inputs, outputs }) => `${outputs[0]} = ${op} ${inputs.join(' ')}`);

describe('fusePairs', () => {
  it('joins silu and mul, whichever operand the gate is', () => {
    expect(
      shown(
        fusePairs(
          fn([node('silu', ['x'], 's'), node('relu', ['x'], 'r'), node('mul', ['s', 'r'], 'y')], ['y']),
        ),
      ),
    ).toEqual(['r = relu x', 'y = siluMul x r']);
    expect(shown(fusePairs(fn([node('silu', ['x'], 's'), node('mul', ['x', 's'], 'y')], ['y'])))).toEqual([
      'y = siluMul x x',
    ]);
  });

  it('leaves a gate that somebody else reads', () => {
    const gate = node('silu', ['x'], 's');
    const product = node('mul', ['s', 'x'], 'y');
    for (const f of [
      fn([gate, product], ['y', 's']),
      fn([gate, product, node('add', ['y', 's'], 'z')], ['z']),
      fn([gate, node('mul', ['s', 's'], 'y')], ['y']),
    ]) {
      expect(fusePairs(f)).toEqual(f.nodes);
    }
  });

  it('fuses one gate of two', () => {
    const f = fn([node('silu', ['x'], 's'), node('silu', ['x'], 't'), node('mul', ['s', 't'], 'y')], ['y']);
    expect(shown(fusePairs(f))).toEqual(['t = silu x', 'y = siluMul x t']);
  });

  it('leaves no silu in a Llama, and every node reads what stands before it', () => {
    for (const f of quantizedLlama(STORIES).functions) {
      const nodes = fusePairs(f);
      expect(nodes.length).toBe(f.nodes.length - STORIES.layers);
      const made = new Set<string>();
      const all = new Set(f.nodes.flatMap((n) => n.outputs));
      for (const n of nodes) {
        for (const name of n.inputs) if (all.has(name)) expect(made).toContain(name);
        for (const name of n.outputs) made.add(name);
      }
      for (const name of f.outputs) expect(made).toContain(name);
    }
  });
});

describe('groupNodes', () => {
  it('cuts at embedding, norms and attention, and behind attention', () => {
    const groups = groupNodes([
      node('embedding', ['ids'], 'e'),
      node('rmsNorm', ['e'], 'n', 0),
      node('linear', ['n'], 'q', 0),
      node('attention', ['q'], 'm', 0),
      node('linear', ['m'], 'o', 0),
      node('add', ['o', 'e'], 'x', 0),
      node('layerNorm', ['x'], 'n2'),
      node('linear', ['n2'], 'logits'),
    ]);
    expect(groups.map(({ name, layer, nodes }) => [name, layer, nodes.length])).toEqual([
      ['embedding', -1, 1],
      ['L0.norm', 0, 2],
      ['L0.attention', 0, 1],
      ['L0.projection', 0, 2],
      ['norm', -1, 2],
    ]);
  });

  it('keeps every node once, in order', () => {
    const nodes = quantizedLlama(STORIES).functions[0].nodes;
    expect(groupNodes(nodes).flatMap((group) => group.nodes)).toEqual(nodes);
    expect(groupNodes([])).toEqual([]);
    expect(groupNodes([node('add', ['x', 'x'], 'y')])[0].name).toBe('start');
  });
});
