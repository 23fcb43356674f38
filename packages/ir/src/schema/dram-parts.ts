/**
 * DRAM parts from outside: one part as devices have it, or the parts of a comparison between simulators, which names
 * timing in clocks by its own names and says the rest in words.
 */
import * as z from 'zod';
import type { DramAddressPart, DramStandard } from '../device/dram.js';
import { dramForm } from './device-schema.js';
import { parseWith } from './parse.js';
import { positive, text } from './pieces.js';

/** A part as the comparison describes it; what is not named here is for people. */
const comparedPart = z.object({
  what: text,
  clock_period_ns: z.number(),
  bus_width_bits: positive.optional(),
  bus_width_bits_per_pseudo_channel: positive.optional(),
  pseudo_channels: positive.default(1),
  burst_length: positive,
  timing_clocks: z.record(z.string(), z.number()),
  address_bits_low_to_high: z.array(z.tuple([z.string(), z.number()])).max(32),
  refresh: text,
});

const comparison = z.object({ devices: z.record(z.string(), comparedPart) });

const PARTS: Readonly<Record<string, DramAddressPart>> = {
  'within request': 'byte',
  column: 'column',
  'pseudo-channel': 'pseudoChannel',
  'bank group': 'bankGroup',
  bank: 'bank',
  row: 'row',
};

/**
 * Every part that a file of parts holds.
 *
 * @param where file, for the message
 * @throws BitloomError `artefact-invalid`
 */
export function parseDramParts(value: unknown, where: string): readonly DramStandard[] {
  const { success, data } = comparison.safeParse(value);
  if (!success) return [parseWith<DramStandard>(dramForm, value, 'device', where)];
  return Object.entries(data.devices).map(([name, part]) =>
    parseWith<DramStandard>(dramForm, fromComparison(name, part), 'device', `${where}#${name}`),
  );
}

function fromComparison(name: string, part: z.infer<typeof comparedPart>): unknown {
  const { timing_clocks: given, bus_width_bits_per_pseudo_channel: pseudoBits } = part;
  // The simulator's HBM times pseudo-channels, takes two clocks to activate, and does not wait before it refreshes.
  const isHbm = pseudoBits !== undefined;
  return {
    name,
    source: part.what,
    clockNs: part.clock_period_ns,
    busBits: pseudoBits ?? part.bus_width_bits,
    burstLength: part.burst_length,
    pseudoChannels: part.pseudo_channels,
    addressBits: part.address_bits_low_to_high.map(([field, bits]) => ({ part: PARTS[field], bits })),
    // Where we have two names for what is one there, both are that one.
    clocks: {
      ...given,
      nRCDRD: given.nRCDRD ?? given.nRCD,
      nRCDWR: given.nRCDWR ?? given.nRCD,
      nRTP: given.nRTP ?? given.nRTPL,
    },
    refresh: part.refresh.startsWith('NONE') ? 'none' : 'all-banks',
    refreshWaits: !isHbm,
    commandBuses: 'shared',
    activateClocks: isHbm ? 2 : 1,
  };
}
