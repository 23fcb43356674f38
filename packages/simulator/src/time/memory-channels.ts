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
  /** When it was asked for and could begin, and the work of the channels being taken: of their bus and their activates. */
  private start = 0;
  private earliest = 0;
  private bus = 0;
  private rows = 0;
  /** Largest of {@link free}. */
  private latest = 0;
  /** The stretch between two refreshes that was looked at last. */
  private calmFrom = 0;
  private calmTo = 0;
  /** Cycle at which the last transfer had been asked for as a whole. */
  private asked = 0;
  /** Whether the last transfer wrote, and this one does not, or the other way round. */
  private wrote = false;
  private isTurn = false;
  /** Whether activates of others are still under way where this transfer could begin. */
  private rowsWait = false;
  /** What a burst takes is stretched by the memory's efficiency, of one run and of many. */
  private readonly stretch: number;
  private readonly scatteredStretch: number;

  constructor(decl: MemoryDecl, clockHz: number) {
    this.decl = decl;
    this.figures = channelFigures(decl, clockHz);
    this.load = new TransferLoad(decl, this.figures);
    this.pages = new OpenPages(this.figures);
    this.free = new Float64Array(decl.channels);
    this.rowsFree = new Float64Array(decl.channels);
    const { efficiency, scatteredEfficiency = efficiency } = decl;
    this.stretch = 1 / efficiency;
    this.scatteredStretch = 1 / scatteredEfficiency;
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

  /** Bytes that the last transfer moved on each channel, in whole bursts; [channels], all written. */
  channelBytes(into: Float64Array): void {
    this.load.channelBytes(into);
  }

  reset(): void {
    this.free.fill(0);
    this.latest = 0;
    this.rowsFree.fill(0);
    this.asked = 0;
    this.wrote = false;
    this.rowsBusy = 0;
    this.rowsPassed = 0;
    this.pages.reset();
  }

  /** Takes every channel of the transfer; results are in fields. */
  private takeChannels(start: number, earliest: number, opened: number, isWrite: boolean): void {
    const { load } = this;
    this.isTurn = isWrite !== this.wrote;
    this.wrote = isWrite;
    this.rowsWait = this.rowsBusy > earliest;
    this.findCalm(earliest);
    this.busWork = 0;
    this.rowWork = 0;
    this.busy = 0;
    this.start = start;
    this.earliest = earliest;
    if (load.isScattered) this.takeScattered(isWrite);
    else if (!this.takeCalmly(opened)) this.takeSegments(opened, isWrite);
    if (!this.rowsWait) {
      this.rowsPassed = earliest + this.rowWork;
      this.rowsBusy = Math.max(this.rowsBusy, this.rowsPassed);
    }
  }

  private takeScattered(isWrite: boolean): void {
    const { load, figures, scatteredStretch } = this;
    const channels = this.free.length;
    for (let k = 0, c = load.first; k < load.count; k++, c = c + 1 === channels ? 0 : c + 1) {
      const bursts = load.bursts[c];
      if (bursts === 0) continue;
      this.bus = Math.max(bursts * figures.burst, load.groupBursts[c] * figures.sameGroup) * scatteredStretch;
      this.rows = this.scatteredRows(c) * scatteredStretch;
      this.takeNeighbours(c, c + 1, bursts, isWrite);
    }
  }

  /** One run, neighbours with the same work together. */
  private takeSegments(opened: number, isWrite: boolean): void {
    const { first, shares } = this.load;
    const { segmentEnds, segmentBursts } = shares;
    const { figures, stretch } = this;
    const channels = this.free.length;
    for (let s = 0, from = first; s < segmentEnds.length; s++) {
      const bursts = segmentBursts[s];
      const to = first + segmentEnds[s];
      if (bursts > 0) {
        this.bus = bursts * figures.burst * stretch;
        this.rows = this.openingCycles(opened, bursts);
        if (from < channels) this.takeNeighbours(from, Math.min(to, channels), bursts, isWrite);
        if (to > channels) this.takeNeighbours(Math.max(from - channels, 0), to - channels, bursts, isWrite);
      }
      from = to;
    }
  }

  /** Cycles between the first and the last activate of a run on a channel, with one more. */
  private openingCycles(opened: number, bursts: number): number {
    const { banksPerPage, activate } = this.figures;
    return Math.min(opened * banksPerPage, bursts) * activate * this.stretch;
  }

  /**
   * One run where no refresh, turn, activate or backlog is in the way of any channel: each is taken for its bursts and
   * nothing else. Most transfers are so. Gives false, and takes nothing, where something may be.
   */
  private takeCalmly(opened: number): boolean {
    const { shares } = this.load;
    const { figures, stretch, earliest, latest } = this;
    const least = shares.least * figures.burst * stretch;
    const most = shares.most * figures.burst * stretch;
    const rows = this.openingCycles(opened, shares.most);
    const isCalm =
      !this.isTurn &&
      !this.rowsWait &&
      least > 0 &&
      rows <= least + figures.activatesAhead &&
      latest - (this.start + figures.reopen + figures.queue) <= least &&
      earliest >= this.calmFrom &&
      Math.max(latest, earliest) + most <= this.calmTo;
    if (!isCalm) return false;
    this.busWork = most;
    this.rowWork = rows;
    const channels = this.free.length;
    const end = shares.first + shares.count;
    this.takeShares(shares.bursts, shares.first, Math.min(end, channels));
    if (end > channels) this.takeShares(shares.bursts, 0, end - channels);
    return true;
  }

  /** Takes channels [first, end) for their bursts. */
  private takeShares(bursts: Float64Array, first: number, end: number): void {
    const { free, earliest, stretch } = this;
    const { burst } = this.figures;
    let { busy } = this;
    for (let c = first; c < end; c++) {
      const before = free[c];
      const to = (before > earliest ? before : earliest) + bursts[c] * burst * stretch;
      free[c] = to;
      if (to > busy) busy = to;
    }
    this.busy = busy;
    if (busy > this.latest) this.latest = busy;
  }

  /** Takes channels [first, end) that have the same work: `bus` and `rows`. */
  private takeNeighbours(first: number, end: number, bursts: number, isWrite: boolean): void {
    const { bus, rows, start, earliest, figures } = this;
    const { activatesAhead } = figures;
    if (bus > this.busWork) this.busWork = bus;
    if (rows > this.rowWork) this.rowWork = rows;
    const doRowsCount = rows > 0 && (this.rowsWait || rows > bus + activatesAhead);
    // Backlog of others above which a transfer does not wait for all of it.
    const shared = start + figures.reopen + figures.queue;
    const { free, isTurn } = this;
    for (let c = first; c < end; c++) {
      const before = free[c];
      const work = isTurn && before > start ? bus + this.turn(bursts, isWrite, before - start) : bus;
      const from = before > earliest ? before : earliest;
      let to = this.pass(from, work);
      if (doRowsCount) to = Math.max(to, this.takeRows(c) - activatesAhead);
      free[c] = to;
      if (to > this.latest) this.latest = to;
      // Of what others have asked for, a full queue goes first; the rest shares the channel with this transfer.
      if (before - shared > to - from) to = this.pass(earliest + figures.queue, 2 * Math.max(work, rows));
      if (to > this.busy) this.busy = to;
    }
  }

  /** Takes the activates of a channel; gives when they are over. */
  private takeRows(c: number): number {
    const to = this.pass(Math.max(this.rowsFree[c], this.rowsPassed, this.earliest), this.rows);
    this.rowsFree[c] = to;
    if (to > this.rowsBusy) this.rowsBusy = to;
    return to;
  }

  /** Cycles of a channel's activates of many runs. */
  private scatteredRows(c: number): number {
    const { load, figures } = this;
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
