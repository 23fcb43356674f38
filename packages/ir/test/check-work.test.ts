/** The bound on the work of an entry, found without expanding anything. */
import { describe, expect, it } from 'vitest';
import { ceilDivide, type Instruction, subtract } from '../src/index.js';
import { failure, LENGTHS, place, seq, verified } from './support/pipeline-program.js';
import { at, copy, halt, lengthSymbol, loop } from './support/tiny-program.js';

const MOST = 2 ** 24 - 1;
const work = (): Instruction => copy(at('data', 0), at('data', 64), 16);

describe('the work of an entry', () => {
  it('is bounded: loops in loops are refused at the outer LOOP', () => {
    const error = failure([work(), ...loop(0, MOST, loop(1, MOST, [work()])), halt()]);
    expect(error).toMatchObject({
      code: 'program-work',
      expected: 'at most 1073741824 instructions in an entry',
      // LOOP and END of the outer loop, and a copy and an END in each turn of the inner one.
      got: `up to ${MOST} trips of up to ${2 * MOST + 2} instructions`,
    });
    expect(error.where).toContain(`${place(1)}(LOOP`);
  });

  it('is bounded for loops one after another, and over cores', () => {
    const long = (): Instruction[] =>
      loop(
        0,
        MOST,
        Array.from({ length: 40 }, () => work()),
      );
    expect(failure([...long(), ...long(), halt()]).where).toContain(place(42));
    const parts = { ...LENGTHS, others: [[...long(), halt()]] };
    expect(failure([...long(), halt()], parts)).toMatchObject({
      code: 'program-work',
      where: expect.stringContaining('core 1, instruction 0'),
    });
  });

  it('counts a loop of nothing, at the bounds of its symbols', () => {
    const parts = (max: number) => ({ symbols: [lengthSymbol('seq', 0, max)], capacity: 64 });
    const list = [...loop(0, seq, loop(1, ceilDivide(seq, 16), [])), halt()];
    expect(verified(list, parts(1024)).instructions).toBe(5);
    expect(failure(list, parts(2 ** 20)).code).toBe('program-work');
  });

  it('counts nothing in a loop that never runs', () => {
    const parts = { symbols: [lengthSymbol('seq', 1, 1)] };
    const list = [...loop(0, subtract(1, seq), loop(1, MOST, Array.from({ length: 99 }, work))), halt()];
    expect(verified(list, parts).instructions).toBe(104);
  });

  it('may reach the bound', () => {
    // LOOP, HALT, and an END in each of the trips.
    expect(verified([...loop(0, 2 ** 24 - 1, []), halt()]).instructions).toBe(3);
  });
});
