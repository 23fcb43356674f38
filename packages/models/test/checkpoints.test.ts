import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeHfLlama } from '../src/index.js';
import { openModel } from '../src/node.js';
import { inferTypes, runForward } from './evaluate.js';
import { dataPath, hasData } from './support.js';

interface Witness {
  readonly sequences: readonly {
    readonly input_ids: readonly number[];
    readonly logits?: { readonly base64: string };
  }[];
}

let scratch = '';
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'bitloom-checkpoints-'));
});
afterAll(() => rmSync(scratch, { recursive: true }));

describe.skipIf(!hasData)('checkpoints of an independent implementation', () => {
  it.each([
    ['llama-gqa-untied', '.'],
    ['llama-gqa-untied', 'model-f32.gguf'],
    ['llama-tied-rope-scaled', '.'],
    ['llama-tied-rope-scaled', 'model-f32.gguf'],
    ['opt-relu-bias', '.'],
    ['gpt2', '.'],
    ['qwen2-bias', '.'],
  ])('%s %s: logits', async (folder, file) => {
    const model = await openModel(dataPath('witness-models', folder, file));
    const witness: Witness = JSON.parse(
      readFileSync(dataPath('witness-models', folder, 'witness.json'), 'utf8'),
    );
    inferTypes(model);
    const [first] = witness.sequences;
    const bytes = Uint8Array.from(Buffer.from(first.logits?.base64 ?? '', 'base64'));
    const expected = new Float32Array(bytes.buffer);
    const { logits } = runForward(model, first.input_ids);
    expect(logits.length).toBe(expected.length);
    const worst = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - logits[i])), 0);
    expect(worst).toBeLessThan(5e-5);
    model.close();
  });
});

/** The most likely token after the prompt and after each token of a continuation: equal to it if it was greedy. */
function greedyAfter(
  model: Parameters<typeof runForward>[0],
  prompt: readonly number[],
  continuation: readonly number[],
): number[] {
  const { logits, vocab } = runForward(model, [...prompt, ...continuation.slice(0, -1)]);
  return continuation.map((_, i) => {
    const row = logits.subarray((prompt.length - 1 + i) * vocab, (prompt.length + i) * vocab);
    return row.indexOf(Math.max(...row));
  });
}

describe.skipIf(!hasData)('stories260K', () => {
  const golden = hasData ? readFileSync(dataPath('stories260K/golden_greedy_200steps.txt'), 'utf8') : '';
  const bin = hasData ? dataPath('stories260K/stories260K.bin') : '';
  const tokenizer = hasData ? dataPath('stories260K/tok512.bin') : '';

  /** 200 greedy steps from BOS, as text, by teacher forcing: wrong from the first token that is not the greedy one. */
  const expectGolden = async (path: string, options: { tokenizer?: string } = {}): Promise<void> => {
    const model = await openModel(path, options);
    const tokens = model.tokenizer?.encode(golden) ?? [];
    expect(tokens.length).toBe(201);
    const continuation = greedyAfter(model, tokens.slice(0, 1), tokens.slice(1));
    expect(model.tokenizer?.decode(continuation, { after: [1] })).toBe(golden);
    model.close();
  };

  it('gives the golden text from the llama2.c file', () => expectGolden(bin, { tokenizer }));

  it('gives the golden text as a Hugging Face folder, with the keys of transformers 4 and 5', async () => {
    const model = await openModel(bin, { tokenizer });
    if (model.config === undefined) throw new Error('a checkpoint has a configuration');
    const configs: unknown[] = [];
    for (const form of [4, 5] as const) {
      const folder = join(scratch, `hf-${form}`);
      mkdirSync(folder);
      const files = writeHfLlama(model.config, model.sections, { form, bosId: 1, eosIds: [2] });
      for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
      const again = await openModel(folder);
      configs.push(again.config);
      again.close();
    }
    model.close();
    expect(configs[0]).toEqual({ ...model.config, positions: { ...model.config.positions, layout: 'half' } });
    expect(configs[1]).toEqual(configs[0]);
    await expectGolden(join(scratch, 'hf-5'), { tokenizer });
  });

  it('is the same graph with the same weights from .bin and GGUF', async () => {
    const [a, b] = [await openModel(bin), await openModel(dataPath('stories260K/stories260K-f32.gguf'))];
    expect(a.config).toEqual(b.config);
    expect(a.model.functions).toEqual(b.model.functions);
    expect(a.model.constants).toEqual(b.model.constants);
    for (const { name } of a.model.constants) {
      expect(Buffer.compare(a.sections.read(name), b.sections.read(name)), name).toBe(0);
    }
    a.close();
    b.close();
  });

  it('reads any byte range of a section', async () => {
    for (const path of [bin, dataPath('witness-models/gpt2')]) {
      const model = await openModel(path);
      for (const { name } of model.model.constants.slice(0, 14)) {
        const whole = model.sections.read(name).slice();
        expect(model.sections.byteLength(name)).toBe(whole.length);
        for (const [offset, length] of [
          [0, 1],
          [3, 9],
          [whole.length - 5, 5],
          [whole.length >> 1, Math.min(1000, whole.length >> 1)],
          [whole.length, 0],
        ]) {
          expect(Array.from(model.sections.read(name, offset, length))).toEqual(
            Array.from(whole.subarray(offset, offset + length)),
          );
        }
      }
      model.close();
    }
  });
});
