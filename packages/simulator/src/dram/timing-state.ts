/**
 * From which clock each command may go to each bank: every constraint between two commands, kept as the latest clock it
 * asks for at the level where it holds (bank, bank group, pseudo-channel, channel). Knows nothing of requests.
 */
import type { DramStandard } from '@bitloom/ir';
import type { AddressMap } from './address-map.js';

/** Activates that may fall into one nFAW. */
const WINDOW = 4;

export class TimingState {
  /** Open row of each bank, -1 when closed. */
  readonly openRow: Int32Array;
  private readonly dram: DramStandard;
  private readonly groupOf: Int32Array;
  private readonly pseudoOf: Int32Array;
  private readonly bankActivate: Float64Array;
  private readonly bankPrecharge: Float64Array;
  private readonly bankRead: Float64Array;
  private readonly bankWrite: Float64Array;
  private readonly groupActivate: Float64Array;
  private readonly groupRead: Float64Array;
  private readonly groupWrite: Float64Array;
  private readonly pseudoActivate: Float64Array;
  private readonly pseudoRead: Float64Array;
  private readonly pseudoWrite: Float64Array;
  /** Last four activates of each pseudo-channel, as a ring. */
  private readonly window: Float64Array;
  private readonly windowAt: Uint8Array;
  /** Channel: row commands after an activate, and what precharge-all and refresh wait for. */
  private rowCommand = 0;
  private prechargeAll = 0;
  private refresh = 0;

  constructor(dram: DramStandard, map: AddressMap) {
    this.dram = dram;
    const { banks, groups, banksPerGroup, groupsPerPseudoChannel } = map;
    const pseudo = dram.pseudoChannels;
    this.groupOf = Int32Array.from({ length: banks }, (_, bank) => Math.floor(bank / banksPerGroup));
    this.pseudoOf = this.groupOf.map((group) => Math.floor(group / groupsPerPseudoChannel));
    this.openRow = new Int32Array(banks).fill(-1);
    this.bankActivate = new Float64Array(banks);
    this.bankPrecharge = new Float64Array(banks);
    this.bankRead = new Float64Array(banks);
    this.bankWrite = new Float64Array(banks);
    this.groupActivate = new Float64Array(groups);
    this.groupRead = new Float64Array(groups);
    this.groupWrite = new Float64Array(groups);
    this.pseudoActivate = new Float64Array(pseudo);
    this.pseudoRead = new Float64Array(pseudo);
    this.pseudoWrite = new Float64Array(pseudo);
    this.window = new Float64Array(pseudo * WINDOW).fill(Number.NEGATIVE_INFINITY);
    this.windowAt = new Uint8Array(pseudo);
  }

  /** First clock from which the command may go. */
  activateFrom(bank: number): number {
    const pseudo = this.pseudoOf[bank];
    return Math.max(
      this.bankActivate[bank],
      this.groupActivate[this.groupOf[bank]],
      this.pseudoActivate[pseudo],
      this.window[pseudo * WINDOW + this.windowAt[pseudo]] + this.dram.clocks.nFAW,
      this.rowCommand,
    );
  }

  prechargeFrom(bank: number): number {
    return Math.max(this.bankPrecharge[bank], this.rowCommand);
  }

  columnFrom(bank: number, isWrite: boolean): number {
    const group = this.groupOf[bank];
    const pseudo = this.pseudoOf[bank];
    return isWrite
      ? Math.max(this.bankWrite[bank], this.groupWrite[group], this.pseudoWrite[pseudo])
      : Math.max(this.bankRead[bank], this.groupRead[group], this.pseudoRead[pseudo]);
  }

  prechargeAllFrom(): number {
    return this.dram.refreshWaits ? Math.max(this.prechargeAll, this.rowCommand) : this.rowCommand;
  }

  refreshFrom(): number {
    return this.dram.refreshWaits ? Math.max(this.refresh, this.rowCommand) : this.rowCommand;
  }

  activate(bank: number, row: number, at: number): void {
    const { nRC, nRAS, nRCDRD, nRCDWR, nRRDS, nRRDL } = this.dram.clocks;
    const group = this.groupOf[bank];
    const pseudo = this.pseudoOf[bank];
    this.openRow[bank] = row;
    this.bankActivate[bank] = Math.max(this.bankActivate[bank], at + nRC);
    this.bankPrecharge[bank] = Math.max(this.bankPrecharge[bank], at + nRAS);
    this.bankRead[bank] = at + nRCDRD;
    this.bankWrite[bank] = at + nRCDWR;
    this.groupActivate[group] = at + nRRDL;
    this.pseudoActivate[pseudo] = Math.max(this.pseudoActivate[pseudo], at + nRRDS);
    this.window[pseudo * WINDOW + this.windowAt[pseudo]] = at;
    this.windowAt[pseudo] = (this.windowAt[pseudo] + 1) % WINDOW;
    this.rowCommand = at + this.dram.activateClocks;
    this.prechargeAll = Math.max(this.prechargeAll, at + nRAS);
    this.refresh = Math.max(this.refresh, at + nRC);
  }

  precharge(bank: number, at: number): void {
    const { nRP } = this.dram.clocks;
    this.openRow[bank] = -1;
    this.bankActivate[bank] = Math.max(this.bankActivate[bank], at + nRP);
    this.refresh = Math.max(this.refresh, at + nRP);
  }

  /** Column command; what the other direction waits for is the turnaround of the data bus. */
  column(bank: number, isWrite: boolean, at: number): void {
    const { nBL, nCL, nCWL, nCCDS, nCCDL, nWTRS, nWTRL, nWR, nRTP } = this.dram.clocks;
    const group = this.groupOf[bank];
    const pseudo = this.pseudoOf[bank];
    const same = at + Math.max(nBL, nCCDL);
    const other = at + Math.max(nBL, nCCDS);
    let close: number;
    if (isWrite) {
      this.groupWrite[group] = Math.max(this.groupWrite[group], same);
      this.pseudoWrite[pseudo] = Math.max(this.pseudoWrite[pseudo], other);
      this.groupRead[group] = Math.max(this.groupRead[group], at + nCWL + nBL + nWTRL);
      this.pseudoRead[pseudo] = Math.max(this.pseudoRead[pseudo], at + nCWL + nBL + nWTRS);
      close = at + nCWL + nBL + nWR;
    } else {
      this.groupRead[group] = Math.max(this.groupRead[group], same);
      this.pseudoRead[pseudo] = Math.max(this.pseudoRead[pseudo], other);
      this.pseudoWrite[pseudo] = Math.max(this.pseudoWrite[pseudo], at + nCL + nBL + 2 - nCWL);
      close = at + nRTP;
    }
    this.bankPrecharge[bank] = Math.max(this.bankPrecharge[bank], close);
    this.prechargeAll = Math.max(this.prechargeAll, close);
  }

  closeAll(at: number): void {
    const { nRP } = this.dram.clocks;
    this.openRow.fill(-1);
    for (let p = 0; p < this.pseudoActivate.length; p++)
      this.pseudoActivate[p] = Math.max(this.pseudoActivate[p], at + nRP);
    this.refresh = Math.max(this.refresh, at + nRP);
  }

  refreshAll(pseudo: number, at: number): void {
    const { nRFC } = this.dram.clocks;
    this.pseudoActivate[pseudo] = Math.max(this.pseudoActivate[pseudo], at + nRFC);
  }
}
