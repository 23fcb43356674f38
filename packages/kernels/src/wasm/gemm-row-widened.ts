/**
 * Sums of one token without relaxed SIMD, for containers that have no cheaper way: the stored codes of a quad are
 * widened to int16 and go through `i32x4.dot_i16x8_s`. Totals start at −offset·Σx.
 *
 * Prepared: per group 16 bytes with that start in all lanes, then the activations as int16, columns (0, 2), (1, 3) of
 * each quad, up to a whole unit.
 */
import type { Rows16Container } from '@bitloom/formats';
import { load, op } from '@bitloom/wasm';
import { advance } from './emit.js';
import { each, type RowSums, repeat } from './gemm-row.js';
import { ROW_HEADER_BYTES } from './gemm-row-prepare.js';
import { unitQuads, visitQuads, widenQuad } from './rows16.js';

/** The sums of one container. */
export function widenedSums(container: Rows16Container): RowSums {
  const quads = unitQuads(container);
  return {
    name: `Widened${container.name.toUpperCase()}`,
    totalShift: 0,
    emit(f, { wAt, xAt, units, totals }) {
      const codes = f.local('v128', 'codes');
      return () => {
        each((v) => f.set(totals[v], load('v128.load', xAt)));
        advance(f, xAt, ROW_HEADER_BYTES);
        repeat(f, units, () => {
          each((v) => {
            visitQuads(f, container, { first: 0, count: quads, at: wAt, offset: v * 16 }, (quad, i) => {
              f.set(codes, quad);
              widenQuad(container, codes).forEach((pair, half) => {
                const x = load('v128.load32_splat', xAt, i * 8 + half * 4);
                f.set(totals[v], op('i32x4.add', totals[v], op('i32x4.dot_i16x8_s', pair, x)));
              });
            });
          });
          advance(f, wAt, container.unitBytes);
          advance(f, xAt, container.unitColumns * 2);
        });
      };
    },
  };
}
