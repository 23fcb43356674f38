/**
 * What one run of bytes, however long, asks of each channel. That depends on where in the turn of the channels it begins
 * and on its length, and tiles of one matrix come in few lengths: shares are kept and found again.
 */

/** Shares kept before all are forgotten: lengths that grow from step to step make new ones for ever. */
const MOST_SHARES = 8192;

export interface ChannelShares {
  /** Channels [first, first + count), around the end, that the run touches. */
  readonly first: number;
  readonly count: number;
  /** Bursts of each channel, 0 where it touches none; [channels]. */
  readonly bursts: Float64Array;
  /** Most and fewest bursts of the channels it touches. */
  readonly most: number;
  readonly least: number;
  /**
   * Neighbours that have the same number of bursts: segment s ends before the channel that is segmentEnds[s] behind the
   * first.
   */
  readonly segmentEnds: readonly number[];
  readonly segmentBursts: readonly number[];
  /** First and last burst of the run, within their channels, counted from the turn in which it begins. */
  readonly firstBurst: number;
  readonly lastBurst: number;
}

export class KnownShares {
  private readonly channels: number;
  private readonly blockBursts: number;
  /** By number of bursts, then by first burst in the turn; of runs in one channel by number of bursts and channel. */
  private readonly striped = new Map<number, Map<number, ChannelShares>>();
  private readonly inOne = new Map<number, Map<number, ChannelShares>>();
  private kept = 0;

  /** @param blockBursts bursts of a stripe before the next channel follows */
  constructor(channels: number, blockBursts: number) {
    this.channels = channels;
    this.blockBursts = blockBursts;
  }

  /** Shares of a striped run that begins at a burst of the first turn. */
  ofStriped(start: number, bursts: number): ChannelShares {
    const byStart = this.of(this.striped, bursts);
    return byStart.get(start) ?? this.keep(byStart, start, this.spread(start, bursts));
  }

  /** Shares of a run in a channel of its own; its bursts count from 0. */
  ofChannel(channel: number, bursts: number): ChannelShares {
    const byChannel = this.of(this.inOne, bursts);
    return (
      byChannel.get(channel) ??
      this.keep(byChannel, channel, this.shares(channel, [1], [bursts], 0, bursts - 1))
    );
  }

  private of(known: Map<number, Map<number, ChannelShares>>, bursts: number): Map<number, ChannelShares> {
    const found = known.get(bursts);
    if (found !== undefined) return found;
    const made = new Map<number, ChannelShares>();
    known.set(bursts, made);
    return made;
  }

  private keep(among: Map<number, ChannelShares>, key: number, shares: ChannelShares): ChannelShares {
    if (this.kept === MOST_SHARES) {
      this.striped.clear();
      this.inOne.clear();
      this.kept = 0;
    }
    this.kept++;
    among.set(key, shares);
    return shares;
  }

  /** The same for all channels but for the ends. */
  private spread(start: number, total: number): ChannelShares {
    const { channels, blockBursts } = this;
    const end = start + total;
    const firstBlock = Math.floor(start / blockBursts);
    const lastBlock = Math.floor((end - 1) / blockBursts);
    const blocks = lastBlock - firstBlock + 1;
    const rest = blocks % channels;
    const each = ((blocks - rest) / channels) * blockBursts;
    const count = Math.min(blocks, channels);
    const firstLess = start - firstBlock * blockBursts;
    const lastLess = (lastBlock + 1) * blockBursts - end;
    // The last block's channel ends those that have a block more.
    const last = (blocks - 1) % channels;
    const most = rest > 0 ? each + blockBursts : each;
    const [ends, bursts]: [number[], number[]] = [[], []];
    const segment = (upTo: number, each: number): void => {
      ends.push(upTo);
      bursts.push(each);
    };
    if (last > 0) segment(1, most - firstLess);
    if (last > 1) segment(last, most);
    segment(last + 1, most - lastLess - (last === 0 ? firstLess : 0));
    if (last + 1 < count) segment(count, each);
    const firstBurst = this.local(start);
    // Where the run goes round, its last channel has passed as much as the first.
    const lastBurst = Math.max(firstBurst, this.local(end - 1));
    return this.shares(firstBlock % channels, ends, bursts, firstBurst, lastBurst);
  }

  private shares(
    first: number,
    segmentEnds: readonly number[],
    segmentBursts: readonly number[],
    firstBurst: number,
    lastBurst: number,
  ): ChannelShares {
    const count = segmentEnds[segmentEnds.length - 1];
    const bursts = new Float64Array(this.channels);
    let from = 0;
    segmentEnds.forEach((end, s) => {
      for (; from < end; from++) bursts[(first + from) % this.channels] = segmentBursts[s];
    });
    const most = Math.max(...segmentBursts);
    const least = Math.min(...segmentBursts);
    return { first, count, bursts, most, least, segmentEnds, segmentBursts, firstBurst, lastBurst };
  }

  /** Number within its channel of a striped burst. */
  private local(burst: number): number {
    const block = Math.floor(burst / this.blockBursts);
    return Math.floor(block / this.channels) * this.blockBursts + (burst - block * this.blockBursts);
  }
}
