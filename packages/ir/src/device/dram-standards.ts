/**
 * DRAM standards as tables. The first three are what cards are built of; the last four are the parts of the published
 * comparison with other simulators (`bitloom dram`), flaws included, and no card uses them.
 *
 * Why the HBM2 of cards has two command buses and lone pseudo-channels: JESD235 gives each channel separate pins for
 * row and for column commands, and gives a pseudo-channel its own banks, data pins and timing. A full data rate takes
 * every second column slot of each of the two pseudo-channels and leaves the row pins to activates, so one does not
 * slow the other. A stream then loses refresh alone: 90.6 % of the peak is left (HBM2E: 88.2 %), beside 90.4 % of DRAMsim3,
 * which closes banks one by one before a refresh; behind one bus for all commands, as in Ramulator 2, it would lose 2
 * commands in 34 as well and reach 86.2 %. Boards do no worse: the U280 was measured at 425 of 460 GB/s, 92.4 %
 * (Shuhai, FCCM 2020), which tRFC 260 ns of its 4 Gb channels would explain; 350 ns is kept to be on the safe side.
 */
import { BitloomError } from '../error.js';
import type { DramAddressBits, DramClocks, DramStandard } from './dram.js';

const HBM2_CLOCKS: DramClocks = {
  nBL: 2,
  nCL: 7,
  nCWL: 2,
  nRCDRD: 7,
  nRCDWR: 7,
  nRP: 7,
  nRAS: 17,
  nRC: 24,
  nWR: 8,
  nRTP: 3,
  nCCDS: 2,
  nCCDL: 2,
  nRRDS: 2,
  nRRDL: 3,
  nWTRS: 3,
  nWTRL: 4,
  nFAW: 15,
  nRFC: 350,
  nREFI: 3900,
};

const HBM2_SOURCE =
  'JESD235C: 64-bit pseudo-channels, BL4, 1 KiB pages, 4 x 4 banks, separate row and column commands, two-clock ' +
  'activates, tREFI 3.9 us, tRFC 350 ns at 8 Gb; clocks at 2 Gb/s: preset HBM2_2Gbps of Ramulator 2 with ' +
  'nRC = nRAS + nRP (its 19 is below that sum)';

/** Row, bank group, bank, column, bank group: the default map of the HBM controller of AMD's FPGAs (PG276). */
const HBM_BITS: readonly DramAddressBits[] = [
  { part: 'byte', bits: 5 },
  { part: 'bankGroup', bits: 1 },
  { part: 'column', bits: 5 },
  { part: 'bank', bits: 2 },
  { part: 'bankGroup', bits: 1 },
  { part: 'row', bits: 15 },
];

export const HBM2: DramStandard = {
  name: 'HBM2',
  source: `${HBM2_SOURCE}; address bits: default map of AMD PG276`,
  clockNs: 1,
  busBits: 64,
  burstLength: 4,
  pseudoChannels: 1,
  addressBits: HBM_BITS,
  clocks: HBM2_CLOCKS,
  refresh: 'all-banks',
  refreshWaits: true,
  commandBuses: 'row-and-column',
  activateClocks: 2,
};

/** Timing in ns of HBM2, on a clock of 1.6 GHz. */
export const HBM2E: DramStandard = {
  ...HBM2,
  name: 'HBM2E',
  source:
    'rate of 3.2 Gb/s per pin: JESD235D; organisation as HBM2; no public table gives its core timing, so the ' +
    'nanoseconds of HBM2 at 2 Gb/s are kept and rounded up to clocks of 0.625 ns; tRFC 450 ns as for 16 Gb per channel',
  clockNs: 0.625,
  addressBits: HBM_BITS.map((field) => (field.part === 'row' ? { ...field, bits: 16 } : field)),
  clocks: {
    nBL: 2,
    nCL: 12,
    nCWL: 4,
    nRCDRD: 12,
    nRCDWR: 12,
    nRP: 12,
    nRAS: 28,
    nRC: 39,
    nWR: 13,
    nRTP: 5,
    nCCDS: 2,
    nCCDL: 4,
    nRRDS: 4,
    nRRDL: 5,
    nWTRS: 5,
    nWTRL: 7,
    nFAW: 24,
    nRFC: 720,
    nREFI: 6240,
  },
};

const DDR4_2400_CLOCKS: DramClocks = {
  nBL: 4,
  nCL: 16,
  nCWL: 12,
  nRCDRD: 16,
  nRCDWR: 16,
  nRP: 16,
  nRAS: 39,
  nRC: 55,
  nWR: 18,
  nRTP: 9,
  nCCDS: 4,
  nCCDL: 6,
  nRRDS: 4,
  nRRDL: 6,
  nWTRS: 3,
  nWTRL: 9,
  nFAW: 26,
  nRFC: 433,
  nREFI: 9364,
};

export const DDR4_2400: DramStandard = {
  name: 'DDR4-2400',
  source:
    'JESD79-4C, speed bin 2400R (16-16-16), x8 parts of 8 Gb behind 64 bits, tRFC1 360 ns by the tables of Ramulator 2; ' +
    'address bits: bank group above the burst, as the DDR4 controllers of FPGAs interleave',
  clockNs: 5 / 6,
  busBits: 64,
  burstLength: 8,
  pseudoChannels: 1,
  addressBits: [
    { part: 'byte', bits: 6 },
    { part: 'bankGroup', bits: 2 },
    { part: 'column', bits: 7 },
    { part: 'bank', bits: 2 },
    { part: 'row', bits: 17 },
  ],
  clocks: DDR4_2400_CLOCKS,
  refresh: 'all-banks',
  refreshWaits: true,
  commandBuses: 'shared',
  activateClocks: 1,
};

const SIMULATED_DDR4: DramStandard = {
  ...DDR4_2400,
  name: 'ddr4-2400r-x8',
  source: 'DDR4_2400R of Ramulator 2, one rank of eight x8 8 Gb parts, map RoBaRaCoCh',
  clockNs: 0.833,
  addressBits: [
    { part: 'byte', bits: 6 },
    { part: 'column', bits: 7 },
    { part: 'bankGroup', bits: 2 },
    { part: 'bank', bits: 2 },
    { part: 'row', bits: 16 },
  ],
};

const SIMULATED_HBM2: DramStandard = {
  name: 'hbm2-2g-2pc-1k',
  source:
    'HBM2_8Gb at HBM2_2Gbps of Ramulator 2: two pseudo-channels behind one command bus, rows of 1 KiB, refresh added',
  clockNs: 1,
  busBits: 64,
  burstLength: 4,
  pseudoChannels: 2,
  addressBits: [
    { part: 'byte', bits: 5 },
    { part: 'column', bits: 5 },
    { part: 'pseudoChannel', bits: 1 },
    { part: 'bankGroup', bits: 2 },
    { part: 'bank', bits: 2 },
    { part: 'row', bits: 15 },
  ],
  clocks: { ...HBM2_CLOCKS, nCCDS: 1, nRC: 19 },
  refresh: 'all-banks',
  refreshWaits: false,
  commandBuses: 'shared',
  activateClocks: 2,
};

const SIMULATED_HBM2_AS_SHIPPED: DramStandard = {
  ...SIMULATED_HBM2,
  name: 'hbm2-2g-2pc-512-norefresh',
  source:
    'HBM2_8Gb at HBM2_2Gbps of Ramulator 2 as shipped: half of each row is reachable, and nothing refreshes',
  addressBits: SIMULATED_HBM2.addressBits.map((field) =>
    field.part === 'column' ? { ...field, bits: 4 } : field,
  ),
  refresh: 'none',
};

const SIMULATED_HBM2_HALF: DramStandard = {
  ...SIMULATED_HBM2,
  name: 'hbm2-2g-1pc-1k',
  source: 'one pseudo-channel of hbm2-2g-2pc-1k with a command bus of its own',
  pseudoChannels: 1,
  addressBits: SIMULATED_HBM2.addressBits.filter((field) => field.part !== 'pseudoChannel'),
};

/** Every standard in the box, by name. */
export const DRAM_STANDARDS: readonly DramStandard[] = [
  DDR4_2400,
  HBM2,
  HBM2E,
  SIMULATED_DDR4,
  SIMULATED_HBM2,
  SIMULATED_HBM2_AS_SHIPPED,
  SIMULATED_HBM2_HALF,
];

/**
 * A standard by name.
 * @throws BitloomError `dram-unknown`
 */
export function findDramStandard(name: string): DramStandard {
  const found = DRAM_STANDARDS.find((dram) => dram.name === name);
  if (found === undefined) {
    throw new BitloomError({
      code: 'dram-unknown',
      message: `no DRAM standard is named '${name}'`,
      expected: DRAM_STANDARDS.map((dram) => dram.name).join(', '),
      got: name,
    });
  }
  return found;
}
