/** Placement of buffers: what lives at the same time never shares bytes. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { placeBuffers } from '../src/host/workspace.js';

const request = fc
  .record({ bytes: fc.integer({ min: 0, max: 500 }), first: fc.nat(20), length: fc.nat(8) })
  .map(({ bytes, first, length }) => ({ bytes, first, last: first + length }));

it('keeps buffers apart while both live, aligned and inside the block', () => {
  fc.assert(
    fc.property(fc.array(request, { maxLength: 30 }), (requests) => {
      const { offsets, bytes } = placeBuffers(requests);
      requests.forEach((a, i) => {
        expect(offsets[i] % 64).toBe(0);
        expect(offsets[i] + a.bytes).toBeLessThanOrEqual(bytes);
        requests.slice(0, i).forEach((b, j) => {
          const together = a.first <= b.last && b.first <= a.last;
          const apart = offsets[i] + a.bytes <= offsets[j] || offsets[j] + b.bytes <= offsets[i];
          expect(!together || apart || a.bytes === 0 || b.bytes === 0).toBe(true);
        });
      });
    }),
  );
});

it('uses bytes again once their buffer is dead', () => {
  const chain = Array.from({ length: 10 }, (_, i) => ({ bytes: 64, first: i, last: i + 1 }));
  expect(placeBuffers(chain).bytes).toBe(128);
});
