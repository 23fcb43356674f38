/** Bytes on their way: strided copies against a loop, and deferred loads against copies made at once. */
import { Arena } from '@bitloom/kernels';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCopyRuns } from '../src/function/copy-runs.js';
import { DeferredLoads } from '../src/function/deferred-loads.js';

describe('copyRuns', () => {
  const arena = new Arena();
  const copyRuns = createCopyRuns(arena);
  const SPAN = 4096;
  const [from, to] = [arena.alloc(SPAN), arena.alloc(SPAN)];

  it('moves what a loop over runs moves, and nothing else', () => {
    const run = fc.record({
      src: fc.nat(64),
      dst: fc.nat(64),
      length: fc.nat(90),
      count1: fc.nat(5),
      count2: fc.nat(4),
      srcStride1: fc.nat(150),
      dstStride1: fc.integer({ min: 90, max: 150 }),
      srcStride2: fc.nat(300),
      dstStride2: fc.integer({ min: 800, max: 900 }),
    });
    fc.assert(
      fc.property(
        run,
        ({ src, dst, length, count1, count2, srcStride1, dstStride1, srcStride2, dstStride2 }) => {
          const { u8 } = arena;
          for (let i = 0; i < SPAN; i++) {
            u8[from + i] = (i * 37 + (i >> 3)) & 255;
            u8[to + i] = 0xee;
          }
          const expected = u8.slice(to, to + SPAN);
          for (let j = 0; j < count2; j++) {
            for (let i = 0; i < count1; i++) {
              for (let b = 0; b < length; b++) {
                expected[dst + j * dstStride2 + i * dstStride1 + b] =
                  u8[from + src + j * srcStride2 + i * srcStride1 + b];
              }
            }
          }
          copyRuns(
            to + dst,
            from + src,
            length,
            count1,
            dstStride1,
            srcStride1,
            count2,
            dstStride2,
            srcStride2,
          );
          expect(Buffer.compare(u8.slice(to, to + SPAN), expected)).toBe(0);
        },
      ),
    );
  });
});

describe('DeferredLoads', () => {
  /** Loads are deferred from 32 KiB on; everything here is in steps of 8 KiB. */
  const STEP = 8192;
  const SLOTS = 24;

  type Action =
    | { readonly kind: 'load'; readonly at: number; readonly from: number; readonly count: number }
    | { readonly kind: 'read'; readonly at: number; readonly count: number }
    | { readonly kind: 'write'; readonly inSource: boolean; readonly at: number; readonly value: number }
    | { readonly kind: 'settle' };

  const spot = fc.nat(SLOTS - 1);
  const action: fc.Arbitrary<Action> = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant('load' as const),
        at: spot,
        from: spot,
        count: fc.integer({ min: 0, max: 8 }),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant('read' as const),
        at: spot,
        count: fc.integer({ min: 1, max: 8 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('write' as const),
        inSource: fc.boolean(),
        at: spot,
        value: fc.nat(255),
      }),
    },
    { weight: 1, arbitrary: fc.constant({ kind: 'settle' as const }) },
  );

  it('readers see what copies at load time would have given them', () => {
    const arena = new Arena();
    const copyRuns = createCopyRuns(arena);
    const bytes = SLOTS * STEP;
    const [source, target] = [arena.alloc(bytes, 64), arena.alloc(bytes, 64)];
    fc.assert(
      fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
        const { u8 } = arena;
        for (let i = 0; i < SLOTS; i++) {
          u8.fill(i, source + i * STEP, source + (i + 1) * STEP);
          u8.fill(100 + i, target + i * STEP, target + (i + 1) * STEP);
        }
        // One byte stands for each step of both areas.
        const plain = {
          source: Array.from({ length: SLOTS }, (_, i) => i),
          target: Array.from({ length: SLOTS }, (_, i) => 100 + i),
        };
        const deferred = new DeferredLoads(copyRuns);
        for (const one of actions) {
          if (one.kind === 'settle') {
            deferred.settleAll();
            for (const [i, value] of plain.target.entries()) expect(u8[target + i * STEP]).toBe(value);
          } else if (one.kind === 'load') {
            const count = Math.min(one.count, SLOTS - one.at, SLOTS - one.from);
            deferred.load(target + one.at * STEP, source + one.from * STEP, count * STEP);
            for (let i = 0; i < count; i++) plain.target[one.at + i] = plain.source[one.from + i];
          } else if (one.kind === 'read') {
            const count = Math.min(one.count, SLOTS - one.at);
            const pointer = deferred.read(target + one.at * STEP, count * STEP);
            for (let i = 0; i < count; i++) {
              const seen = [u8[pointer + i * STEP], u8[pointer + (i + 1) * STEP - 1]];
              expect(seen).toEqual([plain.target[one.at + i], plain.target[one.at + i]]);
            }
          } else {
            const start = (one.inSource ? source : target) + one.at * STEP;
            deferred.beforeWrite(start, start + STEP);
            u8.fill(one.value, start, start + STEP);
            plain[one.inSource ? 'source' : 'target'][one.at] = one.value;
          }
        }
      }),
    );
  });

  it('puts everything in place before it remembers too much', () => {
    const arena = new Arena();
    const copyRuns = createCopyRuns(arena);
    const LONG = 32_768;
    const [source, target] = [arena.alloc(LONG, 64), arena.alloc(100 * LONG, 64)];
    const deferred = new DeferredLoads(copyRuns);
    arena.u8.fill(7, source, source + LONG);
    for (let i = 0; i < 100; i++) deferred.load(target + i * LONG, source, LONG);
    // Most are copies by now; the others become so before their source changes.
    const copied = Array.from({ length: 100 }, (_, i) => arena.u8[target + i * LONG]).filter(
      (value) => value === 7,
    );
    expect(copied.length).toBeGreaterThan(0);
    deferred.beforeWrite(source, source + LONG);
    arena.u8.fill(9, source, source + LONG);
    for (let i = 0; i < 100; i++) expect(arena.u8[deferred.read(target + i * LONG, LONG)]).toBe(7);
  });
});
