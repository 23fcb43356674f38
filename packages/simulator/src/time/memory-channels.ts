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
    this.wrote = new Uint8Array(decl.channels);
  }

  /** Takes the channels for a transfer that a unit asks for at cycle `start`. */
  serve(runs: TransferRuns, start: number, isWrite = false): TransferTime {
    const { load, figures, pages, free } = this;
    load.take(runs);
    if (load.count === 0) return { alone: 0, end: start, latency: 0 };
    const row = pages.find(runs.channel, load.firstBurst, start);
    const opening = row === 'open' ? 0 : row === 'closed' ? figures.open : figures.reopen;
    const earliest = start + opening;
    // While the only banks of a transfer change rows nothing of it can pass, but what others ask for goes ahead.
    const held =
      row === 'other' && load.pages === 1 && !load.isScattered
        ? Math.max(pages.metFirst + figures.rowTurn, pages.metLast + figures.rowChange)
        : earliest;
    const opened = row === 'open' ? load.pages - 1 : load.pages;
    let longest = 0;
    let busy = 0;
    // Channels that are asked for the same and are free at the same time end at the same time.
    let lastWork = -1;
    let lastFree = -1;
    let done = 0;
    let freeAfter = 0;
    for (let k = 0; k < load.count; k++) {
      const c = (load.first + k) % free.length;
      let work = load.isScattered ? this.scatteredWork(c) : this.work(c, opened);
      if (work === 0) continue;
      longest = Math.max(longest, work);
      if (isWrite !== (this.wrote[c] === 1)) {
        if (free[c] > start) work += this.turn(c, isWrite, start);
        this.wrote[c] = isWrite ? 1 : 0;
      }
      if (work !== lastWork || free[c] !== lastFree) {
        lastWork = work;
        lastFree = free[c];
        const backlog = lastFree - figures.reopen - start;
        // Units start on whole cycles, channels do not: a stream goes on within the cycle in which its last request ended.
        freeAfter = this.pass(lastFree > earliest - 1 ? lastFree : earliest, work);
        // Of what others have asked for, a full queue goes first; the rest shares the channel with this transfer.
        const behind = backlog - figures.queue - work;
        done = behind > 0 ? this.pass(earliest + figures.queue, 2 * work) : freeAfter;
      }
      free[c] = freeAfter;
      busy = Math.max(busy, done);
    }
    const last = held > earliest ? Math.max(busy, this.pass(held, longest)) : busy;
    pages.visit(runs.channel, load.openedFrom, load.lastBurst, load.isScattered, earliest, last);
    // Asking goes on within the cycle in which it ended, as passing does.
    const asks = this.asked > start - 1 && this.asked <= start ? this.asked : start;
    this.asked = Math.max(asks + longest, busy - figures.reopen);
    const end = Math.ceil(this.asked);
    const latency = isWrite ? figures.writeLatency : figures.readLatency;
    return {
      alone: Math.ceil(this.pass(start, longest) - start),
      end,
      latency: Math.ceil(last + latency) - end,
    };
  }

  reset(): void {
    this.free.fill(0);
    this.asked = 0;
    this.wrote.fill(0);
    this.pages.reset();
  }

  /** Cycles of a channel for one run that opens so many pages. */
  private work(c: number, opened: number): number {
    const { load, figures } = this;
    const bursts = load.bursts[c];
    const activates = Math.min(opened * figures.banksPerPage, bursts);
    return Math.max(bursts * figures.burst, activates * figures.activate) / this.decl.efficiency;
  }

  /** Cycles of a channel for many runs: whatever of bus, bank groups, activates and banks takes longest. */
  private scatteredWork(c: number): number {
    const { load, figures, decl } = this;
    const cycles = Math.max(
      load.bursts[c] * figures.burst,
      load.groupBursts[c] * figures.sameGroup,
      load.activates[c] * figures.activate,
      load.groupActivates[c] * figures.activateSameGroup,
      load.bankActivates[c] * figures.rowCycle,
    );
    return cycles / (decl.scatteredEfficiency ?? decl.efficiency);
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
