/**
 * What a DRAM standard is, as data: timing in clocks of the memory, organisation, the order of address bits, refresh
 * and command buses. The simulator times with nothing else. Tables of standards stand in `dram-standards.ts`; how a
 * controller schedules is not part of a standard.
 */

/**
 * Timing in clocks of the memory, by the names of JEDEC's standards (`nCL` is tCL divided by the clock period).
 * Pairs ending in S and L hold between different bank groups and within one.
 */
export interface DramClocks {
  /** Clocks a burst occupies the data bus: beats / 2. */
  readonly nBL: number;
  /** Read and write command to the first beat. */
  readonly nCL: number;
  readonly nCWL: number;
  /** Activate to the first read or write of the row. */
  readonly nRCDRD: number;
  readonly nRCDWR: number;
  /** Precharge to activate; activate to precharge; activate to activate of one bank. */
  readonly nRP: number;
  readonly nRAS: number;
  readonly nRC: number;
  /** Last beat written to precharge, and read command to precharge. */
  readonly nWR: number;
  readonly nRTP: number;
  /** Column command to column command. */
  readonly nCCDS: number;
  readonly nCCDL: number;
  /** Activate to activate of other banks. */
  readonly nRRDS: number;
  readonly nRRDL: number;
  /** Last beat written to read command. */
  readonly nWTRS: number;
  readonly nWTRL: number;
  /** Window that may hold four activates. */
  readonly nFAW: number;
  /** Refresh to activate, and from one refresh to the next. */
  readonly nRFC: number;
  readonly nREFI: number;
}

/** What a stretch of address bits chooses. */
export const DRAM_ADDRESS_PARTS = ['byte', 'column', 'pseudoChannel', 'bankGroup', 'bank', 'row'] as const;
export type DramAddressPart = (typeof DRAM_ADDRESS_PARTS)[number];

export interface DramAddressBits {
  readonly part: DramAddressPart;
  readonly bits: number;
}

export interface DramStandard {
  readonly name: string;
  /** Where the figures come from, parameter by parameter where they differ. */
  readonly source: string;
  /** Clock period in ns that `clocks` counts. */
  readonly clockNs: number;
  /** Data bits of a channel, or of one pseudo-channel where it has several; two beats pass per clock. */
  readonly busBits: number;
  /** Beats of a burst. */
  readonly burstLength: number;
  /** Pseudo-channels behind one queue and one command bus; each has a data bus and banks of its own. */
  readonly pseudoChannels: number;
  /** Address bits from the lowest; a part may appear twice, and its lower bits come first. Bits above are ignored. */
  readonly addressBits: readonly DramAddressBits[];
  readonly clocks: DramClocks;
  /** All banks at once every nREFI, or never. */
  readonly refresh: 'all-banks' | 'none';
  /** False where a refresh may begin before the rows it closes have met nRAS, nRTP and nRP (a simulator's flaw). */
  readonly refreshWaits: boolean;
  /** One command per clock in all, or one for rows and one for columns. */
  readonly commandBuses: 'shared' | 'row-and-column';
  /** Clocks for which an activate holds off other row commands of the channel. */
  readonly activateClocks: number;
}

/** Bytes of one burst on a (pseudo-)channel: the smallest transfer. */
export function dramBurstBytes(dram: DramStandard): number {
  return (dram.busBits / 8) * dram.burstLength;
}

/** Bits of an address that choose `part`, wherever they stand. */
export function dramBits(dram: DramStandard, part: DramAddressPart): number {
  return dram.addressBits.reduce((sum, field) => (field.part === part ? sum + field.bits : sum), 0);
}

/** Bytes of an open row of one bank. */
export function dramRowBytes(dram: DramStandard): number {
  return dramBurstBytes(dram) * 2 ** dramBits(dram, 'column');
}

/** Peak bytes per second of the channel, all its pseudo-channels together. */
export function dramPeakBytesPerSecond(dram: DramStandard): number {
  return (dram.pseudoChannels * dramBurstBytes(dram) * 1e9) / (dram.clocks.nBL * dram.clockNs);
}

/** Parameters that are counts of clocks by nature: the bus takes them at every speed. */
const COUNTS: ReadonlySet<string> = new Set<keyof DramClocks>(['nBL', 'nCCDS']);
/** Of a clock that a duration may be short of a whole number of clocks; JEDEC's rounding leaves as much. */
const ROUNDING = 0.025;

/**
 * The same part on another clock: durations stay what they are in ns and round up to clocks (the refresh interval
 * down), counts of clocks stay. On a clock so slow that nothing would fit between refreshes, every second clock is theirs.
 * @param clockNs period of the new clock, ns
 */
export function dramAtClock(dram: DramStandard, clockNs: number): DramStandard {
  const factor = dram.clockNs / clockNs;
  const { clocks } = dram;
  const up = (name: keyof DramClocks): number =>
    COUNTS.has(name)
      ? clocks[name]
      : Math.max(Math.sign(clocks[name]), Math.ceil(clocks[name] * factor - ROUNDING));
  const scaled = {
    nBL: up('nBL'),
    nCL: up('nCL'),
    nCWL: up('nCWL'),
    nRCDRD: up('nRCDRD'),
    nRCDWR: up('nRCDWR'),
    nRP: up('nRP'),
    nRAS: up('nRAS'),
    nRC: up('nRC'),
    nWR: up('nWR'),
    nRTP: up('nRTP'),
    nCCDS: up('nCCDS'),
    nCCDL: up('nCCDL'),
    nRRDS: up('nRRDS'),
    nRRDL: up('nRRDL'),
    nWTRS: up('nWTRS'),
    nWTRL: up('nWTRL'),
    nFAW: up('nFAW'),
    nRFC: up('nRFC'),
  };
  const least = 2 * (scaled.nRFC + dramRefreshCloses(scaled));
  const nREFI = Math.max(least, Math.floor(clocks.nREFI * factor + ROUNDING));
  return { ...dram, clockNs, clocks: { ...scaled, nREFI } };
}

/** Clocks that a refresh costs beyond nRFC: rows close before it and open after it. */
export function dramRefreshCloses(clocks: Pick<DramClocks, 'nRTP' | 'nRP' | 'nRCDRD'>): number {
  return clocks.nRTP + clocks.nRP + clocks.nRCDRD;
}

/** The part on the clock at which one (pseudo-)channel moves `bytesPerSecond` at its peak. */
export function dramAtRate(dram: DramStandard, bytesPerSecond: number): DramStandard {
  return dramAtClock(dram, (dramBurstBytes(dram) * 1e9) / (dram.clocks.nBL * bytesPerSecond));
}
