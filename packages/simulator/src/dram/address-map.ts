/**
 * Where an address lies in a DRAM channel: its bank (numbered through all pseudo-channels and bank groups) and row,
 * by the address bits of the standard. Columns are not kept: nothing is timed by them.
 */
import { type DramAddressPart, type DramStandard, dramBits } from '@bitloom/ir';

interface Field {
  readonly part: DramAddressPart;
  /** What the address is divided by, and how many values the field has. */
  readonly unit: number;
  readonly size: number;
  /** Value of the lowest bit within its part. */
  readonly weight: number;
}

export class AddressMap {
  readonly groupsPerPseudoChannel: number;
  readonly banksPerGroup: number;
  readonly banks: number;
  readonly groups: number;
  /** Bytes from a column to the next and from a row of a bank to the next. */
  readonly columnStride: number;
  readonly rowStride: number;
  private readonly bankFields: readonly Field[];
  private readonly rowFields: readonly Field[];

  constructor(dram: DramStandard) {
    this.groupsPerPseudoChannel = 2 ** dramBits(dram, 'bankGroup');
    this.banksPerGroup = 2 ** dramBits(dram, 'bank');
    this.groups = dram.pseudoChannels * this.groupsPerPseudoChannel;
    this.banks = this.groups * this.banksPerGroup;
    const seen = new Map<DramAddressPart, number>();
    let unit = 1;
    const fields: Field[] = [];
    for (const { part, bits } of dram.addressBits) {
      const before = seen.get(part) ?? 0;
      fields.push({ part, unit, size: 2 ** bits, weight: this.partWeight(part) * 2 ** before });
      seen.set(part, before + bits);
      unit *= 2 ** bits;
    }
    this.bankFields = fields.filter(({ part }) => ['pseudoChannel', 'bankGroup', 'bank'].includes(part));
    this.rowFields = fields.filter(({ part }) => part === 'row');
    const strideOf = (wanted: DramAddressPart) => fields.find(({ part }) => part === wanted)?.unit ?? unit;
    this.columnStride = strideOf('column');
    this.rowStride = strideOf('row');
  }

  /** Bank of a byte address, 0 to banks - 1: pseudo-channel, then bank group, then bank. */
  bank(address: number): number {
    return partValue(this.bankFields, address);
  }

  row(address: number): number {
    return partValue(this.rowFields, address);
  }

  /** Lowest byte address of column 0, row 0 of a bank. */
  bankAddress(bank: number): number {
    return this.bankFields.reduce(
      (sum, { unit, size, weight }) => sum + (Math.floor(bank / weight) % size) * unit,
      0,
    );
  }

  private partWeight(part: DramAddressPart): number {
    if (part === 'bankGroup') return this.banksPerGroup;
    return part === 'pseudoChannel' ? this.banksPerGroup * this.groupsPerPseudoChannel : 1;
  }
}

function partValue(fields: readonly Field[], address: number): number {
  let value = 0;
  for (const { unit, size, weight } of fields) value += (Math.floor(address / unit) % size) * weight;
  return value;
}
