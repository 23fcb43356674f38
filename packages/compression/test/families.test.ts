/**
 * Integer schemes on models of every family: as a slow reading of the same graph says, the same tokens alone, in a batch
 * and in other chunks, and a graph in which only linear weights, tables of tokens and caches became integers.
 */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { verifyModel } from '@bitloom/ir';
import { createKernels } from '@bitloom/kernels';
import { openModel } from '@bitloom/models/node';
import { createHostEngine, greedyToken, loadHostModel } from '@bitloom/runtime';
import { afterAll, describe, expect, it } from 'vitest';
import { noise } from '../../runtime/test/support/tiny-model.js';
import { quantizeModel } from '../src/index.js';
import { slowLogits } from './support/slow-graph.js';

const FAMILIES = fileURLToPath(new URL('../../runtime/test/fixtures/families', import.meta.url));
const FOLDERS = readdirSync(FAMILIES, { withFileTypes: true }).flatMap((entry) =>
  entry.isDirectory() ? [entry.name] : [],
);
const SCHEMES = ['W8A8', 'FlightLLM-8:16', 'W8A8-KV4'];
const VOCABULARY = 64;
/** One for all: models are closed before others are loaded. */
const kernels = createKernels();
const sequence = (seed: number, length: number): number[] =>
  Array.from(noise(seed, length), (v) => Math.floor(((v + 1) / 2) * VOCABULARY));
const SEQUENCES = [sequence(3, 23), sequence(4, 9), sequence(5, 1)];
/** What a constant that stays in float32 is for. */
const FLOAT = /norm\.(?:weight|bias)$|\.bias$|^positions\.weight$|^rope$/;

function worst(expected: readonly number[], got: Float32Array): number {
  return expected.reduce((most, value, i) => Math.max(most, Math.abs(value - got[i])), 0);
}

describe.each(FOLDERS)('%s', async (folder) => {
  const bundle = await openModel(`${FAMILIES}/${folder}`);
  afterAll(() => bundle.close());

  it.each(SCHEMES)('%s', (scheme) => {
    const model = quantizeModel(bundle, scheme);
    verifyModel(model.model);
    for (const { name, type } of model.model.constants)
      expect(type.kind === 'dense', name).toBe(FLOAT.test(name));
    for (const { type } of model.model.states) expect(type.kind).toBe('quantized');
    for (const fn of model.model.functions) {
      const linears = fn.nodes.filter(({ op }) => op === 'linear');
      const codes = new Set(fn.nodes.flatMap(({ op, outputs }) => (op === 'quantize' ? outputs : [])));
      expect(linears.every(({ inputs }) => codes.has(inputs[0]))).toBe(true);
    }

    const alone = SEQUENCES.map((ids) => {
      const engine = createHostEngine(model, { kernels, chunk: 48 });
      const logits = engine.forward(ids).slice();
      const tokens = [greedyToken(logits.subarray(-VOCABULARY))];
      for (let i = 0; i < 12; i += 1) tokens.push(greedyToken(engine.decode(tokens[i])));
      engine.close();
      return { logits, tokens };
    });
    for (const chunk of [1, 5]) {
      const engine = createHostEngine(model, { kernels, chunk });
      expect(engine.forward(SEQUENCES[0])).toEqual(alone[0].logits);
      engine.close();
    }
    const host = loadHostModel(model, { kernels, chunk: 7 });
    const engines = SEQUENCES.map(() => host.open());
    let next: (readonly number[])[] = SEQUENCES;
    const batched: number[][] = SEQUENCES.map(() => []);
    for (let step = 0; step < 13; step += 1) {
      const rows = host.step(engines.map((engine, i) => ({ engine, tokens: next[i] })));
      const tokens = rows.map((row) => greedyToken(row));
      tokens.forEach((token, i) => void batched[i].push(token));
      next = tokens.map((token) => [token]);
    }
    expect(batched).toEqual(alone.map(({ tokens }) => tokens));
    for (const engine of engines) engine.close();
    host.close();

    // A value within rounding error of a tie may take the next code, and then what follows moves: of single tokens that
    // is rare, of a sequence it is not, but a wrong reading moves logits by more than 1.
    const engine = createHostEngine(model, { kernels });
    const median = (sequences: readonly (readonly number[])[]): number => {
      const all = sequences.map((ids) => {
        engine.reset();
        return worst(slowLogits(model, ids).flat(), engine.forward(ids));
      });
      return all.sort((x, y) => x - y)[Math.floor(all.length / 2)];
    };
    expect(median(sequence(6, 9).map((id) => [id]))).toBeLessThan(1e-4);
    expect(median(Array.from({ length: 9 }, (_, i) => sequence(7 + i, 3)))).toBeLessThan(1e-4);
    engine.close();
    // The next code of a cache of 4 bits is further away.
    const most = scheme.endsWith('KV4') ? 2 : 0.5;
    expect(worst(slowLogits(model, SEQUENCES[0]).flat(), alone[0].logits)).toBeLessThan(most);
  });
});
