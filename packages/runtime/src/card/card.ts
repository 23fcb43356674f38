/** What the runtime needs of a card: to run an entry of the program that was loaded onto it. */

/** Lengths of one call: `seq` new tokens after `past` cached ones. */
export interface CallLengths {
  readonly seq: number;
  readonly past: number;
}

/** A card with a program on it, real or simulated. */
export interface Card {
  /** Runs an entry; inputs and outputs by port name. The outputs may be overwritten by the next call. */
  run(
    entry: string,
    lengths: CallLengths,
    inputs: Readonly<Record<string, Int32Array>>,
  ): Readonly<Record<string, Float32Array>>;
  close(): void;
}
