/**
 * Runs an access pattern on a channel and says what came out, as `bitloom dram` and the benchmark print it.
 */
import { type DramStandard, dramBurstBytes } from '@bitloom/ir';
import { type AccessPattern, accessPattern, type DependentReads } from './access-patterns.js';
import { DRAM_QUEUE_ENTRIES, dramController } from './controller.js';
import { DramChannel, type DramResult, type DramSource } from './dram-channel.js';

export interface DramRunOptions {
  /** Entries of the read queue and of the write queue; default {@link DRAM_QUEUE_ENTRIES}. */
  readonly queue?: number;
  /** Most requests accepted and not completed; default: as many as the queues take. */
  readonly outstanding?: number;
  /** Default 262,144; patterns of dependent reads need and take at most 40. */
  readonly requests?: number;
  /** Told how many requests were accepted, of how many. */
  readonly progress?: (done: number, total: number) => void;
}

export interface DramPatternResult extends DramResult {
  readonly device: string;
  readonly pattern: string;
  readonly queue: string;
}

/** Requests of a run by default, and of one that times dependent reads. */
const REQUESTS = 262144;
const DEPENDENT_READS = 40;

/**
 * @param pattern name, as in {@link accessPattern}
 * @returns for patterns of dependent reads, `memoryCycles` is the most frequent latency of one of them and the rates are
 * those of one request in that time
 * @throws BitloomError `dram-pattern`
 */
export function runDramPattern(
  dram: DramStandard,
  pattern: string,
  options: DramRunOptions = {},
): DramPatternResult {
  const entries = options.queue ?? DRAM_QUEUE_ENTRIES;
  const channel = new DramChannel(dram, dramController(entries, options.outstanding));
  const made = accessPattern(pattern, dramBurstBytes(dram), channel.map);
  const queue =
    options.outstanding === undefined
      ? `${entries}r+${entries}w`
      : `at most ${options.outstanding} outstanding`;
  const head = { device: dram.name, pattern, queue };
  const requests = options.requests ?? REQUESTS;
  if (made.dependent !== undefined)
    return { ...head, ...runDependent(channel, made, made.dependent, requests) };
  const { progress } = options;
  const source = { requests, address: made.address, isWrite: made.isWrite };
  return { ...head, ...channel.run(source, progress && ((done) => progress(done, requests))) };
}

function runDependent(
  channel: DramChannel,
  pattern: AccessPattern,
  { restClocks, unmeasured, most }: DependentReads,
  requests: number,
): DramResult {
  const latencies: number[] = [];
  let readyAt = 0;
  let completed = 0;
  const source: DramSource = {
    requests: Math.min(most, unmeasured + Math.min(requests, DEPENDENT_READS)),
    address: pattern.address,
    isWrite: pattern.isWrite,
    offeredAt: (i) => (i === completed ? readyAt : Number.POSITIVE_INFINITY),
    completed: (i, clock, accepted) => {
      completed = i + 1;
      readyAt = clock + restClocks;
      if (i >= unmeasured) latencies.push(clock - accepted);
    },
  };
  const result = channel.run(source);
  const memoryCycles = mostFrequent(latencies);
  const bytesPerSecond = (dramBurstBytes(channel.dram) * 1e9) / (memoryCycles * channel.dram.clockNs);
  return {
    ...result,
    memoryCycles,
    bytesPerSecond,
    percentOfPeak: (100 * bytesPerSecond) / result.peakBytesPerSecond,
    meanReadLatencyCycles: latencies.reduce((sum, clocks) => sum + clocks, 0) / latencies.length,
  };
}

function mostFrequent(values: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const [[value]] = [...counts].sort((a, b) => b[1] - a[1]);
  return value;
}
