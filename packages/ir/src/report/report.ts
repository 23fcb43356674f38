/**
 * The report artefact: what a run on a card cost. Times in seconds, cycles as integers of the card's clock,
 * bytes and joules. All figures come from the simulated card.
 */

export interface StallCycles {
  /** Waiting for tokens of other units, or for writes of the unit itself that are still on their way. */
  readonly token: number;
  /** Waiting for memory channels that others use. */
  readonly memory: number;
  /** Waiting for a buffer port, or moving bytes through one that is narrower than the unit. */
  readonly bufferPort: number;
  /** Waiting for the dispatcher to decode. */
  readonly dispatch: number;
  /** Standing still until every unit has drained. */
  readonly barrier: number;
}

/** busy + all stalls + idle = total, for each unit. */
export interface UnitReport {
  readonly name: string;
  readonly core: number;
  readonly busy: number;
  readonly idle: number;
  readonly stall: StallCycles;
  readonly total: number;
}

export interface MemoryBytes {
  readonly weights: number;
  readonly kv: number;
  readonly activations: number;
  readonly instructions: number;
  readonly other: number;
  readonly total: number;
}

/**
 * `utilization` = bytes.total / (peakBytesPerSecond x seconds of the phase). Bytes of instructions are counted, but
 * fetching them takes no time of the memory: the dispatcher is taken to be ahead. They are some hundredths of a percent
 * of what a decode step of a large model moves.
 */
export interface MemoryReport {
  readonly name: string;
  readonly kind: string;
  readonly bytes: MemoryBytes;
  readonly peakBytesPerSecond: number;
  readonly utilization: number;
}

/** Joules. The whole is `matrix` + `vector` + `buffers` + `memories` + `static`. */
export interface EnergySplit {
  readonly matrix: number;
  readonly vector: number;
  readonly buffers: number;
  readonly memories: number;
  readonly static: number;
  /** `buffers` and `memories` by space: bytes of each through it; empty in reports of before. */
  readonly spaces: Readonly<Record<string, number>>;
}

/** Cost attributed to one layer or one op, in busy cycles by unit. */
export interface CostRow {
  readonly name: string;
  readonly layer: number;
  readonly cycles: Readonly<Record<string, number>>;
  readonly macs: number;
  readonly memoryBytes: number;
}

export interface PhaseReport {
  readonly name: 'prefill' | 'decode' | 'total';
  readonly seconds: number;
  readonly cycles: number;
  readonly tokens: number;
  readonly joules: number;
  readonly energy: EnergySplit;
  readonly macs: number;
  readonly instructions: number;
  readonly units: readonly UnitReport[];
  readonly memories: readonly MemoryReport[];
  readonly layers: readonly CostRow[];
  readonly ops: readonly CostRow[];
}

export interface InstructionBytes {
  readonly total: number;
  readonly unbucketed: number;
  readonly bucketed: number;
  readonly resolved: number;
}

export interface ReportTotals {
  readonly prefillSeconds: number;
  readonly decodeSeconds: number;
  /** Decode steps / decodeSeconds; 0 when there was none. */
  readonly decodeTokensPerSecond: number;
  readonly joules: number;
  /** Of the decode phase only. */
  readonly joulesPerToken: number;
  readonly instructionBytes: InstructionBytes;
}

export interface Report {
  readonly kind: 'report';
  readonly model: string;
  readonly device: string;
  readonly scheme: string;
  readonly clockHz: number;
  readonly prefillTokens: number;
  readonly decodeTokens: number;
  /** Whether the run moved real bytes (function) or only counted (time). */
  readonly mode: 'time' | 'both';
  readonly totals: ReportTotals;
  readonly phases: readonly PhaseReport[];
  readonly units: readonly UnitReport[];
  readonly memories: readonly MemoryReport[];
  readonly notes: readonly string[];
}
