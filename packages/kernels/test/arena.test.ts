import { BitloomError } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Arena } from '../src/index.js';

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof BitloomError) return error.code;
    throw error;
  }
  return 'nothing';
}

describe('Arena', () => {
  it('hands out aligned blocks that never overlap, and never address 0', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(5000), fc.constantFrom(16, 64, 4096)), { maxLength: 20 }),
        (requests) => {
          const arena = new Arena({ initialBytes: 65536 });
          let end = 64;
          for (const [bytes, align] of requests) {
            const at = arena.alloc(bytes, align);
            expect(at % align).toBe(0);
            expect(at).toBeGreaterThanOrEqual(end);
            end = at + bytes;
            expect(arena.used).toBe(end);
            expect(arena.capacity).toBeGreaterThanOrEqual(end + 64);
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  it('grows, keeps its contents, and makes new views', () => {
    const arena = new Arena({ initialBytes: 65536 });
    const at = arena.alloc(8);
    arena.i32[at / 4] = 1234;
    const before = arena.f32;
    const far = arena.alloc(40 * 2 ** 20);
    expect(arena.f32).not.toBe(before);
    expect(arena.i32[at / 4]).toBe(1234);
    arena.u8[far + 40 * 2 ** 20 - 1] = 7;
    expect(arena.i8[far + 40 * 2 ** 20 - 1]).toBe(7);
    expect(arena.u16[far / 2]).toBe(0);
  });

  it('releases down to a mark', () => {
    const arena = new Arena();
    arena.alloc(100);
    const mark = arena.mark();
    const at = arena.alloc(1000);
    arena.release(mark);
    expect(arena.alloc(10)).toBe(at);
    expect(codeOf(() => arena.release(arena.mark() + 1))).toBe('arena-bad-mark');
    expect(codeOf(() => arena.release(3))).toBe('arena-bad-mark');
  });

  it('refuses what it cannot hold with a typed error', () => {
    const arena = new Arena({ initialBytes: 65536, maxBytes: 2 * 65536 });
    expect(codeOf(() => arena.alloc(2 * 65536))).toBe('arena-full');
    expect(codeOf(() => arena.alloc(2 ** 40))).toBe('arena-full');
    arena.alloc(65536);
    expect(codeOf(() => arena.alloc(-1))).toBe('arena-bad-size');
    expect(codeOf(() => arena.alloc(1.5))).toBe('arena-bad-size');
    expect(codeOf(() => arena.alloc(8, 8))).toBe('arena-bad-alignment');
    expect(codeOf(() => arena.alloc(8, 48))).toBe('arena-bad-alignment');
  });

  it('refuses sizes of its own that are none', () => {
    for (const bytes of [Number.NaN, -1, 'many', null]) {
      for (const name of ['maxBytes', 'initialBytes']) {
        const options: object = { [name]: bytes };
        expect(() => new Arena(options), `${name} ${bytes}`).toThrow(
          expect.objectContaining({ code: 'arena-bad-size', where: name }),
        );
      }
    }
  });

  it('says how to mend its limit: by a larger one where there is one', () => {
    const hint = (arena: Arena): unknown =>
      expect(() => arena.alloc(2 ** 40)).toThrow(
        expect.objectContaining({
          hint: expect.stringMatching(arena.maxBytes < 2 ** 32 ? /larger maxBytes/ : /fewer bits per weight/),
        }),
      );
    hint(new Arena({ maxBytes: 65536 }));
    hint(new Arena());
  });

  it('addresses past 2 GiB work in every backend', async () => {
    const { createKernels } = await import('../src/index.js');
    const arena = new Arena();
    // Only the pages that are touched are committed.
    arena.alloc(2.5 * 2 ** 30);
    for (const backend of ['reference', 'wasm'] as const) {
      const kernels = createKernels({ arena, backend });
      const a = arena.alloc(64);
      const b = arena.alloc(64);
      for (let i = 0; i < 16; i += 1) arena.f32[a / 4 + i] = i;
      kernels.add(1, 1, 16, a, 0, 0, a, 0, 0, b, 0, 0);
      expect([...arena.f32.subarray(b / 4, b / 4 + 16)]).toEqual(Array.from({ length: 16 }, (_, i) => 2 * i));
    }
  });
});
