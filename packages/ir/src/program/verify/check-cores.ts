/**
 * Cores of an entry share memories and nothing orders one core against another within a call, so no core may
 * touch bytes that another one writes.
 */
import { BitloomError } from '../../error.js';
import { patternsOverlap } from '../access-runs.js';
import type { SharedAccess } from './check-expansion.js';
import type { Area } from './memory-areas.js';
import type { StreamScope } from './stream-scope.js';

/** The accesses of one core to shared areas. */
export interface CoreAccesses {
  readonly scope: StreamScope;
  readonly shared: readonly SharedAccess[];
}

/** @throws BitloomError `program-core-race` */
export function checkCores(cores: readonly CoreAccesses[]): void {
  const byArea = new Map<Area, { core: number; item: SharedAccess }[]>();
  for (const [core, { shared }] of cores.entries()) {
    for (const item of shared) {
      const list = byArea.get(item.area) ?? [];
      byArea.set(item.area, list);
      list.push({ core, item });
    }
  }
  for (const [area, list] of byArea) {
    list.sort((a, b) => a.item.access.start - b.item.access.start);
    // Accesses that began before the current one and may reach into it, writes and reads apart: reads are
    // compared with writes only.
    let writes: typeof list = [];
    let reads: typeof list = [];
    for (const current of list) {
      const { start, write } = current.item.access;
      const isOpen = (other: (typeof list)[number]): boolean => other.item.access.end > start;
      writes = writes.filter(isOpen);
      if (write) reads = reads.filter(isOpen);
      for (const other of write ? [...writes, ...reads] : writes) {
        if (other.core === current.core) continue;
        if (!patternsOverlap(other.item.access, current.item.access)) continue;
        failRace(area, cores[other.core].scope, other.item, cores[current.core].scope, current.item);
      }
      (write ? writes : reads).push(current);
    }
  }
}

function failRace(
  area: Area,
  a: StreamScope,
  first: SharedAccess,
  b: StreamScope,
  second: SharedAccess,
): never {
  const start = Math.max(first.access.start, second.access.start);
  const end = Math.min(first.access.end, second.access.end);
  throw new BitloomError({
    code: 'program-core-race',
    message: `two cores touch the same bytes of ${area.name} (${start}..${end}), and one of them writes`,
    where: b.where(second.index),
    expected: 'bytes of its own for each core, or an entry for each side of the exchange',
    got: `also ${a.where(first.index)}`,
  });
}
