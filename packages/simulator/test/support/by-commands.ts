/**
 * The same transfers through the closed form and through the channel model: units ask for one transfer after the other,
 * when the closed form says that they may; the channel model then gets the requests at those clocks, those of several
 * units in turn.
 */
import { dramBurstBytes, type MemoryDecl, memoryDram } from '@bitloom/ir';
import {
  DRAM_QUEUE_ENTRIES,
  DramChannel,
  dramController,
  MemoryChannels,
  type TransferRuns,
} from '../../src/index.js';

export interface Transfer {
  readonly runs: TransferRuns;
  readonly isWrite: boolean;
  /** Clocks of rest before it. */
  readonly pause: number;
}

/** Clocks at which a transfer was asked for and had passed. */
export interface Passed {
  readonly start: number;
  readonly ours: number;
  readonly theirs: number;
}

interface Asked extends Transfer {
  readonly start: number;
  readonly ours: number;
  readonly bursts: readonly number[];
}

/** Both ways, in clocks of the memory. `memory` has one channel. */
export function byCommands(
  memory: MemoryDecl,
  requesters: readonly (readonly Transfer[])[],
): { ours: number; theirs: number; each: Passed[] } {
  const dram = memoryDram(memory);
  const asked = askAll(memory, requesters);
  const order: { list: number; index: number; burst: number }[] = [];
  const at = asked.map(() => ({ index: 0, burst: 0 }));
  let turn = 0;
  /** Puts a request that is there at a clock in the order; else says when there will be one. */
  const next = (clock: number): number => {
    let soonest = Number.POSITIVE_INFINITY;
    for (let k = 0; k < asked.length; k++) {
      const list = (turn + k) % asked.length;
      const place = at[list];
      const one = asked[list][place.index];
      if (one === undefined) continue;
      soonest = Math.min(soonest, one.start);
      if (one.start > clock) continue;
      order.push({ list, index: place.index, burst: one.bursts[place.burst] });
      place.burst++;
      if (place.burst === one.bursts.length) {
        place.burst = 0;
        place.index++;
      }
      turn = list + 1;
      return clock;
    }
    return soonest;
  };
  const done = asked.map((list) => list.map(() => 0));
  new DramChannel(dram, dramController(DRAM_QUEUE_ENTRIES)).run({
    requests: asked.flat().reduce((sum, { bursts }) => sum + bursts.length, 0),
    offeredAt: (i, clock) => (i < order.length ? clock : next(clock)),
    address: (i) => order[i].burst,
    isWrite: (i) => asked[order[i].list][order[i].index].isWrite,
    completed: (i, clock) => {
      const { list, index } = order[i];
      done[list][index] = Math.max(done[list][index], clock);
    },
  });
  const { nCWL, nBL } = dram.clocks;
  const each = asked.flatMap((list, k) =>
    list.map(({ start, ours, isWrite }, index) => ({
      start,
      ours,
      // The clock of acceptance is not counted; of writes the channel tells the command, not the data.
      theirs: done[k][index] - 1 + (isWrite ? nCWL + nBL : 0),
    })),
  );
  return {
    ours: Math.max(...each.map((one) => one.ours)),
    theirs: Math.max(...each.map((one) => one.theirs)),
    each,
  };
}

/** Serves all transfers, those of the unit that can go first first. */
function askAll(memory: MemoryDecl, requesters: readonly (readonly Transfer[])[]): Asked[][] {
  const dram = memoryDram(memory);
  const channels = new MemoryChannels(memory, 1e9 / dram.clockNs);
  const burstBytes = dramBurstBytes(dram);
  const asked: Asked[][] = requesters.map(() => []);
  const free = requesters.map(() => 0);
  for (;;) {
    let best = -1;
    let bestStart = Number.POSITIVE_INFINITY;
    requesters.forEach((list, k) => {
      const one = list[asked[k].length];
      if (one === undefined || free[k] + one.pause >= bestStart) return;
      best = k;
      bestStart = free[k] + one.pause;
    });
    if (best < 0) return asked;
    const one = requesters[best][asked[best].length];
    const time = channels.serve(one.runs, bestStart, one.isWrite);
    free[best] = time.end;
    asked[best].push({
      ...one,
      start: bestStart,
      ours: time.end + time.latency,
      bursts: addresses(one.runs, burstBytes),
    });
  }
}

function addresses(runs: TransferRuns, burstBytes: number): number[] {
  const out: number[] = [];
  for (let j = 0; j < runs.count2; j++) {
    for (let i = 0; i < runs.count1; i++) {
      const start = runs.start + j * runs.stride2 + i * runs.stride1;
      const end = start + runs.length;
      for (let at = Math.floor(start / burstBytes) * burstBytes; at < end; at += burstBytes) out.push(at);
    }
  }
  return out;
}
