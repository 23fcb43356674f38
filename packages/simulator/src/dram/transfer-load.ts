/**
 * What a transfer asks of each channel: bursts, activates, and how much of both falls to the same bank group or banks.
 * Exact for one run however long, in time that does not grow with it; of many runs a sample stands for all.
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
  readonly bursts: Float64Array;
  /** Pages of the first channel that one run opens; what many runs open is in the arrays below. */
  pages = 0;
  isScattered = false;
  /** Of many runs: activates of each channel, most bursts and activates of one bank group, most activates of one bank. */
  readonly activates: Float64Array;
  readonly groupBursts: Float64Array;
  readonly groupActivates: Float64Array;
  readonly bankActivates: Float64Array;
  /** First burst, within the first channel; first and last of the last run. */
  firstBurst = 0;
  openedFrom = 0;
  lastBurst = 0;
  private readonly channels: number;
  private readonly interleave: number;
  private readonly blockBursts: number;
  private readonly figures: ChannelFigures;
  /** While runs are walked: the page each channel is in; by channel, bursts and activates of each bank of a page, and activates of each bank. */
  private readonly pageOf: Float64Array;
  private readonly byBank: Float64Array;
  private readonly opensByBank: Float64Array;
  private readonly visits: Float64Array;

  constructor(memory: MemoryDecl, figures: ChannelFigures) {
    const { channels } = memory;
    this.channels = channels;
    this.interleave = memory.interleaveBytes;
    this.figures = figures;
    this.blockBursts = Math.ceil(memory.interleaveBytes / figures.burstBytes);
    this.bursts = new Float64Array(channels);
    this.activates = new Float64Array(channels);
    this.groupBursts = new Float64Array(channels);
    this.groupActivates = new Float64Array(channels);
    this.bankActivates = new Float64Array(channels);
    this.pageOf = new Float64Array(channels);
    this.byBank = new Float64Array(channels * figures.banksPerPage);
    this.opensByBank = new Float64Array(channels * figures.banksPerPage);
    this.visits = new Float64Array(channels * figures.pagesPerTurn * figures.banksPerPage);
  }

  /** Takes a transfer; the fields then describe it. */
  take(runs: TransferRuns): void {
    const total = runs.count1 * runs.count2;
    this.isScattered = total > 1;
    this.count = 0;
    if (total <= 0 || runs.length <= 0) return;
    if (total === 1) this.takeOne(runs);
    else this.takeMany(runs, total);
  }

  private takeOne(runs: TransferRuns): void {
    const { burstBytes, burstsPerPage } = this.figures;
    const begin = Math.floor(runs.start / burstBytes);
    const end = Math.ceil((runs.start + runs.length) / burstBytes);
    if (runs.channel === STRIPED) {
      this.spread(begin * burstBytes, end * burstBytes);
    } else {
      this.first = runs.channel;
      this.count = 1;
      this.bursts[runs.channel] = end - begin;
      this.firstBurst = begin;
      this.lastBurst = end - 1;
    }
    this.openedFrom = this.firstBurst;
    this.pages = Math.floor(this.lastBurst / burstsPerPage) - Math.floor(this.firstBurst / burstsPerPage) + 1;
  }

  /** Bursts of a striped range of whole bursts: the same for all channels but for the ends. */
  private spread(start: number, end: number): void {
    const { interleave, channels, blockBursts } = this;
    const { burstBytes } = this.figures;
    const firstBlock = Math.floor(start / interleave);
    const lastBlock = Math.floor((end - 1) / interleave);
    const blocks = lastBlock - firstBlock + 1;
    const rest = blocks % channels;
    const each = ((blocks - rest) / channels) * blockBursts;
    this.first = firstBlock % channels;
    this.count = Math.min(blocks, channels);
    for (let k = 0, c = this.first; k < this.count; k++, c = c + 1 === channels ? 0 : c + 1)
      this.bursts[c] = k < rest ? each + blockBursts : each;
    this.bursts[this.first] -= Math.floor((start - firstBlock * interleave) / burstBytes);
    this.bursts[lastBlock % channels] -= Math.floor(((lastBlock + 1) * interleave - end) / burstBytes);
    this.firstBurst = Math.floor(this.local(start) / burstBytes);
    // Where the range goes round, its last channel has passed as much as the first.
    this.lastBurst = Math.max(this.firstBurst, Math.floor(this.local(end - 1) / burstBytes));
  }

  /** Address within its channel of a striped address. */
  private local(address: number): number {
    const block = Math.floor(address / this.interleave);
    return Math.floor(block / this.channels) * this.interleave + (address - block * this.interleave);
  }

  private takeMany(runs: TransferRuns, total: number): void {
    const isStriped = runs.channel === STRIPED;
    this.first = isStriped ? 0 : runs.channel;
    this.count = isStriped ? this.channels : 1;
    this.bursts.fill(0);
    this.activates.fill(0);
    this.pageOf.fill(-1);
    this.byBank.fill(0);
    this.opensByBank.fill(0);
    this.visits.fill(0);
    const inner = Math.min(runs.count1, SAMPLED_RUNS);
    const outer = Math.min(runs.count2, Math.max(1, Math.floor(SAMPLED_RUNS / inner)));
    for (let j = 0; j < outer; j++) {
      for (let i = 0; i < inner; i++)
        this.addRun(runs.start + j * runs.stride2 + i * runs.stride1, runs.length, runs.channel);
    }
    const { pagesPerTurn, banksPerPage, burstBytes } = this.figures;
    const scale = total / (inner * outer);
    for (let k = 0; k < this.count; k++) {
      const c = this.first + k;
      this.bursts[c] *= scale;
      this.activates[c] *= scale;
      this.groupBursts[c] = scale * most(this.byBank, c * banksPerPage, banksPerPage);
      this.groupActivates[c] = scale * most(this.opensByBank, c * banksPerPage, banksPerPage);
      const banks = pagesPerTurn * banksPerPage;
      this.bankActivates[c] = scale * most(this.visits, c * banks, banks);
    }
    const burst = (address: number): number =>
      Math.floor((isStriped ? this.local(address) : address) / burstBytes);
    const lastRun = runs.start + (runs.count2 - 1) * runs.stride2 + (runs.count1 - 1) * runs.stride1;
    this.firstBurst = burst(runs.start);
    // Of the rows that the runs open, those of the last run are known.
    this.openedFrom = burst(lastRun);
    this.lastBurst = Math.max(this.openedFrom, burst(lastRun + runs.length - 1));
  }

  private addRun(start: number, length: number, channel: number): void {
    const { burstBytes } = this.figures;
    const begin = Math.floor(start / burstBytes) * burstBytes;
    const end = Math.ceil((start + length) / burstBytes) * burstBytes;
    if (channel !== STRIPED) {
      this.addPiece(channel, begin, end - begin);
      return;
    }
    const { interleave, channels } = this;
    const turn = interleave * channels;
    const turns = Math.floor((end - begin) / turn);
    for (let c = 0; turns > 0 && c < channels; c++) this.addPiece(c, this.local(begin), turns * interleave);
    for (let at = begin + turns * turn; at < end; ) {
      const block = Math.floor(at / interleave);
      const stop = Math.min(end, (block + 1) * interleave);
      this.addPiece(block % channels, this.local(at), stop - at);
      at = stop;
    }
  }

  /** A stretch of a channel's own addresses. */
  private addPiece(channel: number, start: number, bytes: number): void {
    const { burstBytes, burstsPerPage, banksPerPage, pagesPerTurn } = this.figures;
    const begin = Math.floor(start / burstBytes);
    const bursts = Math.ceil(bytes / burstBytes);
    this.bursts[channel] += bursts;
    const firstPage = Math.floor(begin / burstsPerPage);
    const lastPage = Math.floor((begin + bursts - 1) / burstsPerPage);
    const opened = lastPage - firstPage + (this.pageOf[channel] === firstPage ? 0 : 1);
    const touched = Math.min(bursts, banksPerPage);
    const set = (channel * pagesPerTurn + (lastPage % pagesPerTurn)) * banksPerPage;
    const perBank = Math.ceil(opened / pagesPerTurn);
    for (let k = 0; k < touched; k++) {
      const bank = (begin + k) % banksPerPage;
      this.byBank[channel * banksPerPage + bank] += bursts / touched;
      this.opensByBank[channel * banksPerPage + bank] += opened;
      this.visits[set + bank] += perBank;
    }
    this.pageOf[channel] = lastPage;
    if (opened === 0) return;
    this.activates[channel] += Math.min(bursts, opened * banksPerPage);
  }
}

function most(values: Float64Array, from: number, count: number): number {
  let best = 0;
  for (let i = from; i < from + count; i++) best = Math.max(best, values[i]);
  return best;
}
