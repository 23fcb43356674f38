/** Allocation of the data buffer: nothing overlaps, reserved ranges are never shared, refusals say by how much. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Allocation, DataBuffer } from '../src/data-buffer.js';
import { errorOf } from './support/errors.js';

const CAPACITY = 4096;

type Step =
  | { readonly kind: 'allocate' | 'reserve'; readonly bytes: number }
  | { readonly kind: 'free'; readonly which: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('allocate' as const), bytes: fc.integer({ min: 0, max: 900 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('reserve' as const), bytes: fc.integer({ min: 0, max: 300 }) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('free' as const), which: fc.nat() }) },
);

const overlap = (a: Allocation, b: Allocation): boolean =>
  a.start < b.start + b.bytes && b.start < a.start + a.bytes;

describe('DataBuffer', () => {
  it('never hands out a byte twice, and reserved bytes to nobody else, before or after', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 80 }),
        fc.integer({ min: 1, max: CAPACITY }),
        (steps, capacity) => {
          const buffer = new DataBuffer('data', capacity);
          const live: Allocation[] = [];
          const ever: Allocation[] = [];
          const reserved: Allocation[] = [];
          for (const current of steps) {
            if (current.kind === 'free') {
              const [gone] = live.splice(live.length === 0 ? 0 : current.which % live.length, 1);
              if (gone !== undefined) buffer.free(gone);
              continue;
            }
            const before = [...buffer.ranges()];
            let made: Allocation;
            try {
              made = buffer[current.kind](`v${ever.length}`, current.bytes);
            } catch {
              expect(buffer.ranges()).toEqual(before);
              continue;
            }
            expect(made).toMatchObject({ name: `v${ever.length}`, bytes: current.bytes });
            expect(made.start % 64).toBe(0);
            expect(made.start).toBeGreaterThanOrEqual(0);
            expect(made.start + made.bytes).toBeLessThanOrEqual(capacity);
            expect([...live, ...reserved].filter((other) => overlap(made, other))).toEqual([]);
            if (current.kind === 'reserve') {
              expect(ever.filter((other) => overlap(made, other))).toEqual([]);
              reserved.push(made);
            } else {
              live.push(made);
            }
            ever.push(made);
            const top = Math.max(
              0,
              ...ever.filter((a) => !reserved.includes(a)).map((a) => a.start + a.bytes),
            );
            const kept = reserved.reduce((sum, a) => sum + a.bytes, 0);
            expect(buffer.peak()).toBeGreaterThanOrEqual(top + kept);
            expect(buffer.peak()).toBeLessThanOrEqual(capacity);
          }
          expect([...buffer.ranges()].map((range) => range.start)).toEqual(
            live.map((a) => a.start).sort((a, b) => a - b),
          );
        },
      ),
    );
  });

  it('takes the lowest gap that is long enough', () => {
    const buffer = new DataBuffer('data', CAPACITY);
    const [a, b, c, d] = [100, 64, 200, 64].map((bytes, i) => buffer.allocate(`v${i}`, bytes));
    expect([a, b, c, d].map(({ start }) => start)).toEqual([0, 128, 192, 448]);
    buffer.free(a);
    buffer.free(c);
    expect(buffer.allocate('long', 129).start).toBe(192);
    expect(buffer.allocate('short', 128).start).toBe(0);
    expect(buffer.allocate('next', 1).start).toBe(384);
    expect(buffer.allocate('end', 1).start).toBe(512);
  });

  it('refuses with the buffer, the value, and the shortfall', () => {
    const buffer = new DataBuffer('data', 256);
    buffer.allocate('first', 128);
    const error = errorOf(() => buffer.allocate('second', 200));
    expect(error).toMatchObject({
      code: 'compiler-does-not-fit',
      where: 'buffer data of 256 bytes',
      expected: 'a free run of 256 bytes',
      got: '128 bytes: short by 128',
    });
    expect(error.message).toContain("'second'");
    // Bytes that a value once had are not reserved.
    const other = new DataBuffer('data', 256);
    other.free(other.allocate('gone', 256));
    expect(errorOf(() => other.reserve('stage', 64))).toMatchObject({
      code: 'compiler-does-not-fit',
      got: '0 bytes: short by 64',
    });
  });
});
