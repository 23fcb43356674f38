/** Generation on scripted engines: streaming, stop strings, ends, cancellation, context. */
import { BitloomError } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  createStopFilter,
  type GenerateOptions,
  type GenerationStep,
  generate,
  generateAsync,
} from '../src/index.js';
import { BYTE_TOKENIZER, bytesOf, scriptEngine } from './support/script-engine.js';

function run(text: string, options: Partial<GenerateOptions> = {}, capacity = 256): GenerationStep[] {
  const script = bytesOf(text).concat(2);
  return [
    ...generate(scriptEngine(script, 256, capacity), BYTE_TOKENIZER, 'go', { maxTokens: 100, ...options }),
  ];
}

const joined = (steps: readonly GenerationStep[]): string => steps.map((step) => step.text).join('');

function errorOf(action: () => unknown): BitloomError {
  try {
    action();
  } catch (error) {
    if (error instanceof BitloomError) return error;
    throw error;
  }
  throw new Error('nothing thrown');
}

describe('generate', () => {
  it('streams whole characters', () => {
    const steps = run('aé€😀b');
    expect(joined(steps)).toBe('aé€😀b');
    expect(steps.map((step) => step.text)).toEqual(['a', '', 'é', '', '', '€', '', '', '', '😀', 'b', '']);
    expect(steps.at(-1)?.finish).toBe('eos');
  });

  it('counts tokens and hands out what is left at the end', () => {
    const steps = run('a😀', { maxTokens: 3 });
    expect(steps).toHaveLength(3);
    expect(joined(steps)).toBe('a\ufffd');
    expect(steps.at(-1)?.finish).toBe('length');
    expect(run('abc', { maxTokens: 0 })).toEqual([]);
  });

  it('starts an empty prompt from the beginning-of-sequence token', () => {
    const engine = scriptEngine(bytesOf('x').concat(2));
    expect(joined([...generate(engine, BYTE_TOKENIZER, '', { maxTokens: 5 })])).toBe('x');
    expect(engine.calls).toEqual(['prefill 1', 'decode 120']);
    const noBos = { ...BYTE_TOKENIZER, bosId: undefined, encode: () => [] };
    expect(errorOf(() => [...generate(engine, noBos, '', { maxTokens: 1 })]).code).toBe('prompt-empty');
  });

  it('stops before a stop string and never shows a part of it', () => {
    const steps = run('one two three', { stop: ['two t', 'xyz'] });
    expect(joined(steps)).toBe('one ');
    expect(steps.at(-1)?.finish).toBe('stop');
    expect(steps).toHaveLength('one two t'.length);
    // A start of a stop string that comes to nothing appears as soon as that is certain.
    expect(run('a tw b', { stop: ['two'] }).map((step) => step.text)).toEqual([
      'a',
      ' ',
      '',
      '',
      'tw ',
      'b',
      '',
    ]);
    expect(joined(run('ends tw', { stop: ['two'] }))).toBe('ends tw');
    expect(errorOf(() => run('x', { stop: [''] })).code).toBe('stop-string-empty');
  });

  it('runs into the context with a typed error, after all text was handed out', () => {
    // Two of three stop characters are held back when the context ends.
    const engine = scriptEngine(bytesOf('abcdefgh'), 256, 6);
    const steps: GenerationStep[] = [];
    const error = errorOf(() => {
      for (const step of generate(engine, BYTE_TOKENIZER, 'go', { maxTokens: 50, stop: ['cdz'] }))
        steps.push(step);
    });
    expect(error.code).toBe('context-full');
    expect(joined(steps)).toBe('abcd');
    expect(engine.position).toBe(6);
  });

  it('is cancelled between tokens', async () => {
    const controller = new AbortController();
    const steps: GenerationStep[] = [];
    const error = errorOf(() => {
      const options = { maxTokens: 50, signal: controller.signal };
      for (const step of generate(scriptEngine(bytesOf('abcdefgh')), BYTE_TOKENIZER, 'go', options)) {
        steps.push(step);
        if (steps.length === 3) controller.abort('enough');
      }
    });
    expect(error.code).toBe('generation-aborted');
    expect(error.cause).toBe('enough');
    expect(joined(steps)).toBe('abc');
  });

  it('gives timers a turn while it generates', async () => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 0);
    const engine = scriptEngine(bytesOf('abc'), 256, 2 ** 30);
    const endless = async (): Promise<void> => {
      for await (const step of generateAsync(engine, BYTE_TOKENIZER, 'go', {
        maxTokens: 2 ** 30,
        signal: controller.signal,
      })) {
        expect(step.finish).toBeUndefined();
      }
    };
    await expect(endless()).rejects.toMatchObject({ code: 'generation-aborted' });
  });

  it('is the same text in slices of the prompt', async () => {
    const engine = scriptEngine(bytesOf('hello').concat(2));
    let text = '';
    const options = { maxTokens: 9, prefillSlice: 2 };
    for await (const step of generateAsync(engine, BYTE_TOKENIZER, 'abcd', options)) text += step.text;
    expect(text).toBe('hello');
    expect(engine.calls.slice(0, 3)).toEqual(['prefill 2', 'prefill 2', 'prefill 1']);
  });
});

describe('stop filter', () => {
  it('equals cutting the whole text, however it arrives', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 20 });
    const stops = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 4 }), {
      maxLength: 3,
    });
    fc.assert(
      fc.property(fc.array(letters, { maxLength: 6 }), stops, (pieces, list) => {
        const whole = pieces.join('');
        // What a reader sees who gets the text one character at a time and stops at the first complete stop string.
        let expected = whole;
        for (let end = 1; end <= whole.length; end += 1) {
          const hits = list
            .filter((stop) => whole.slice(0, end).endsWith(stop))
            .map((stop) => end - stop.length);
          if (hits.length > 0) {
            expected = whole.slice(0, Math.min(...hits));
            break;
          }
        }
        const filter = createStopFilter(list);
        let text = '';
        let stopped = false;
        for (const letter of whole) {
          if (stopped) break;
          const step = filter.push(letter);
          text += step.text;
          stopped = step.stopped;
          expect(expected.startsWith(text)).toBe(true);
        }
        if (!stopped) text += filter.end();
        expect(text).toBe(expected);
      }),
    );
  });
});
