/** Appends to the caches: the rows of each sequence behind those it has, as they are or as codes with a scale per head. */
import type { Kernels } from '@bitloom/kernels';
import type { Step, StepSite } from './operations.js';
import type { StateLayout } from './states.js';

/** Writes `rows` rows at `src` to the cache at `dst`, and their scales at `scales` where it has some. */
type Append = (rows: number, src: number, srcRow: number, dst: number, scales: number) => void;

/** By width of what a cache holds. */
const APPENDS: Readonly<Record<StateLayout['bits'], (kernels: Kernels, state: StateLayout) => Append>> = {
  32:
    ({ copy }, { heads, headDim, headBytes, rowBytes }) =>
    (rows, src, srcRow, dst) =>
      copy(heads, rows, headDim, src, headDim * 4, srcRow, dst, headBytes, rowBytes),
  8: ({ quantizeRows }, { heads, headDim, headBytes, rowBytes, scalesHeadBytes: scalesHead }) => {
    const width = headDim * 4;
    return (rows, src, srcRow, dst, scales) =>
      quantizeRows(
        heads,
        rows,
        headDim,
        src,
        width,
        srcRow,
        dst,
        headBytes,
        rowBytes,
        0,
        scales,
        scalesHead,
        4,
      );
  },
  4: ({ quantizeRowsInt4 }, { heads, headDim, headBytes, rowBytes, scalesHeadBytes: scalesHead }) => {
    const width = headDim * 4;
    return (rows, src, srcRow, dst, scales) =>
      quantizeRowsInt4(
        heads,
        rows,
        headDim,
        src,
        width,
        srcRow,
        dst,
        headBytes,
        rowBytes,
        scales,
        scalesHead,
        4,
      );
  },
};

export function appendStep(site: StepSite): Step {
  const { segments, sequences } = site.frame;
  const x = site.tokenRows(1);
  const state = site.state(0);
  const { shard, offset, rowBytes, scalesOffset } = state;
  const append = APPENDS[state.bits](site.kernels, state);
  return () => {
    for (let s = 0; s < sequences.rows; s += 1) {
      const { first, rows, past, caches } = segments[s];
      const cache = caches[shard];
      append(
        rows,
        x.pointer + first * x.rowBytes,
        x.rowBytes,
        cache + offset + past * rowBytes,
        cache + scalesOffset + past * 4,
      );
    }
  };
}
