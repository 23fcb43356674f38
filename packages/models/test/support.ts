/** Shared by the tests: where the test data are, and ways to damage a file. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { BitloomError } from '@bitloom/ir';
import fc from 'fast-check';
import { expect } from 'vitest';

const DATA = process.env.BITLOOM_DATA ?? resolve(import.meta.dirname, '../../../../shared/data');

/** Whether the test data are here; tests that need them are skipped otherwise. */
export const hasData = existsSync(DATA);

export function dataPath(...parts: string[]): string {
  return resolve(DATA, ...parts);
}

/** Expects a BitloomError, of one of the codes when given, and returns it. */
export async function expectBitloomError(action: () => unknown, ...codes: string[]): Promise<BitloomError> {
  let error: unknown;
  try {
    await action();
  } catch (caught) {
    error = caught;
  }
  expect(error, 'an error was expected').toBeInstanceOf(BitloomError);
  if (!(error instanceof BitloomError)) throw error;
  if (codes.length > 0) expect(codes).toContain(error.code);
  expect(error.code, error.message).not.toBe('internal');
  return error;
}

/** Runs a reader on input that may be bad: it may succeed or throw a typed error that is not a bug of ours. */
export async function toleratesOrRejects(action: () => unknown): Promise<void> {
  try {
    await action();
  } catch (error) {
    if (error instanceof BitloomError && error.code !== 'internal') return;
    throw error;
  }
}

/** One way to damage a file. */
export type Damage =
  | { readonly kind: 'truncate'; readonly keep: number }
  | { readonly kind: 'flip'; readonly at: readonly number[] }
  | { readonly kind: 'overwrite'; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: 'random'; readonly bytes: Uint8Array };

/** Damage within the first `span` bytes (headers), plus truncation anywhere and noise. */
export function damageArbitrary(size: number, span = size): fc.Arbitrary<Damage> {
  const within = Math.max(1, Math.min(size, span));
  return fc.oneof(
    fc.record({ kind: fc.constant('truncate' as const), keep: fc.nat({ max: size }) }),
    fc.record({
      kind: fc.constant('flip' as const),
      at: fc.array(fc.nat({ max: within * 8 - 1 }), { minLength: 1, maxLength: 8 }),
    }),
    fc.record({
      kind: fc.constant('overwrite' as const),
      at: fc.nat({ max: within - 1 }),
      bytes: fc.oneof(
        fc.uint8Array({ minLength: 1, maxLength: 16 }),
        fc.constantFrom(
          Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
          Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0x80),
          Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f),
          Uint8Array.of(0xff, 0xff, 0xff, 0x7f),
          Uint8Array.of(0, 0, 0, 0),
        ),
      ),
    }),
    fc.record({ kind: fc.constant('random' as const), bytes: fc.uint8Array({ maxLength: 512 }) }),
  );
}

export function damage(bytes: Uint8Array, how: Damage): Uint8Array {
  if (how.kind === 'truncate') return bytes.slice(0, how.keep);
  if (how.kind === 'random') return how.bytes;
  const out = bytes.slice();
  if (how.kind === 'overwrite') {
    const at = how.at % out.length;
    out.set(how.bytes.subarray(0, out.length - at), at);
  } else for (const bit of how.at) out[(bit >> 3) % out.length] ^= 1 << (bit & 7);
  return out;
}
