import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileTargetPattern } from '../src/hf/quantization/target-pattern.js';
import { PatternBudget, TargetRules } from '../src/hf/quantization/target-rules.js';
import { expectBitloomError, toleratesOrRejects } from './support.js';

const free = (): void => {};
const matches = (pattern: string, name: string): boolean =>
  compileTargetPattern(pattern, 'test').matches(name, free);
const Q = 'model.layers.10.self_attn.q_proj';

describe('target patterns', () => {
  it.each<[string, string, boolean]>([
    ['.*q_proj', Q, true],
    ['.*q_proj$', `${Q}.base`, false],
    ['q_proj', Q, false],
    ['model', Q, true],
    ['^model', Q, true],
    ['.*lm_head', 'lm_head', true],
    ['.*\\.(q|k|v)_proj$', Q, true],
    ['.*[qk]_proj', Q, true],
    ['.*[^qk]_proj$', Q, false],
    ['model\\.layers\\.\\d+\\.self_attn.*', Q, true],
    ['model\\.layers\\.[0-9]\\..*', Q, false],
    ['model\\.layers\\.1[0-9]?\\..*', Q, true],
    ['model\\.layers\\.(1|2)\\.', Q, false],
    ['model\\.layers\\.\\d{2}\\.', Q, true],
    ['model\\.layers\\.\\d{3,}\\.', Q, false],
    ['(?:model|lm_head)(\\.\\w+)*$', Q, true],
    ['.*mlp.*|.*self_attn.*', Q, true],
    ['model\\.layers.(\\d+)\\.self_attn\\.q_proj$', Q, true],
    ['.+?proj', Q, true],
    ['', Q, true],
    ['[]a]', ']', true],
    ['[a-]', '-', true],
    ['(a|)b', 'b', true],
    ['(a*)*b', 'aaab', true],
    ['a{0}b', 'b', true],
    ['a{1,2}$', 'aaa', false],
    ['\\S+\\D$', Q, true],
  ])('%s on %s: %s', (pattern, name, expected) => {
    expect(matches(pattern, name)).toBe(expected);
  });

  it.each([
    '(?!.*mlp).*',
    '(?i)q',
    '(?P<name>q)',
    '(a)\\1',
    '\\bq',
    '(q',
    'q)',
    '[q',
    '*q',
    'q**',
    'q*+',
    'q{2,1}',
    'q{x}',
    '\\',
    '[z-a]',
    '[\\d-z]',
    '^*',
    'a'.repeat(600),
    '(((((((((((((((((a)))))))))))))))))',
    '(a{99}){99}',
  ])('refuses %s', async (pattern) => {
    await expectBitloomError(() => compileTargetPattern(pattern, 'test'), 'model-unsupported');
  });

  it('agrees with the engine of JavaScript on all it accepts, and never takes long', () => {
    // Characters of the subset, without those that mean something else to JavaScript.
    const piece = fc.constantFrom(
      'a',
      'b',
      '.',
      '*',
      '+',
      '?',
      '(',
      ')',
      '|',
      '[ab]',
      '[^a]',
      '\\.',
      '^',
      '$',
      '{2}',
      '\\w',
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 12 }),
        fc.array(fc.constantFrom('a', 'b', '.', 'c'), { maxLength: 10 }),
        (pieces, name) => {
          const [pattern, text] = [pieces.join(''), name.join('')];
          let compiled: ReturnType<typeof compileTargetPattern>;
          try {
            compiled = compileTargetPattern(pattern, 'test');
          } catch {
            return;
          }
          expect(compiled.matches(text, free), `${pattern} on ${text}`).toBe(
            new RegExp(`^(?:${pattern})`).test(text),
          );
        },
      ),
      { numRuns: 2000 },
    );
    const evil = compileTargetPattern('(a+)+(a|a)*(.*.*.*)*x', 'test');
    let steps = 0;
    expect(
      evil.matches('a'.repeat(2000), (count) => {
        steps += count;
      }),
    ).toBe(false);
    expect(steps).toBeLessThan(100 * 2000);
  });

  it('throws only typed errors on noise', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ maxLength: 40 }), fc.string({ maxLength: 20 }), (pattern, name) =>
        toleratesOrRejects(() => matches(pattern, name)),
      ),
      { numRuns: 500 },
    );
  });
});

describe('target rules', () => {
  const rules = (...entries: string[]): TargetRules =>
    new TargetRules(entries, new PatternBudget('test'), 'test');
  const module = (name: string, className: 'Linear' | 'Embedding' = 'Linear') => ({ name, className });

  it('resolve a name before a pattern before a class, and never a part of a name', () => {
    expect(rules('Linear', 're:.*q_proj', Q).match(module(Q))).toBe('name');
    expect(rules('Linear', 're:.*q_proj').match(module(Q))).toBe('pattern');
    expect(rules('Linear').match(module(Q))).toBe('class');
    expect(rules('q_proj', 'self_attn.q_proj', 'Line', 'model').match(module(Q))).toBeUndefined();
    expect(rules('Linear').match(module('model.embed_tokens', 'Embedding'))).toBeUndefined();
  });

  it('refuse many patterns, and patterns that cost too much', async () => {
    const many = Array.from({ length: 65 }, (_, i) => `re:${i}`);
    await expectBitloomError(() => rules(...many), 'model-unsupported');
    const budget = new PatternBudget('test');
    await expectBitloomError(() => {
      for (;;) budget.spend(1e6);
    }, 'model-unsupported');
  });
});
