/**
 * What a transfer asks of each channel: bursts, activates, and how much of both falls to the same bank group or banks.
 * Exact for one run however long, in time that does not grow with it. Of many runs the first 256 (whole inner loops,
 * where there are two) stand for all: conflicts that begin later, such as a stride that comes round to the same banks
 * only then, are not seen.
 */
import { type MemoryDecl, STRIPED } from '@bitloom/ir';
import type { TransferRuns } from '../time/memory-channels.js';
import type { ChannelFigures } from './channel-figures.js';
import { type ChannelShares, KnownShares } from './channel-shares.js';

/** Runs that are looked at one by one; of more, the first of them, so many, stand for all. */
const SAMPLED_RUNS = 256;

export class TransferLoad {
  /** Channels [first, first + count), around the end, that the transfer touches. */
  first = 0;
  count = 0;
  /** What one run asks of each channel; of many runs it says nothing. */
  shares: ChannelShares;
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
  private readonly known: KnownShares;
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
    this.known = new KnownShares(channels, this.blockBursts);
    this.shares = this.known.ofChannel(0, 1);
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
    const { bursts } = this.isScattered ? this : this.shares;
    // Of a transfer of nothing the arrays hold what was before.
    for (let c = 0; c < into.length; c++)
      into[c] = this.count === 0 ? 0 : bursts[c] * this.figures.burstBytes;
  }

  private takeOne(runs: TransferRuns): void {
    const { burstBytes, burstsPerPage } = this.figures;
    const begin = Math.floor(runs.start / burstBytes);
    const bursts = Math.ceil((runs.start + runs.length) / burstBytes) - begin;
    const turnBursts = this.channels * this.blockBursts;
    const turn = Math.floor(begin / turnBursts);
    const shares =
      runs.channel === STRIPED
        ? this.known.ofStriped(begin - turn * turnBursts, bursts)
        : this.known.ofChannel(runs.channel, bursts);
    const from = runs.channel === STRIPED ? turn * this.blockBursts : begin;
    this.shares = shares;
    this.first = shares.first;
    this.count = shares.count;
    this.firstBurst = from + shares.firstBurst;
    this.lastBurst = from + shares.lastBurst;
    this.openedFrom = this.firstBurst;
    this.pages = Math.floor(this.lastBurst / burstsPerPage) - Math.floor(this.firstBurst / burstsPerPage) + 1;
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
