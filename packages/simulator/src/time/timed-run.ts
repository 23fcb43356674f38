/**
 * The timing reading: an event-driven walk of one entry on all of its cores. Of all instructions at the head of a
 * queue the one that can start first starts. No idle cycle is ever stepped.
 *
 * Why starts never go back in time: every candidate's start is at least the start of the event before it, and
 * what an event releases (a token, a queue entry, a channel) is released at or after its own start. So shared
 * channels and ports are served in the order of time. A dispatcher may hand instructions over ahead of the others'
 * events: when it does so depends on its own clock and on room in the queue alone.
 *
 * The k-th exchange of every core is one event: it starts when the last of them is ready.
 */
import { BitloomError, type Device, internalError, QUEUES } from '@bitloom/ir';
import {
  type CompiledEntry,
  type CoreStream,
  createEnvironment,
  type EntryStream,
  type Lengths,
} from '../compiled-stream.js';
import { CoreClock, type RunContext, type StartObserver } from './core-clock.js';
import type { Counters } from './counters.js';
import { MemoryChannels } from './memory-channels.js';
import { type PeriodPlan, PeriodWalk } from './period-walk.js';
import { PreparedStream, type StreamMemory } from './prepared-stream.js';
import { RunTotals } from './run-totals.js';
import { ShapeTable } from './shape-table.js';
import type { StreamPeriod } from './stream-period.js';
import type { TraceRecorder } from './trace-recorder.js';

export type { StartedInstruction, StartObserver } from './core-clock.js';

export interface RunOptions {
  readonly recorder?: TraceRecorder | undefined;
  /** Cycle at which the run begins in the trace. */
  readonly origin?: number;
  readonly observer?: StartObserver | undefined;
  /** Which repetitions of an entry's period stand for all; without, every one is executed. */
  readonly plan?: PeriodPlan | undefined;
  /** Given the cycles of each executed repetition of `plan`. */
  readonly onRepetitions?: (cycles: Float64Array) => void;
}

/** One card's timing state: its memory channels. Each run starts with everything idle. */
export class TimedCard {
  private readonly device: Device;
  private readonly channels: readonly MemoryChannels[];
  private readonly shapes: ShapeTable;
  private readonly prepared = new WeakMap<EntryStream, PreparedStream>();
  private readonly memories = new WeakMap<CoreStream, StreamMemory>();
  private readonly periods = new WeakMap<PreparedStream, StreamPeriod | undefined>();

  constructor(device: Device) {
    this.device = device;
    this.channels = device.memories.map((memory) => new MemoryChannels(memory, device.clockHz));
    this.shapes = new ShapeTable(device);
  }

  /**
   * Runs one entry from an idle card and adds what it cost to `counters`.
   * @returns cycles from the first dispatch to the last completion.
   * @throws BitloomError `simulator-deadlock` when an instruction waits for a token that nobody will release, or
   *   for a core that will not come to its exchange
   */
  run(entry: CompiledEntry, lengths: Lengths, counters: Counters, options: RunOptions = {}): number {
    for (const channels of this.channels) channels.reset();
    const streams = entry.cores.map(({ stream }) => this.prepare(stream));
    const origins = streams.reduce((most, stream) => Math.max(most, stream.origins), 0);
    const context: RunContext = {
      device: this.device,
      channels: this.channels,
      totals: new RunTotals(this.device, origins),
      recorder: options.recorder,
      origin: options.origin ?? 0,
      observer: options.observer,
    };
    const { plan } = options;
    const walks = streams.map((stream) => {
      const period = plan === undefined ? undefined : this.periodOf(stream);
      return plan === undefined || period === undefined ? undefined : new PeriodWalk(period, plan);
    });
    const clocks = entry.cores.map((one, i) => {
      const environment = createEnvironment(lengths, one.core);
      const memory = this.memoryOf(one, streams[i]);
      return new CoreClock(context, one.core, streams[i], memory, environment, walks[i]);
    });
    try {
      runToEnd(clocks, entry.name);
    } catch (error) {
      context.totals.forget();
      throw error;
    }
    const end = clocks.reduce((latest, clock) => Math.max(latest, clock.end), 0);
    this.count(clocks, end, counters);
    const [walk] = walks;
    if (plan !== undefined && walk !== undefined) {
      for (const stream of new Set(streams)) {
        const period = this.periodOf(stream);
        if (period !== undefined)
          for (const group of stream.originGroups(period)) context.totals.spread(group);
      }
      options.onRepetitions?.(walk.cycles);
    }
    context.totals.addTo(counters);
    const skipped = walk?.skipped ?? 0;
    counters.cycles += skipped;
    return end + skipped;
  }

  /**
   * Which pieces of its expressions an entry is in: where this is the same for two lengths, every loop that depends on
   * lengths alone has the same trips, and everything else grows linearly from one to the other.
   */
  piece(entry: CompiledEntry, lengths: Lengths): string {
    return entry.cores
      .map(({ core, stream }) =>
        this.prepare(stream).valuesIn(createEnvironment(lengths, core)).pieces().join(),
      )
      .join(' ');
  }

  /** How often the period of an entry repeats, 0 when it has none that all of its cores share. */
  repetitions(entry: CompiledEntry): number {
    const counts = entry.cores.map(({ stream }) => this.periodOf(this.prepare(stream))?.count ?? 0);
    return counts.every((count) => count === counts[0]) ? (counts[0] ?? 0) : 0;
  }

  private periodOf(stream: PreparedStream): StreamPeriod | undefined {
    if (!this.periods.has(stream)) this.periods.set(stream, stream.findPeriod());
    return this.periods.get(stream);
  }

  private prepare(stream: EntryStream): PreparedStream {
    const known = this.prepared.get(stream);
    if (known !== undefined) return known;
    const prepared = new PreparedStream(stream, this.device, this.shapes);
    this.prepared.set(stream, prepared);
    return prepared;
  }

  private memoryOf(one: CoreStream, stream: PreparedStream): StreamMemory {
    const known = this.memories.get(one);
    if (known !== undefined) return known;
    const memory = stream.newMemory();
    this.memories.set(one, memory);
    return memory;
  }

  private count(clocks: readonly CoreClock[], end: number, counters: Counters): void {
    for (const clock of clocks) clock.finish(end);
    counters.units.forEach((unit, at) => {
      const [core, q] = [Math.floor(at / QUEUES.length), at % QUEUES.length];
      const cycles = clocks.find((clock) => clock.core === core)?.cycles;
      if (cycles === undefined) {
        // A core without a stream stands still all the time.
        unit.idle += end;
        return;
      }
      unit.busy += cycles.busy[q];
      unit.token += cycles.token[q];
      unit.memory += cycles.memory[q];
      unit.bufferPort += cycles.bufferPort[q];
      unit.dispatch += cycles.dispatch[q];
      unit.barrier += cycles.barrier[q];
      unit.idle += cycles.idle[q];
    });
    const first = this.device.memories[0]?.space;
    const fetched = first === undefined ? undefined : counters.memories.get(first);
    for (const { dispatcher } of clocks) {
      counters.instructions += dispatcher.instructions;
      if (fetched !== undefined) fetched.instructions += dispatcher.fetchedBytes;
    }
    counters.cycles += end;
  }
}

/** Starts whatever can start first until everything is over; of cores that could at the same cycle the first one. */
function runToEnd(clocks: readonly CoreClock[], entryName: string): void {
  for (;;) {
    let at = 0;
    let exchangeAt = 0;
    for (let c = 0; c < clocks.length; c++) {
      if (clocks[c].earliest < clocks[at].earliest) at = c;
      if (clocks[c].exchangeAt > exchangeAt) exchangeAt = clocks[c].exchangeAt;
    }
    // When another core's turn comes, and whether it goes before this one at that very cycle.
    let until = Number.POSITIVE_INFINITY;
    let isBefore = false;
    for (let c = 0; c < clocks.length; c++) {
      if (c === at || clocks[c].earliest >= until) continue;
      isBefore = c < at;
      until = clocks[c].earliest;
    }
    const first = clocks[at];
    if (first === undefined) throw internalError('an entry without a stream');
    if (first.earliest <= exchangeAt && first.earliest < Number.POSITIVE_INFINITY) {
      goOn(first, until, isBefore, exchangeAt);
    } else if (exchangeAt < Number.POSITIVE_INFINITY) {
      exchange(clocks, exchangeAt);
    } else if (clocks.every((clock) => clock.isDone)) {
      return;
    } else {
      throw deadlock(clocks, entryName);
    }
  }
}

/** Starts what a core can start before another's turn comes or an exchange can start; what it does moves neither. */
function goOn(clock: CoreClock, until: number, isBefore: boolean, exchangeAt: number): void {
  const ownExchange = clock.exchangeAt;
  do {
    if (clock.confirm()) clock.executeEarliest();
  } while (
    (isBefore ? clock.earliest < until : clock.earliest <= until) &&
    clock.earliest <= exchangeAt &&
    clock.earliest < Number.POSITIVE_INFINITY &&
    clock.exchangeAt === ownExchange
  );
}

/** Starts the exchange on all cores at once, if ports do not put it off beyond `at`. */
function exchange(clocks: readonly CoreClock[], at: number): void {
  let last = clocks[0];
  for (const clock of clocks) if (clock.confirmExchange() > last.exchangeAt) last = clock;
  if (last.exchangeAt > at) return;
  const blocker = last.exchangeBlocker();
  const doneAt = clocks.reduce((latest, { exchangeLatency }) => Math.max(latest, at + exchangeLatency), 0);
  for (const clock of clocks) clock.executeExchange(at, doneAt, blocker);
}

function deadlock(clocks: readonly CoreClock[], entryName: string): BitloomError {
  return new BitloomError({
    code: 'simulator-deadlock',
    message: 'no instruction can start: tokens, or other cores, are awaited that never come',
    where: `entry '${entryName}'`,
    expected: 'a program that passes verification',
    got: clocks.flatMap((clock) => clock.waiting()).join('; '),
  });
}
