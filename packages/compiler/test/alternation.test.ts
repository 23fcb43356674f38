/**
 * Micro-batches in turns: every group of both once and in the order of its batch, products within attention; and programs
 * in which products of one batch stand between the scores and the mix of the other.
 */
import { findCard, type GraphNode, type Program } from '@bitloom/ir';
import { describe, expect, it } from 'vitest';
import { alternate } from '../src/alternation.js';
import { microBatch } from '../src/emitter.js';
import { type FusedGroup, groupNodes } from '../src/fusion.js';
import { compile } from '../src/index.js';
import { quantizedLlama, STORIES } from './support/quantized-llama.js';

const LENGTHS = { rows: 8, maxRows: 8, position: 0, context: 8 };
const [AHEAD, BEHIND] = [microBatch(0, 0, LENGTHS), microBatch(1, 8, LENGTHS)];

function node(op: string, name: string, ...inputs: string[]): GraphNode {
  return { op, name, inputs, outputs: [name], attributes: {}, layer: 0 };
}

/** q, k and v of one value, attention, o, and one product more. */
const LAYER = [
  node('rmsNorm', 'norm', 'x'),
  ...['q', 'k', 'v'].map((name) => node('linear', name, 'norm')),
  node('attention', 'mixed', 'q', 'k', 'v'),
  node('linear', 'o', 'mixed'),
  node('add', 'sum', 'o', 'x'),
  node('linear', 'up', 'sum'),
];

const told = (groups: readonly FusedGroup[]): string[] =>
  alternate(groups, 3, [AHEAD, BEHIND]).map(({ turn, within }) => {
    const name = ({ group, batch }: typeof turn): string => `${group.nodes[0]?.name}${batch.index}`;
    return [name(turn), ...within.map(name)].join(' ');
  });

describe('alternate', () => {
  it('puts products of the other batch into attention', () => {
    expect(told(groupNodes(LAYER, 'alternating'))).toEqual([
      'norm0',
      'norm1',
      'q0',
      'k0',
      'v0',
      'mixed0 q1 k1 v1',
      'mixed1 o0',
      'o1',
      'up0',
      'up1',
    ]);
  });

  it('only takes turns where there is no attention, or nothing before it that could wait', () => {
    const without = LAYER.filter(({ op }) => op !== 'attention');
    expect(told(groupNodes(without, 'alternating')).slice(2, 6)).toEqual(['q0', 'q1', 'k0', 'k1']);
    const bare = LAYER.filter(({ op }) => op !== 'linear');
    expect(told(groupNodes(bare, 'alternating'))).toEqual(['norm0', 'norm1', 'mixed0', 'mixed1']);
  });

  it('knows where each group begins', () => {
    const moves = alternate(groupNodes(LAYER, 'alternating'), 3, [AHEAD, BEHIND]);
    for (const { turn, within } of moves)
      for (const { group, first } of [turn, ...within]) expect(LAYER[first - 3]).toBe(group.nodes[0]);
  });
});

/** Nodes of the instructions of an entry's layer, in order, where they change. */
function nodesOf(program: Program, entry: string, layer: number): string[] {
  const stream = program.entries.find(({ name }) => name === entry)?.streams[0]?.instructions ?? [];
  const names = stream
    .filter(({ name }) => name === 'MM' || name === 'VEC')
    .map(({ origin }) => program.provenance[origin])
    .filter((p) => p?.layer === layer)
    .map((p) => `${p?.node} ${p?.tile}`);
  return names.filter((name, i) => name !== names[i - 1]);
}

describe('a compiled prefill', () => {
  it('multiplies for the other micro-batch while softmax runs', () => {
    const shape = { ...STORIES, layers: 2, width: 1024, heads: 8, kvHeads: 8, ffn: 1024 };
    const program = compile(quantizedLlama(shape), findCard('u280-bitloom'), { entries: ['prefill'] });
    const nodes = nodesOf(program, 'prefill', 1);
    const softmax = nodes.findIndex((name) => name.includes('softmax'));
    const mix = nodes.findIndex((name) => name.includes('mix of'));
    expect(softmax).toBeGreaterThan(0);
    const between = nodes.slice(softmax + 1, mix).filter((name) => name.includes('rows x'));
    expect(between.length).toBeGreaterThan(0);
  });
});
