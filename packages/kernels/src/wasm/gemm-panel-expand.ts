/**
 * Emits the expansion of one block of 16 rows to a panel: one byte or int16 per code, which then serves many tokens.
 *
 * Panel of bytes: [half of 8 rows][quad][8 rows][4] stored codes, which stay below 128. Panel of pairs:
 * [half][quad][2][8 rows][2] int16 codes, columns (0, 2), then (1, 3). Beside it the scales as float32 [group][16].
 */
import type { Rows16Container } from '@bitloom/formats';
import { i16x8, i32, load, type ModuleBuilder, op } from '@bitloom/wasm';
import { add, advance } from './emit.js';
import type { PanelForm } from './gemm-panel-prepare.js';
import { each, type Procedure, repeat } from './gemm-row.js';
import { halfToFloat } from './half.js';
import { unitQuads, visitQuads, widenQuad } from './rows16.js';

/** Bytes of a quad of 8 rows. */
export function panelQuadBytes(form: PanelForm): 32 | 64 {
  return form === 'bytes' ? 32 : 64;
}

/** expand_<form>_<Container>(w, groups, groupUnits, lastUnits, panel, halfBytes, scales). */
export function emitExpand(module: ModuleBuilder, container: Rows16Container, form: PanelForm): Procedure {
  const params = {
    w: 'i32',
    groups: 'i32',
    groupUnits: 'i32',
    lastUnits: 'i32',
    panel: 'i32',
    halfBytes: 'i32',
    scales: 'i32',
  } as const;
  const stride = panelQuadBytes(form);
  const quads = unitQuads(container);
  return module.procedure(
    `expand_${form}_${container.name.toUpperCase()}`,
    params,
    (f, p) => {
      const units = f.local('i32', 'units');
      const second = f.local('i32', 'second', add(p.panel, p.halfBytes));
      const codes = f.local('v128', 'codes');
      f.while(op('i32.gt_s', p.groups, i32(0)), () => {
        f.set(units, p.groupUnits);
        f.if(op('i32.eq', p.groups, i32(1)), () => f.set(units, p.lastUnits));
        repeat(f, units, () => {
          each((v) => {
            const panel = v < 2 ? p.panel : second;
            const at = (v % 2) * 16;
            visitQuads(f, container, { first: 0, count: quads, at: p.w, offset: v * 16 }, (quad, i) => {
              if (form === 'bytes') {
                f.store('v128.store', panel, quad, i * stride + at);
                return;
              }
              f.set(codes, quad);
              widenQuad(container, codes).forEach((pair, half) => {
                const signed = container.offset === 0 ? pair : op('i16x8.sub', pair, i16x8(container.offset));
                f.store('v128.store', panel, signed, i * stride + half * 32 + at);
              });
            });
          });
          advance(f, p.w, container.unitBytes);
          advance(f, p.panel, quads * stride);
          advance(f, second, quads * stride);
        });
        each((v) => {
          f.store('v128.store', p.scales, halfToFloat(load('v128.load16x4_s', p.w, v * 8)), v * 16);
        });
        advance(f, p.w, 32);
        advance(f, p.scales, 64);
        advance(f, p.groups, -1);
      });
    },
    { export: false },
  );
}
