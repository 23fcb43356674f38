/**
 * What a transfer asks of each channel: bursts, activates, and how often it comes back to the same banks with another
 * row. Exact for one run however long, in time that does not grow with it; many runs are sampled by their period.
 */
import { type MemoryDecl, STRIPED } from '@bitloom/ir';
import type { TransferRuns } from '../time/memory-channels.js';
import type { ChannelFigures } from './channel-figures.js';

/** Runs that are looked at one by one; of more, this many stand for all. */
const SAMPLED_RUNS = 256;

export class TransferLoad {
  /** Channels [first, first + count), around the end, that the transfer touches. */
  first = 0;
  count = 0;
  /** Bursts of each channel, activates, and most activates that fall to one set of banks. */
  readonly bursts: Float64Array;
  readonly activates: Float64Array;
  readonly samePage: Float64Array;
  /** Pages of the first channel that the transfer begins and ends in, and from where on it visits all between. */
  firstPage = 0;
  openedFrom = 0;
  lastPage = 0;
  isScattered = false;
  private readonly channels: number;
  private readonly interleave: number;
  private readonly blockBursts: number;
  private readonly figures: ChannelFigures;
  /** While runs are walked: the page each channel is in, and activates of each channel and set of banks. */
  private readonly pageOf: Float64Array;
  private readonly visits: Float64Array;

  constructor(memory: MemoryDecl, figures: ChannelFigures) {
    const { channels } = memory;
    this.channels = channels;
    this.interleave = memory.interleaveBytes;
    this.figures = figures;
    this.blockBursts = Math.ceil(memory.interleaveBytes / figures.burstBytes);
    this.bursts = new Float64Array(channels);
    this.activates = new Float64Array(channels);
    this.samePage = new Float64Array(channels);
    this.pageOf = new Float64Array(channels);
    this.visits = new Float64Array(channels * figures.pagesPerTurn);
  }

  /** Takes a transfer; the fields then describe it. */
  take(runs: TransferRuns): void {
    const total = runs.count1 * runs.count2;
    this.isScattered = false;
    this.count = 0;
    if (total <= 0 || runs.length <= 0) return;
    if (total === 1) this.takeOne(runs);
    else this.takeMany(runs, total);
  }

  private takeOne(runs: TransferRuns): void {
    const { burstBytes, pageBytes, banksPerPage } = this.figures;
    const begin = Math.floor(runs.start / burstBytes);
    const end = Math.ceil((runs.start + runs.length) / burstBytes);
    if (runs.channel !== STRIPED) {
      this.first = runs.channel;
      this.count = 1;
      this.bursts[runs.channel] = end - begin;
      this.firstPage = Math.floor(runs.start / pageBytes);
      this.lastPage = Math.floor((runs.start + runs.length - 1) / pageBytes);
    } else {
      this.spread(begin * burstBytes, end * burstBytes);
    }
    this.openedFrom = this.firstPage;
    const pages = this.lastPage - this.firstPage + 1;
    for (let k = 0; k < this.count; k++) {
      const c = (this.first + k) % this.channels;
      this.activates[c] = Math.min(pages * banksPerPage, this.bursts[c]);
      this.samePage[c] = 0;
    }
  }

  /** Bursts of a striped range of whole bursts: the same for all channels but for the ends. */
  private spread(start: number, end: number): void {
    const { interleave, channels, blockBursts } = this;
    const { burstBytes, pageBytes } = this.figures;
    const firstBlock = Math.floor(start / interleave);
    const lastBlock = Math.floor((end - 1) / interleave);
    const blocks = lastBlock - firstBlock + 1;
    const rest = blocks % channels;
    const each = ((blocks - rest) / channels) * blockBursts;
    this.first = firstBlock % channels;
    this.count = Math.min(blocks, channels);
    for (let k = 0; k < this.count; k++) {
      const c = (this.first + k) % channels;
      this.bursts[c] = k < rest ? each + blockBursts : each;
    }
    this.bursts[this.first] -= Math.floor((start - firstBlock * interleave) / burstBytes);
    this.bursts[lastBlock % channels] -= Math.floor(((lastBlock + 1) * interleave - end) / burstBytes);
    this.firstPage = Math.floor(this.local(start) / pageBytes);
    this.lastPage = Math.floor(this.local(end - 1) / pageBytes);
  }

  /** Address within its channel of a striped address. */
  private local(address: number): number {
    const block = Math.floor(address / this.interleave);
    return Math.floor(block / this.channels) * this.interleave + (address - block * this.interleave);
  }

  private takeMany(runs: TransferRuns, total: number): void {
    this.isScattered = true;
    const isStriped = runs.channel === STRIPED;
    this.first = isStriped ? 0 : runs.channel;
    this.count = isStriped ? this.channels : 1;
    this.bursts.fill(0);
    this.activates.fill(0);
    this.pageOf.fill(-1);
    this.visits.fill(0);
    const inner = Math.min(runs.count1, SAMPLED_RUNS);
    const outer = Math.min(runs.count2, Math.max(1, Math.floor(SAMPLED_RUNS / inner)));
    for (let j = 0; j < outer; j++) {
      for (let i = 0; i < inner; i++)
        this.addRun(runs.start + j * runs.stride2 + i * runs.stride1, runs.length, runs.channel);
    }
    const { pagesPerTurn, pageBytes } = this.figures;
    const scale = total / (inner * outer);
    for (let c = 0; c < this.channels; c++) {
      let most = 0;
      for (let set = 0; set < pagesPerTurn; set++) most = Math.max(most, this.visits[c * pagesPerTurn + set]);
      this.samePage[c] = most * scale;
      this.bursts[c] *= scale;
      this.activates[c] *= scale;
    }
    const page = (address: number): number =>
      Math.floor((isStriped ? this.local(address) : address) / pageBytes);
    this.firstPage = page(runs.start);
    // Of the rows that the runs open, those of the last run are known.
    this.lastPage = page(
      runs.start + (runs.count2 - 1) * runs.stride2 + (runs.count1 - 1) * runs.stride1 + runs.length - 1,
    );
    this.openedFrom = this.lastPage;
  }

  private addRun(start: number, length: number, channel: number): void {
    const { burstBytes } = this.figures;
    const begin = Math.floor(start / burstBytes) * burstBytes;
    const end = Math.ceil((start + length) / burstBytes) * burstBytes;
    if (channel !== STRIPED) {
      this.addPiece(channel, begin, end);
      return;
    }
    const { interleave, channels } = this;
    const turn = interleave * channels;
    const turns = Math.floor((end - begin) / turn);
    for (let c = 0; turns > 0 && c < channels; c++)
      this.addPiece(c, this.local(begin), this.local(begin) + turns * interleave);
    for (let at = begin + turns * turn; at < end; ) {
      const block = Math.floor(at / interleave);
      const stop = Math.min(end, (block + 1) * interleave);
      this.addPiece(block % channels, this.local(at), this.local(at) + stop - at);
      at = stop;
    }
  }

  /** Addresses [begin, end) of a channel. */
  private addPiece(channel: number, begin: number, end: number): void {
    const { burstBytes, pageBytes, banksPerPage, pagesPerTurn } = this.figures;
    const bursts = (end - begin) / burstBytes;
    this.bursts[channel] += bursts;
    const firstPage = Math.floor(begin / pageBytes);
    const lastPage = Math.floor((end - 1) / pageBytes);
    const opened = lastPage - firstPage + (this.pageOf[channel] === firstPage ? 0 : 1);
    this.pageOf[channel] = lastPage;
    if (opened === 0) return;
    this.activates[channel] += Math.min(bursts, opened * banksPerPage);
    this.visits[channel * pagesPerTurn + (lastPage % pagesPerTurn)] += Math.ceil(opened / pagesPerTurn);
  }
}
