/** Types of what `test/bench.test.ts` and `test/mapping-cost.test.ts` take from this folder, whose files run as they stand, without a build. */

/** A line of a benchmark. */
interface BenchmarkRow {
  readonly name: string;
  readonly ours: number;
  readonly unit: string;
  readonly peer: number | null;
  readonly peerName: string | null;
  readonly ratio: number | null;
  readonly limit: number | null;
  readonly limitShare: number | null;
  readonly load: number;
}

declare module '*/lib/data.mjs' {
  export function requireClose(
    what: string,
    got: ArrayLike<number>,
    expected: ArrayLike<number>,
    tolerance?: number,
  ): void;
}

declare module '*/lib/rows.mjs' {
  interface Figure {
    readonly best: number;
    readonly median: number;
    readonly samples?: number;
    readonly name?: string;
  }
  export function row(
    parts: { name: string; unit: string; ours: Figure; peer?: Figure; limit?: Figure },
    load?: number,
  ): BenchmarkRow;
}

declare module '*/lib/run.mjs' {
  export const ONLY: string;
  export function runBenchmark(
    benchmark: {
      readonly seconds: number;
      cases(context: unknown): Promise<readonly object[]>;
      summary?(rows: readonly BenchmarkRow[]): readonly BenchmarkRow[];
    },
    context: { log(text: string): void; seconds?: number },
  ): Promise<BenchmarkRow[]>;
}

declare module '*/lib/sample.mjs' {
  interface Contender {
    readonly work: number;
    readonly isWarm?: boolean;
    sample(): number | number[] | Promise<number | number[]>;
    readonly restMs?: number;
  }
  type Clock = () => number;
  export function median(values: readonly number[]): number;
  export function figures(
    seconds: readonly number[],
    unit: { work: number; unit: string; scale?: number },
  ): { best: number; median: number; samples: number };
  export function callable(
    run: () => number | Promise<number>,
    work: number,
    options?: { clock?: Clock; sampleMs?: number },
  ): Contender & { checksum(): number };
  export function interleave(
    contenders: Record<string, Contender>,
    options: {
      seconds: number;
      rounds?: number;
      pauseMs?: number;
      perTurn?: number;
      clock?: Clock;
      sleep?(ms: number): Promise<void>;
    },
  ): Promise<Record<string, number[]>>;
}

declare module '*/lib/page.mjs' {
  export function page(run: {
    name: string;
    command: string;
    date: string;
    machine: string;
    rows: readonly BenchmarkRow[];
  }): string;
}

declare module '*/lib/table.mjs' {
  export function table(rows: readonly BenchmarkRow[]): string;
}

declare module '*/lib/vocabulary.mjs' {
  export function randomVocabulary(size: number): {
    readonly pieces: readonly string[];
    readonly scores: readonly number[];
    readonly types: readonly number[];
  };
}

declare module '*/lib/mapping-cost.mjs' {
  type Device = import('@bitloom/ir').Device;
  type QuantizedType = import('@bitloom/ir').QuantizedType;
  type MatrixShape = import('@bitloom/compiler').MatrixShape;
  type WeightTile = import('@bitloom/compiler').WeightTile;
  interface TileSearch {
    readonly matrix: MatrixShape;
    readonly slotBytes: number;
    readonly bytesPerCycle: number;
  }
  export function withoutBarriers(device: Device): Device;
  export function searchOf(type: QuantizedType, device: Device, entry: string): TileSearch;
  export function someTiles(search: TileSearch, device: Device): WeightTile[];
  export function analyticCycles(
    search: TileSearch,
    tile: WeightTile,
    tokens: number,
    chunk: number,
    device: Device,
  ): number;
  export function simulatedCycles(
    type: QuantizedType,
    tile: WeightTile,
    tokens: number,
    device: Device,
  ): { readonly cycles: number; readonly chunk: number; readonly isSame: boolean };
  export function pearson(a: readonly number[], b: readonly number[]): number;
  export function spearman(a: readonly number[], b: readonly number[]): number;
}
