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
  /** Cycle up to which each channel's activates are spoken for. */
  private readonly rowsFree: Float64Array;
  /** The last channel that was computed: what it was asked for, when it was free, and what came of it. */
  private lastBus = 0;
  private lastRows = 0;
  private lastFree = 0;
  private lastRowsFree = 0;
  private freeAfter = 0;
  private rowsFreeAfter = 0;
  private done = 0;
  /** Cycle at which the last transfer had been asked for as a whole. */
  private asked = 0;
  /** Whether the last transfer of a channel wrote. */
  private readonly wrote: Uint8Array;

  constructor(decl: MemoryDecl, clockHz: number) {
    this.decl = decl;
    this.figures = channelFigures(decl, clockHz);
    this.load = new TransferLoad(decl, this.figures);
    this.pages = new OpenPages(this.figures);
    this.free = new Float64Array(decl.channels);
    this.rowsFree = new Float64Array(decl.channels);
    this.wrote = new Uint8Array(decl.channels);
  }

  /** Takes the channels for a transfer that a unit asks for at cycle `start`. */
  serve(runs: TransferRuns, start: number, isWrite = false): TransferTime {
    const { load, figures, pages, free } = this;
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
    const opened = row === 'open' ? load.pages - 1 : load.pages;
    const perCycle = 1 / this.efficiency();
    let busWork = 0;
    let rowWork = 0;
    let busy = 0;
    // Channels that are asked for the same and are free at the same time end at the same time.
    let isFirst = true;
    for (let k = 0, c = load.first; k < load.count; k++, c = c + 1 === free.length ? 0 : c + 1) {
      if (load.bursts[c] === 0) continue;
      let bus = this.busCycles(c) * perCycle;
      const rows = this.rowCycles(c, opened) * perCycle;
      busWork = Math.max(busWork, bus);
      rowWork = Math.max(rowWork, rows);
      if (isWrite !== (this.wrote[c] === 1)) {
        if (free[c] > start) bus += this.turn(c, isWrite, start);
        this.wrote[c] = isWrite ? 1 : 0;
      }
      if (isFirst || bus !== this.lastBus || rows !== this.lastRows || !this.isFreeAsLast(c)) {
        this.lastBus = bus;
        this.lastRows = rows;
        this.lastFree = free[c];
        this.lastRowsFree = this.rowsFree[c];
        isFirst = false;
        this.take(start, earliest, bus, rows);
      }
      free[c] = this.freeAfter;
      this.rowsFree[c] = this.rowsFreeAfter;
      busy = Math.max(busy, this.done);
    }
    const work = Math.max(busWork, rowWork - figures.activatesAhead);
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
    this.wrote.fill(0);
    this.pages.reset();
  }

  /** What one channel does with a transfer; results are in fields, because this runs for every channel of each one. */
  private take(start: number, earliest: number, bus: number, rows: number): void {
    const { figures } = this;
    const from = Math.max(this.lastFree, earliest);
    const rowsFrom = Math.max(this.lastRowsFree, earliest);
    this.rowsFreeAfter = rows === 0 ? this.lastRowsFree : this.pass(rowsFrom, rows);
    this.freeAfter = Math.max(this.pass(from, bus), this.rowsFreeAfter - figures.activatesAhead);
    // Of what others have asked for, a full queue goes first; the rest shares the channel with this transfer.
    const work = this.freeAfter - from;
    const behind = this.lastFree - figures.reopen - start - figures.queue - work;
    this.done = behind > 0 ? this.pass(earliest + figures.queue, 2 * Math.max(bus, rows)) : this.freeAfter;
  }

  /** Whether a channel is free when the one that was computed last was. */
  private isFreeAsLast(c: number): boolean {
    return this.free[c] === this.lastFree && this.rowsFree[c] === this.lastRowsFree;
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
  private turn(c: number, isWrite: boolean, start: number): number {
    const { figures, load } = this;
    const both = Math.min(load.bursts[c], (this.free[c] - start) / figures.burst);
    const turns = Math.max(Math.min(1, load.bursts[c] / figures.lot), both / figures.lot);
    return turns * (isWrite ? figures.turnToWrites : figures.turnToReads);
  }

  /** Cycle at which `work` that begins at `from` is done, refreshes between them included. */
  private pass(from: number, work: number): number {
    const { refreshInterval: interval, refreshTime } = this.figures;
    const period = Math.floor(from / interval);
    let at = from;
    // There is none at cycle 0.
    if (period > 0) at = Math.max(at, period * interval + refreshTime);
    const room = (period + 1) * interval - at;
    if (work <= room) return at + work;
    const open = interval - refreshTime;
    const rest = work - room;
    const whole = Math.ceil(rest / open) - 1;
    return (period + 1 + whole) * interval + refreshTime + (rest - whole * open);
  }
}
