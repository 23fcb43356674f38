/** Rule (c) of the program verifier: tokens in program order, and in any order of execution. */
import { describe, expect, it } from 'vitest';
import { verifyProgram } from '../src/index.js';
import { failure, mutant, place, verified } from './support/pipeline-program.js';
import { halt, loop, sync, tinyDevice, tinyProgram } from './support/tiny-program.js';

describe('rule c: tokens', () => {
  it('refuses a wait for a token that nothing released', () => {
    const error = failure(mutant(0, () => ({ release: [] })));
    expect(error).toMatchObject({
      code: 'program-token-underflow',
      message: expect.stringContaining('vector>load'),
      expected: 'at least 1',
      got: '0',
    });
    expect(error.where).toContain(place(3));
  });

  it('refuses a wait that only a later instruction could serve', () => {
    const list = [sync('load', { wait: ['vector'] }), sync('vector', { release: ['load'] }), halt()];
    expect(failure(list).code).toBe('program-token-underflow');
  });

  it('refuses bodies that are not balanced, at their END', () => {
    const error = failure(mutant(5, () => ({ release: [] })));
    expect(error).toMatchObject({
      code: 'program-loop-unbalanced',
      message: expect.stringContaining('instruction 2'),
      expected: 'store>vector = 2',
      got: 'store>vector = 1',
    });
    expect(error.where).toContain(place(6));
  });

  it('holds what it found at loop entry, so that one pass proves every trip count', () => {
    // Balanced, but the second iteration of the body would be the first to lack a token: refused in the first.
    const body = [sync('load', { wait: ['vector'] }), sync('vector', { release: ['load'] })];
    expect(failure([...loop(0, 2, body), halt()]).code).toBe('program-token-underflow');
    const credit = sync('vector', { release: ['load'] });
    const drain = sync('load', { wait: ['vector'] });
    expect(verified([credit, ...loop(0, 2, body), drain, halt()]).executed).toBe(10);
  });

  it('refuses tokens left over at HALT', () => {
    const error = failure([sync('load', { release: ['vector'] }, 3), halt()]);
    expect(error).toMatchObject({ code: 'program-halt-tokens', got: 'load>vector = 3' });
    expect(error.where).toContain(place(1));
  });

  it('refuses more tokens than a counter holds, in program order', () => {
    const list = [sync('load', { release: ['vector'] }, 8), sync('vector', { wait: ['load'] }, 8), halt()];
    expect(failure(list)).toMatchObject({ code: 'program-token-overflow', expected: 'at most 7', got: '8' });
    const wide = tinyDevice({ tokens: { counterBits: 4, initialCredits: {}, overflow: 'error' } });
    expect(verifyProgram(tinyProgram(list), wide).entries[0].tokens['load>vector'].most).toBe(8);
  });

  it('refuses more tokens than a counter holds in any order of execution', () => {
    // Nothing holds `load` back: it may be done before `vector` has taken its first token.
    const pair = [sync('load', { release: ['vector'] }), sync('vector', { wait: ['load'] })];
    const list = [...Array.from({ length: 12 }, () => pair).flat(), halt()];
    const error = failure(list);
    expect(error).toMatchObject({ code: 'program-token-overflow', got: '8' });
    expect(error.where).toContain(place(14));
    // A short queue of `vector` holds the dispatcher, and so `load`, back.
    const { dispatcher } = tinyDevice();
    const short = tinyDevice({ dispatcher: { ...dispatcher, queueDepth: 4 } });
    expect(verifyProgram(tinyProgram(list), short).entries[0].tokens['load>vector']).toEqual({
      inOrder: 1,
      most: 5,
    });
  });

  it('starts from the credits of the device', () => {
    const credits = { counterBits: 3, initialCredits: { 'vector>load': 2 }, overflow: 'error' } as const;
    const list = [sync('load', { wait: ['vector'] }, 2), halt()];
    expect(verifyProgram(tinyProgram(list), tinyDevice({ tokens: credits })).entries[0].executed).toBe(2);
    expect(failure([halt()], {}, tinyDevice({ tokens: credits })).code).toBe('program-halt-tokens');
    const wrong = { ...credits, initialCredits: { 'vector-load': 2 } };
    expect(failure([halt()], {}, tinyDevice({ tokens: wrong })).code).toBe('token-counter-name');
  });

  it('wants one HALT, at the end', () => {
    expect(failure([sync('load', {})]).code).toBe('program-halt');
    expect(failure([halt(), halt()]).code).toBe('program-halt');
    expect(failure([]).code).toBe('program-halt');
  });
});
