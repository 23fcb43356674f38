/**
 * Operands of XCH, the exchange of a value between the cores of an entry: each core holds a part of the columns of
 * every row and after it all cores hold all of them, at the same place of their buffers.
 */
import {
  type Access,
  address,
  type FieldSpec,
  levelledAccess,
  type ResolvedFields,
  uint,
} from './instruction-fields.js';

export const EXCHANGE_FIELDS: readonly FieldSpec[] = [
  address('src', 'first byte of this core, read in its own buffer'),
  address('dst', 'where it comes to lie in the buffers of all cores'),
  uint('length', 32, 'length of a run of this core; 0: it has no part', { dynamic: true, unit: 'bytes' }),
  uint('rows', 24, 'runs', { dynamic: true }),
  uint('srcRow', 32, 'source stride from run to run', { dynamic: true, unit: 'bytes' }),
  uint('dstRow', 32, 'destination stride from run to run', { dynamic: true, unit: 'bytes' }),
  address('all', 'first byte that this core receives: the parts of all cores, its own included'),
  uint('allLength', 32, 'length of a run of all parts together', { dynamic: true, unit: 'bytes' }),
];

export function exchangeAccesses(f: ResolvedFields): readonly Access[] {
  const rows = f.number('rows');
  const side = (name: string, length: number, stride: number, write: boolean): Access =>
    levelledAccess(f, name, write, { length, count1: rows, stride1: stride, count2: 1, stride2: 0 });
  return [
    side('src', f.number('length'), f.number('srcRow'), false),
    side('all', f.number('allLength'), f.number('dstRow'), true),
  ];
}
