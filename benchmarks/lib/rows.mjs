/**
 * A line of a benchmark: what was measured beside what. The fields that scripts read are fixed (`name`, `ours`, `unit`,
 * `peer`, `peerName`, `ratio`, `limit`, `limitShare`, `load`); others follow them.
 *
 * Not for: measuring (`sample.mjs`), or how a line is shown (`table.mjs`).
 */
import { loadavg } from 'node:os';

/** Units of which less is better. */
const LESS_IS_BETTER = new Set(['s', 'ms', 'MiB']);

/**
 * A row. `ours`, `peer` and `limit` are `{ best, median, samples, name }` or undefined; `ratio` above 1 means that ours is
 * ahead, for times too; `limitShare` is how near ours comes to what the machine can do, 1 being all of it.
 */
export function row({ name, unit, ours, peer, limit, ...more }, load = loadavg()[0]) {
  const isTime = LESS_IS_BETTER.has(unit);
  const ahead = (a, b) => (isTime ? b / a : a / b);
  return {
    name,
    ours: ours.best,
    unit,
    peer: peer?.best ?? null,
    peerName: peer?.name ?? null,
    ratio: peer === undefined ? null : ahead(ours.best, peer.best),
    limit: limit?.best ?? null,
    limitShare: limit === undefined ? null : ahead(ours.best, limit.best),
    load: Math.round(load * 100) / 100,
    oursMedian: ours.median ?? ours.best,
    ...(peer === undefined
      ? {}
      : { peerMedian: peer.median ?? peer.best, ratioMedian: ahead(ours.median, peer.median) }),
    ...(limit === undefined ? {} : { limitName: limit.name }),
    ...(ours.samples === undefined ? {} : { samples: ours.samples }),
    ...more,
  };
}
