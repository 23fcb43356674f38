/**
 * What a transfer asks of each channel: bursts, activates, and how much of both falls to the same bank group or banks.
 * Exact for one run however long, in time that does not grow with it. Of many runs the first 256 (whole inner loops,
 * where there are two) stand for all: conflicts that begin later, such as a stride that comes round to the same banks
 * only then, are not seen.
 */
import { type MemoryDecl, STRIPED } from '@bitloom/ir';
import type { TransferRuns } from '../time/memory-channels.js';
import type { ChannelFigures } from './channel-figures.js';

/** Runs that are looked at one by one; of more, the first of them, so many, stand for all. */
const SAMPLED_RUNS = 256;

/** First channel, those up to the last block, the one that holds it, and those with a block less. */
const MOST_SEGMENTS = 4;

export class TransferLoad {
  /** Channels [first, first + count), around the end, that the transfer touches. */
  first = 0;
  count = 0;
  /**
   * Bursts of each channel of one run, by segments of neighbours that have the same: segment s ends before the channel
   * that is segmentEnds[s] behind the first.
   */
  segments = 0;
  readonly segmentEnds = new Int32Array(MOST_SEGMENTS);
  readonly segmentBursts = new Float64Array(MOST_SEGMENTS);
  /** Of many runs: bursts of each channel. */
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

  /** Takes a transfer; the fields then describe it. Of more than {@link SAMPLED_RUNS} runs the first stand for all. */
  take(runs: TransferRuns): void {
    const total = runs.count1 * runs.count2;
    this.isScattered = total > 1;
    this.count = 0;
    if (total <= 0 || runs.length <= 0) return;
    if (total === 1) this.takeOne(runs);
    else this.takeMany(runs, total);
  }

  /** Bytes of whole bursts of each channel; [channels], all written. */
  channelBytes(into: Float64Array): void {
    const { channels, first, count, isScattered } = this;
    const { burstBytes } = this.figures;
    into.fill(0);
    let segment = 0;
    for (let k = 0; k < count; k++) {
      const c = first + k < channels ? first + k : first + k - channels;
      if (!isScattered && k >= this.segmentEnds[segment]) segment++;
      into[c] = burstBytes * (isScattered ? this.bursts[c] : this.segmentBursts[segment]);
    }
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
      this.segments = 0;
      this.segment(1, end - begin);
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
    const firstLess = Math.floor((start - firstBlock * interleave) / burstBytes);
    const lastLess = Math.floor(((lastBlock + 1) * interleave - end) / burstBytes);
    // The last block's channel ends those that have a block more.
    const last = (blocks - 1) % channels;
    const most = rest > 0 ? each + blockBursts : each;
    this.segments = 0;
    if (last > 0) this.segment(1, most - firstLess);
    if (last > 1) this.segment(last, most);
    this.segment(last + 1, most - lastLess - (last === 0 ? firstLess : 0));
    if (last + 1 < this.count) this.segment(this.count, each);
    this.firstBurst = Math.floor(this.local(start) / burstBytes);
    // Where the range goes round, its last channel has passed as much as the first.
    this.lastBurst = Math.max(this.firstBurst, Math.floor(this.local(end - 1) / burstBytes));
  }

  private segment(end: number, bursts: number): void {
    this.segmentEnds[this.segments] = end;
    this.segmentBursts[this.segments] = bursts;
    this.segments++;
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
    this.groupBursts.fill(0);
    this.groupActivates.fill(0);
    this.bankActivates.fill(0);
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
    const { burstBytes } = this.figures;
    const scale = total / (inner * outer);
    for (let k = 0; k < this.count; k++) {
      const c = this.first + k;
      this.bursts[c] *= scale;
      this.activates[c] *= scale;
      this.groupBursts[c] *= scale;
      this.groupActivates[c] *= scale;
      this.bankActivates[c] *= scale;
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
    const begin = Math.floor(start / burstBytes);
    const end = Math.ceil((start + length) / burstBytes);
    if (channel !== STRIPED) {
      this.addPiece(channel, begin, end - begin);
      return;
    }
    const { blockBursts, channels } = this;
    let block = Math.floor(begin / blockBursts);
    let within = begin - block * blockBursts;
    // Of a range that goes round, whole turns first.
    const turns = Math.floor((end - begin) / (blockBursts * channels));
    for (let c = 0; turns > 0 && c < channels; c++)
      this.addPiece(c, Math.floor(block / channels) * blockBursts + within, turns * blockBursts);
    let rest = end - begin - turns * blockBursts * channels;
    block += turns * channels;
    while (rest > 0) {
      const row = Math.floor(block / channels);
      const bursts = Math.min(rest, blockBursts - within);
      this.addPiece(block - row * channels, row * blockBursts + within, bursts);
      rest -= bursts;
      block++;
      within = 0;
    }
  }

  /** Bursts from one on, in a channel's own addresses. */
  private addPiece(channel: number, begin: number, bursts: number): void {
    const { burstsPerPage, banksPerPage, pagesPerTurn } = this.figures;
    this.bursts[channel] += bursts;
    const firstPage = Math.floor(begin / burstsPerPage);
    const lastPage = Math.floor((begin + bursts - 1) / burstsPerPage);
    const opened = lastPage - firstPage + (this.pageOf[channel] === firstPage ? 0 : 1);
    const touched = Math.min(bursts, banksPerPage);
    const page = lastPage - Math.floor(lastPage / pagesPerTurn) * pagesPerTurn;
    const set = (channel * pagesPerTurn + page) * banksPerPage;
    const each = bursts / touched;
    let bank = begin - Math.floor(begin / banksPerPage) * banksPerPage;
    for (let k = 0; k < touched; k++) {
      const at = channel * banksPerPage + bank;
      const bankBursts = this.byBank[at] + each;
      this.byBank[at] = bankBursts;
      if (bankBursts > this.groupBursts[channel]) this.groupBursts[channel] = bankBursts;
      if (opened > 0) this.open(channel, at, set + bank, opened);
      bank = bank + 1 === banksPerPage ? 0 : bank + 1;
    }
    this.pageOf[channel] = lastPage;
    if (opened > 0) this.activates[channel] += Math.min(bursts, opened * banksPerPage);
  }

  /** Pages that a bank opens, at its place among those of a page and among all. */
  private open(channel: number, at: number, bank: number, pages: number): void {
    const opens = this.opensByBank[at] + pages;
    this.opensByBank[at] = opens;
    if (opens > this.groupActivates[channel]) this.groupActivates[channel] = opens;
    const visits = this.visits[bank] + Math.ceil(pages / this.figures.pagesPerTurn);
    this.visits[bank] = visits;
    if (visits > this.bankActivates[channel]) this.bankActivates[channel] = visits;
  }
}
