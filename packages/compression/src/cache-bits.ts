/** KV caches of 4 bits as an option of a scheme: symmetric codes -7..7, one float32 scale per head and token. */
import { BitloomError, cacheBits } from '@bitloom/ir';
import type { Scheme } from './schemes.js';

/**
 * The scheme with codes of `bits` in its KV cache. Its name has them as a suffix: `FlightLLM-KV4`.
 *
 * @throws BitloomError `scheme-kv-cache` for a width other than 4, and for schemes whose cache is not of INT8 codes
 */
export function withCacheBits(scheme: Scheme, bits: number): Scheme {
  if (bits !== 4) throw cacheError(scheme.name, 'KV4', `KV${bits}`);
  const held = cacheBits(scheme.numerics);
  if (held !== 8) {
    const got = held === undefined ? `a cache in ${scheme.numerics.kvCache}` : `KV${held} already`;
    throw cacheError(scheme.name, 'a scheme with an INT8 KV cache', got);
  }
  const name = `${scheme.name}-KV4`;
  return {
    ...scheme,
    name,
    doc: `${scheme.doc}; KV cache INT4 in place of INT8`,
    numerics: { ...scheme.numerics, scheme: name, kvCache: 'int4-per-token-head' },
  };
}

function cacheError(name: string, expected: string, got: string): BitloomError {
  return new BitloomError({
    code: 'scheme-kv-cache',
    message: 'this scheme has no such KV cache',
    where: `scheme '${name}'`,
    expected,
    got,
    hint: 'for example W4A8-KV4, FlightLLM-KV4 or FlightLLM-8:16-KV4',
  });
}
