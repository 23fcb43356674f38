/**
 * Service of DRAM channels in closed form: every transfer takes each of its channels for as long as the slowest of data
 * bus, activates and single banks needs; refresh stops all channels at its times. Requests of several units share a
 * channel. What a first access waits for shows as latency, because a unit asks ahead by as much as a row takes to open.
 *
 * The model that goes command by command is `dram/dram-channel.ts`; tests hold this one against it. Both times and
 * rates here are cycles of the card, with fractions.
 */
import type { MemoryDecl } from '@bitloom/ir';
import { type ChannelFigures, channelFigures } from '../dram/channel-figures.js';
import { OpenPages } from '../dram/open-pages.js';
import { TransferLoad } from '../dram/transfer-load.js';

export interface TransferRuns {
  /** Byte address of the first run, its length, and the runs' count and strides at two levels. */
  readonly start: number;
  readonly length: number;
  readonly count1: number;
  readonly stride1: number;
  readonly count2: number;
  readonly stride2: number;
  readonly channel: number;
}

export interface TransferTime {
  /** Cycles the transfer needs when nobody else uses the channels, refresh included. */
  readonly alone: number;
  /** Cycle from which the unit may ask for more: it asks ahead by what a row takes to close and open. */
  readonly end: number;
  /** Cycles from `end` until the last byte is there (of writes: until it is written). */
  readonly latency: number;
}

export class MemoryChannels {
  readonly decl: MemoryDecl;
  private readonly figures: ChannelFigures;
  private readonly load: TransferLoad;
  private readonly pages: OpenPages;
  /**
   * Cycle from which each channel's data bus is free. All times of a channel count the column command; data follows
   * after the latency of the direction.
   */
  private readonly free: Float64Array;
  /**
   * Cycle up to which each channel's activates are spoken for, the latest of them all, and the same of transfers whose
   * activates were hidden behind data, for all channels at once.
   */
  private readonly rowsFree: Float64Array;
  private rowsBusy = 0;
  private rowsPassed = 0;
  /** Of the transfer being served: most work of a channel's bus and of its activates, and when the last channel is done. */
  private busWork = 0;
  private rowWork = 0;
  private busy = 0;
  /** The stretch between two refreshes that was looked at last. */
  private calmFrom = 0;
  private calmTo = 0;
  /** Cycle at which the last transfer had been asked for as a whole. */
  private asked = 0;
  /** Whether the last transfer wrote. */
  private wrote = false;

  constructor(decl: MemoryDecl, clockHz: number) {
    this.decl = decl;
    this.figures = channelFigures(decl, clockHz);
    this.load = new TransferLoad(decl, this.figures);
    this.pages = new OpenPages(this.figures);
    this.free = new Float64Array(decl.channels);
    this.rowsFree = new Float64Array(decl.channels);
  }

  /** Takes the channels for a transfer that a unit asks for at cycle `start`. */
  serve(runs: TransferRuns, start: number, isWrite = false): TransferTime {
    const { load, figures, pages } = this;
    load.take(runs);
    if (load.count === 0) return { alone: 0, end: start, latency: 0 };
    const row = pages.find(runs.channel, load.firstBurst, start);
    const opening = row === 'open' ? 0 : row === 'closed' ? figures.open : figures.reopen;
    // Units start on whole cycles, channels do not: asking goes on within the cycle in which it ended.
    const asks = this.asked > start - 1 && this.asked <= start ? this.asked : start;
    const earliest = asks + opening;
    // While the only banks of a transfer change rows nothing of it can pass, but what others ask for goes ahead.
    const held =
      row === 'other' && load.pages === 1 && !load.isScattered
        ? Math.max(pages.metFirst + figures.rowTurn, pages.metLast + figures.rowChange)
        : earliest;
    this.takeChannels(start, earliest, row === 'open' ? load.pages - 1 : load.pages, isWrite);
    const { busWork, busy } = this;
    const work = Math.max(busWork, this.rowWork - figures.activatesAhead);
    const last = held > earliest ? Math.max(busy, this.pass(held, work)) : busy;
    pages.visit(runs.channel, load.openedFrom, load.lastBurst, load.isScattered, earliest, last);
    this.asked = Math.max(asks + busWork, busy - figures.reopen);
    const end = Math.max(start, Math.ceil(this.asked));
    const latency = isWrite ? figures.writeLatency : figures.readLatency;
    return {
      alone: Math.ceil(this.pass(start, work) - start),
      end,
      latency: Math.ceil(last + latency) - end,
    };
  }

  reset(): void {
    this.free.fill(0);
    this.rowsFree.fill(0);
    this.asked = 0;
    this.wrote = false;
    this.rowsBusy = 0;
    this.rowsPassed = 0;
    this.pages.reset();
  }

  /** Takes every channel of the transfer; results are in fields. This loop is most of the time of a serve. */
  private takeChannels(start: number, earliest: number, opened: number, isWrite: boolean): void {
    const { load, free, rowsFree, figures } = this;
    const { bursts, count, first, isScattered } = load;
    const channels = free.length;
    const perCycle = 1 / this.efficiency();
    const { activatesAhead } = figures;
    const isTurn = isWrite !== this.wrote;
    this.wrote = isWrite;
    // Backlog of others above which a transfer does not wait for all of it.
    const shared = start + figures.reopen + figures.queue;
    const rowsWait = this.rowsBusy > earliest;
    const { rowsPassed } = this;
    this.findCalm(earliest);
    const { calmFrom, calmTo } = this;
    let lastBursts = -1;
    let bus = 0;
    let rows = 0;
    let doRowsCount = false;
    let busWork = 0;
    let rowWork = 0;
    let busy = 0;
    for (let k = 0, c = first; k < count; k++, c = c + 1 === channels ? 0 : c + 1) {
      const n = bursts[c];
      if (n === 0) continue;
      if (n !== lastBursts || isScattered) {
        lastBursts = n;
        bus = this.busCycles(c) * perCycle;
        rows = this.rowCycles(c, opened) * perCycle;
        doRowsCount = rows > 0 && (rowsWait || rows > bus + activatesAhead);
        if (bus > busWork) busWork = bus;
        if (rows > rowWork) rowWork = rows;
      }
      const before = free[c];
      const work = isTurn && before > start ? bus + this.turn(n, isWrite, before - start) : bus;
      const from = before > earliest ? before : earliest;
      // Almost always no refresh lies between.
      let to = from + work;
      if (from < calmFrom || to > calmTo) to = this.pass(from, work);
      if (doRowsCount) {
        const rowsTo = this.pass(Math.max(rowsFree[c], rowsPassed, earliest), rows);
        rowsFree[c] = rowsTo;
        if (rowsTo > this.rowsBusy) this.rowsBusy = rowsTo;
        if (rowsTo - activatesAhead > to) to = rowsTo - activatesAhead;
      }
      free[c] = to;
      // Of what others have asked for, a full queue goes first; the rest shares the channel with this transfer.
      if (before - shared > to - from) to = this.pass(earliest + figures.queue, 2 * Math.max(work, rows));
      if (to > busy) busy = to;
    }
    if (!rowsWait) {
      this.rowsPassed = earliest + rowWork;
      this.rowsBusy = Math.max(this.rowsBusy, this.rowsPassed);
    }
    this.busWork = busWork;
    this.rowWork = rowWork;
    this.busy = busy;
  }

  private efficiency(): number {
    const { efficiency, scatteredEfficiency = efficiency } = this.decl;
    return this.load.isScattered ? scatteredEfficiency : efficiency;
  }

  /** Cycles of a channel's data bus. */
  private busCycles(c: number): number {
    const { load, figures } = this;
    const bus = load.bursts[c] * figures.burst;
    return load.isScattered ? Math.max(bus, load.groupBursts[c] * figures.sameGroup) : bus;
  }

  /** Cycles between the first and the last activate, with one more: of one run that opens so many pages, or of many runs. */
  private rowCycles(c: number, opened: number): number {
    const { load, figures } = this;
    if (!load.isScattered) return Math.min(opened * figures.banksPerPage, load.bursts[c]) * figures.activate;
    return Math.max(
      load.activates[c] * figures.activate,
      load.groupActivates[c] * figures.activateSameGroup,
      load.bankActivates[c] * figures.rowCycle,
    );
  }

  /** What a change of direction costs: while both directions have work, the bus turns once per lot of bursts. */
  private turn(bursts: number, isWrite: boolean, backlog: number): number {
    const { figures } = this;
    const both = Math.min(bursts, backlog / figures.burst);
    const turns = Math.max(Math.min(1, bursts / figures.lot), both / figures.lot);
    return turns * (isWrite ? figures.turnToWrites : figures.turnToReads);
  }

  /** Cycle at which `work` that begins at `from` is done, refreshes between them included. */
  private pass(from: number, work: number): number {
    if (from < this.calmFrom || from >= this.calmTo) this.findCalm(from);
    const at = Math.max(from, this.calmFrom);
    const room = this.calmTo - at;
    if (work <= room) return at + work;
    const { refreshInterval, refreshTime } = this.figures;
    const open = refreshInterval - refreshTime;
    const rest = work - room;
    const whole = Math.ceil(rest / open) - 1;
    return this.calmTo + whole * refreshInterval + refreshTime + (rest - whole * open);
  }

  /** Finds the stretch between two refreshes that a cycle lies in, or the one behind its refresh. */
  private findCalm(at: number): void {
    const { refreshInterval, refreshTime } = this.figures;
    const period = Math.floor(at / refreshInterval);
    // There is no refresh at cycle 0.
    this.calmFrom = period === 0 ? 0 : period * refreshInterval + refreshTime;
    this.calmTo = (period + 1) * refreshInterval;
  }
}
