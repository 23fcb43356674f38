/**
 * One run of a channel: the clock loop of `DramChannel`. In each clock that matters requests are accepted, then one
 * command is chosen (or one for columns and one for rows, where the part has two command buses).
 */
import { type DramStandard, internalError } from '@bitloom/ir';
import type { AddressMap } from './address-map.js';
import { BankQueues } from './bank-queues.js';
import type { DramController } from './controller.js';
import type { DramCounts, DramSource } from './dram-channel.js';
import { ReturningReads } from './returning-reads.js';
import { TimingState } from './timing-state.js';

const NEVER = Number.POSITIVE_INFINITY;
/** Requests between two reports of progress. */
const REPORT = 4096;

/** A request whose row was opened for it: it goes before all others, and its row stays open until then. */
interface Activated {
  readonly bank: number;
  readonly isWrite: boolean;
  readonly arrive: number;
  readonly request: number;
}

/** Which commands a slot takes. */
interface Slot {
  readonly columns: boolean;
  readonly rows: boolean;
}

const SHARED: readonly Slot[] = [{ columns: true, rows: true }];
const SEPARATE: readonly Slot[] = [
  { columns: true, rows: false },
  { columns: false, rows: true },
];

export class ChannelRun {
  private readonly dram: DramStandard;
  private readonly map: AddressMap;
  private readonly controller: DramController;
  private readonly source: DramSource;
  private readonly progress: ((accepted: number) => void) | undefined;
  private readonly state: TimingState;
  private readonly slots: readonly Slot[];
  private readonly reads: BankQueues;
  private readonly writes: BankQueues;
  private readonly activated: Activated[] = [];
  /** Banks with an activated request: none of them may be closed. */
  private readonly isHeld: Uint8Array;
  private readonly returning = new ReturningReads();
  /** How many writes wait at an address: a read of it is answered from the queue. */
  private readonly written = new Map<number, number>();
  private isDraining = false;
  private accepted = 0;
  private outstanding = 0;
  private nextRefresh: number;
  /** Refreshes due, and the next step of the first: -1 closes all banks, then each pseudo-channel refreshes. */
  private refreshesDue = 0;
  private refreshStep = -1;
  /** Earliest clock at which a command that was considered may go. */
  private wake = NEVER;
  private end = 0;
  private rowHits = 0;
  private rowMisses = 0;
  private rowConflicts = 0;
  private refreshes = 0;
  private latencySum = 0;
  private readCount = 0;

  constructor(
    dram: DramStandard,
    map: AddressMap,
    controller: DramController,
    source: DramSource,
    progress?: (accepted: number) => void,
  ) {
    this.dram = dram;
    this.map = map;
    this.controller = controller;
    this.source = source;
    this.progress = progress;
    this.state = new TimingState(dram, map);
    this.slots = dram.commandBuses === 'shared' ? SHARED : SEPARATE;
    this.reads = new BankQueues(controller.readEntries, map.banks);
    this.writes = new BankQueues(controller.writeEntries, map.banks);
    this.isHeld = new Uint8Array(map.banks);
    this.nextRefresh = dram.refresh === 'none' ? NEVER : dram.clocks.nREFI;
  }

  toEnd(): DramCounts {
    let clock = 1;
    for (;;) {
      this.complete(clock - 1);
      this.accept(clock - 1);
      if (this.accepted === this.source.requests && this.isEmpty()) break;
      if (clock >= this.nextRefresh) {
        this.refreshesDue++;
        this.nextRefresh += this.dram.clocks.nREFI;
      }
      this.wake = NEVER;
      let isBusy = false;
      for (const slot of this.slots) isBusy = this.fill(slot, clock) || isBusy;
      clock = isBusy ? clock + 1 : this.nextEvent(clock);
    }
    this.complete(Number.MAX_SAFE_INTEGER);
    return {
      memoryCycles: this.end,
      rowHits: this.rowHits,
      rowMisses: this.rowMisses,
      rowConflicts: this.rowConflicts,
      refreshes: this.refreshes,
      meanReadLatencyCycles: this.readCount === 0 ? 0 : this.latencySum / this.readCount,
    };
  }

  private isEmpty(): boolean {
    return this.reads.size + this.writes.size + this.activated.length === 0;
  }

  /** Next clock in which anything can change. */
  private nextEvent(clock: number): number {
    let at = Math.min(this.wake, this.nextRefresh);
    if (this.accepted < this.source.requests) {
      const offered = this.source.offeredAt?.(this.accepted, clock) ?? 0;
      // What is accepted at a clock can be chosen in the next one.
      if (offered >= clock) at = Math.min(at, offered + 1);
      at = Math.min(at, this.returning.next + 1);
    }
    if (at === NEVER || at <= clock) throw internalError('a DRAM channel stands still');
    return at;
  }

  private complete(clock: number): void {
    while (this.returning.next <= clock) {
      const { request, at, arrive } = this.returning.take();
      this.outstanding--;
      this.end = Math.max(this.end, at);
      this.latencySum += at - arrive;
      this.readCount++;
      this.source.completed?.(request, at, arrive);
    }
  }

  private accept(clock: number): void {
    const { source, controller } = this;
    while (this.accepted < source.requests && this.outstanding < controller.mostOutstanding) {
      const i = this.accepted;
      if (source.offeredAt !== undefined && source.offeredAt(i, clock) > clock) return;
      const isWrite = source.isWrite(i);
      const queue = isWrite ? this.writes : this.reads;
      if (queue.isFull) return;
      const address = source.address(i);
      if (!isWrite && this.written.has(address)) {
        this.returning.add(i, clock + 1, clock);
      } else {
        if (isWrite) this.written.set(address, (this.written.get(address) ?? 0) + 1);
        const bank = this.map.bank(address);
        queue.push(bank, this.map.row(address), clock, i, this.state.openRow[bank]);
      }
      this.accepted++;
      this.outstanding++;
      if (this.accepted % REPORT === 0) this.progress?.(this.accepted);
    }
  }

  /** Chooses and issues a command of a slot. @returns whether the slot was used */
  private fill(slot: Slot, clock: number): boolean {
    if (slot.columns && this.serveActivated(clock)) return true;
    if (this.refreshesDue > 0) return slot.rows && this.refresh(clock);
    this.chooseDirection();
    return this.serveQueue(slot, clock);
  }

  private serveActivated(clock: number): boolean {
    let best = -1;
    for (let k = 0; k < this.activated.length; k++) {
      const one = this.activated[k];
      const at = this.state.columnFrom(one.bank, one.isWrite);
      if (at > clock) this.wake = Math.min(this.wake, at);
      else if (best < 0 || one.arrive < this.activated[best].arrive) best = k;
    }
    if (best < 0) return false;
    const [chosen] = this.activated.splice(best, 1);
    this.isHeld[chosen.bank] = 0;
    this.transfer(chosen.bank, chosen.isWrite, chosen.request, chosen.arrive, clock);
    return true;
  }

  /** The next step of a refresh; nothing else goes before it but requests whose rows it would close. */
  private refresh(clock: number): boolean {
    if (this.refreshStep < 0) {
      if (this.state.openRow.some((row) => row >= 0)) {
        const at = this.state.prechargeAllFrom();
        if (this.activated.length > 0) return false;
        if (at > clock) {
          this.wake = Math.min(this.wake, at);
          return false;
        }
        this.state.closeAll(clock);
        for (let bank = 0; bank < this.map.banks; bank++) this.rowChanged(bank);
        this.refreshStep = 0;
        return true;
      }
      this.refreshStep = 0;
    }
    const at = this.state.refreshFrom();
    if (at > clock) {
      this.wake = Math.min(this.wake, at);
      return false;
    }
    this.state.refreshAll(this.refreshStep, clock);
    this.refreshes++;
    this.refreshStep++;
    if (this.refreshStep === this.dram.pseudoChannels) {
      this.refreshStep = -1;
      this.refreshesDue--;
    }
    return true;
  }

  private chooseDirection(): void {
    if (this.isDraining) {
      if (this.writes.size < this.controller.drainBelow && this.reads.size > 0) this.isDraining = false;
    } else if (this.writes.size > this.controller.drainAbove || this.reads.size === 0) {
      this.isDraining = true;
    }
  }

  /** Issues the command of the oldest request whose next command may go now. */
  private serveQueue(slot: Slot, clock: number): boolean {
    const { state } = this;
    const isWrite = this.isDraining;
    const queue = isWrite ? this.writes : this.reads;
    if (queue.size === 0) return false;
    let bestBank = -1;
    let best = -1;
    let bestRequest = NEVER;
    let wake = NEVER;
    for (let bank = 0; bank < this.map.banks; bank++) {
      const oldest = queue.oldest(bank);
      if (oldest < 0) continue;
      const open = state.openRow[bank];
      const hit = open < 0 ? -1 : queue.oldestHit(bank, open);
      const miss = open < 0 ? oldest : queue.oldestMiss(bank, open);
      if (slot.columns && hit >= 0) {
        const at = state.columnFrom(bank, isWrite);
        if (at > clock) wake = Math.min(wake, at);
        else if (queue.request[hit] < bestRequest) {
          best = hit;
          bestBank = bank;
          bestRequest = queue.request[hit];
        }
      }
      if (slot.rows && miss >= 0) {
        const at = open < 0 ? state.activateFrom(bank) : state.prechargeFrom(bank);
        if (at > clock) wake = Math.min(wake, at);
        else if (queue.request[miss] < bestRequest) {
          best = miss;
          bestBank = bank;
          bestRequest = queue.request[miss];
        }
      }
    }
    this.wake = Math.min(this.wake, wake);
    if (best < 0) return false;
    this.issue(queue, bestBank, best, isWrite, clock);
    return true;
  }

  private issue(queue: BankQueues, bank: number, entry: number, isWrite: boolean, clock: number): void {
    const open = this.state.openRow[bank];
    const row = queue.row[entry];
    const request = queue.request[entry];
    const arrive = queue.arrive[entry];
    const isFirst = queue.isFresh[entry] === 1;
    queue.isFresh[entry] = 0;
    if (open === row) {
      if (isFirst) this.rowHits++;
      queue.remove(bank, entry);
      this.transfer(bank, isWrite, request, arrive, clock);
    } else if (open < 0) {
      if (isFirst) this.rowMisses++;
      queue.remove(bank, entry);
      this.activated.push({ bank, isWrite, arrive, request });
      this.isHeld[bank] = 1;
      this.state.activate(bank, row, clock);
      this.rowChanged(bank);
    } else if (this.isHeld[bank] === 0) {
      if (isFirst) this.rowConflicts++;
      this.state.precharge(bank, clock);
      this.rowChanged(bank);
    } else {
      // The slot is lost: a row stays open for the request it was opened for.
      queue.isFresh[entry] = isFirst ? 1 : 0;
    }
  }

  private transfer(bank: number, isWrite: boolean, request: number, arrive: number, clock: number): void {
    this.state.column(bank, isWrite, clock);
    if (!isWrite) {
      const { nCL, nBL } = this.dram.clocks;
      this.returning.add(request, clock + nCL + nBL, arrive);
      return;
    }
    const address = this.source.address(request);
    const waiting = (this.written.get(address) ?? 1) - 1;
    if (waiting > 0) this.written.set(address, waiting);
    else this.written.delete(address);
    this.outstanding--;
    this.end = Math.max(this.end, clock);
    this.source.completed?.(request, clock, arrive);
  }

  private rowChanged(bank: number): void {
    this.reads.rowChanged(bank);
    this.writes.rowChanged(bank);
  }
}
