/**
 * What the closed forms of `time/memory-channels.ts` need of a DRAM channel, in cycles of the card: one figure for each
 * mechanism of the model that goes command by command. Derived from the table of the part, nothing is fitted.
 */
import {
  type DramStandard,
  dramBits,
  dramBurstBytes,
  dramRefreshCloses,
  type MemoryDecl,
  memoryDram,
} from '@bitloom/ir';
import { AddressMap } from './address-map.js';
import { DRAM_QUEUE_ENTRIES, dramController } from './controller.js';

export interface ChannelFigures {
  readonly burstBytes: number;
  /** Cycles a burst takes of a stream of open rows. */
  readonly burst: number;
  /** Cycles between bursts of one bank group. */
  readonly sameGroup: number;
  /** Cycles between activates that follow each other for long (nRRD and the window of four), and in one bank group. */
  readonly activate: number;
  readonly activateSameGroup: number;
  /** What activates may be ahead of that pace: the window of four is one of four at once. */
  readonly activatesAhead: number;
  /** Cycles between activates of one bank, when each serves one burst. */
  readonly rowCycle: number;
  /** Least time from the first burst of a row to that of another row of its bank. */
  readonly rowTurn: number;
  /** From the last burst of a row to the first of another row of its bank, beyond the burst itself. */
  readonly rowChange: number;
  /** What a closed row and a row that must be closed first add to a first access. */
  readonly open: number;
  readonly reopen: number;
  /** Column command to the first data, with the controller; of reads and of writes. */
  readonly readLatency: number;
  readonly writeLatency: number;
  /** Cycles the data bus loses when it turns to writes, and to reads. */
  readonly turnToWrites: number;
  readonly turnToReads: number;
  /** Bursts of a lot between two turns, where both directions are busy. */
  readonly lot: number;
  /** Cycles of work in a full queue. */
  readonly queue: number;
  /** From one refresh to the next, and how long no burst passes; the interval is infinite without refresh. */
  readonly refreshInterval: number;
  readonly refreshTime: number;
  /** Bursts at consecutive addresses of the channel that lie in one row each of the same banks. */
  readonly burstsPerPage: number;
  /** Banks that the bursts of a page visit in turn, and pages before the same banks come again. */
  readonly banksPerPage: number;
  readonly pagesPerTurn: number;
}

/** @param clockHz clock of the card */
export function channelFigures(memory: MemoryDecl, clockHz: number): ChannelFigures {
  const dram = memoryDram(memory);
  const { clocks } = dram;
  const cycles = (memoryClocks: number): number => memoryClocks * dram.clockNs * 1e-9 * clockHz;
  const controller = (memory.controllerNs * clockHz) / 1e9;
  const shape = pageShape(dram);
  const { drainAbove, drainBelow } = dramController(DRAM_QUEUE_ENTRIES);
  const burst = Math.max(clocks.nBL, clocks.nCCDS, clocks.nCCDL / groupsInSight(dram));
  const change = dramRefreshCloses(clocks);
  return {
    ...shape,
    burstBytes: dramBurstBytes(dram),
    burst: cycles(burst),
    sameGroup: cycles(Math.max(clocks.nBL, clocks.nCCDL)),
    activateSameGroup: cycles(clocks.nRRDL),
    activatesAhead: cycles(Math.max(0, clocks.nFAW - 4 * clocks.nRRDS) * 0.75),
    activate: cycles(Math.max(clocks.nFAW / 4, clocks.nRRDS, commandSlots(dram))),
    rowCycle: cycles(
      Math.max(clocks.nRC, clocks.nRAS + clocks.nRP, clocks.nRCDRD + clocks.nRTP + clocks.nRP),
    ),
    rowTurn: cycles(Math.max(clocks.nRC, clocks.nRAS + clocks.nRP)),
    rowChange: cycles(Math.max(0, change - burst)),
    open: cycles(clocks.nRCDRD),
    reopen: cycles(clocks.nRP + clocks.nRCDRD),
    readLatency: controller + cycles(clocks.nCL),
    writeLatency: controller + cycles(clocks.nCWL),
    turnToWrites: cycles(Math.max(0, clocks.nCL + 2 - clocks.nCWL)),
    turnToReads: cycles(clocks.nCWL + clocks.nWTRS),
    lot: drainAbove - drainBelow,
    queue: cycles(DRAM_QUEUE_ENTRIES * burst),
    refreshInterval: dram.refresh === 'none' ? Number.POSITIVE_INFINITY : cycles(clocks.nREFI),
    refreshTime: cycles(change + clocks.nRFC),
  };
}

/** Clocks of the command bus that a burst to a closed row takes beside its own column slot. */
function commandSlots(dram: DramStandard): number {
  // Precharge and activate; on one bus the column command as well.
  return dram.commandBuses === 'shared' ? 2 + dram.activateClocks - 1 + 1 : 1 + dram.activateClocks;
}

/** Bank groups that a queue of a stream reaches, so that bursts can take turns between them. */
function groupsInSight(dram: DramStandard): number {
  const map = new AddressMap(dram);
  const bytes = dramBurstBytes(dram);
  const seen = new Set<number>();
  for (let i = 0; i < DRAM_QUEUE_ENTRIES; i++) seen.add(Math.floor(map.bank(i * bytes) / map.banksPerGroup));
  return seen.size;
}

/** How consecutive addresses run through banks and rows, from the order of address bits. */
function pageShape(
  dram: DramStandard,
): Pick<ChannelFigures, 'burstsPerPage' | 'banksPerPage' | 'pagesPerTurn'> {
  let bits = -dramBits(dram, 'byte');
  let pageBits = 0;
  for (const field of dram.addressBits) {
    bits += field.bits;
    if (field.part === 'column') pageBits = bits;
  }
  const bankBits = dramBits(dram, 'bank') + dramBits(dram, 'bankGroup') + dramBits(dram, 'pseudoChannel');
  const within = Math.min(bankBits, pageBits - dramBits(dram, 'column'));
  return {
    burstsPerPage: 2 ** pageBits,
    banksPerPage: 2 ** within,
    pagesPerTurn: 2 ** (bankBits - within),
  };
}
