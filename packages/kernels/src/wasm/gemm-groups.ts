/**
 * `gemmGroups` on the emitted products: which one runs, in what pieces of K and M, and where scratch memory lies.
 * One token goes through the row product, several through the panel product. K is cut over whole groups, which
 * does not change the bits (the accumulator continues in `out`).
 */
import type { WasmFunction } from '@bitloom/wasm';
import { FLAG_CONTINUE, FLAG_FINISH, type Kernels, MAX_GROUP_LENGTH } from '../kernels.js';
import { checkGroups } from '../reference/gemm.js';
import { PANEL_RAGGED_BYTES, PANEL_TOKENS } from './gemm-panel.js';
import { pieceColumns, preparedRowBytes, ROW_RAGGED_BYTES, rowProductName, rowStart } from './gemm-row.js';
import { type Container, S8, U4 } from './rows16.js';

/** Columns prepared at once for one token, unless one group is longer. */
const ROW_COLUMNS = 16384;
/** Columns of a panel, unless one group is longer: half a panel, 16 KiB, shares the first-level cache with x. */
const PANEL_COLUMNS = 1024;
/** Longest group that a panel holds; longer ones go token by token. */
const PANEL_GROUP = 8192;
/** Bytes of prepared activations of a panel product; bounds its tokens when groups are long. */
const PANEL_X_BYTES = PANEL_TOKENS * PANEL_COLUMNS * 2;

/** Where each part of the scratch memory starts. The row and the panel product never run at the same time. */
const ROW = { ragged: 0, prepared: ROW_RAGGED_BYTES } as const;
const PANEL = {
  ragged: 0,
  scales: PANEL_RAGGED_BYTES,
  // Groups of 8 columns give the most scales.
  x: PANEL_RAGGED_BYTES + (PANEL_COLUMNS / 8) * 64,
  panel: PANEL_RAGGED_BYTES + (PANEL_COLUMNS / 8) * 64 + PANEL_X_BYTES + 64,
} as const;

/** Bytes of scratch memory that one thread needs. */
export const SCRATCH_BYTES = Math.max(
  ROW.prepared +
    Math.max(preparedRowBytes(ROW_COLUMNS, ROW_COLUMNS / 8), preparedRowBytes(MAX_GROUP_LENGTH, 1)),
  PANEL.panel + PANEL_GROUP * 32 + 256,
);

/** Exported functions by name, from the main module or, second, from the one for long groups. */
export interface GemmExports {
  readonly main: (name: string) => WasmFunction;
  readonly long: (name: string) => WasmFunction;
}

interface Products {
  readonly container: Container;
  readonly prepareRow: WasmFunction;
  readonly row: WasmFunction;
  readonly rowLong: () => WasmFunction;
  readonly preparePanel: WasmFunction;
  readonly panel: WasmFunction;
}

/** The kernel, over exported products and {@link SCRATCH_BYTES} bytes of memory at `scratch`. */
export function gemmGroupsKernel({ main, long }: GemmExports, scratch: number): Kernels['gemmGroups'] {
  const products = (container: Container): Products => {
    let loaded: WasmFunction | undefined;
    return {
      container,
      prepareRow: main(`prepareRow${container.name}`),
      row: main(rowProductName(container, false)),
      rowLong() {
        loaded ??= long(rowProductName(container, true));
        return loaded;
      },
      preparePanel: main(`preparePanel${container.name}`),
      panel: main(`gemmPanel${container.name}`),
    };
  };
  const u4 = products(U4);
  const s8 = products(S8);

  return (bits, group, M, N, K, x, xR, xScale, xScaleR, w, out, outR, flags) => {
    checkGroups(bits, group, K);
    const { container, prepareRow, row, rowLong, preparePanel, panel } = bits === 4 ? u4 : s8;
    const { stepColumns, stepPairs } = container;
    const length = Math.min(group, K);
    const groups = Math.ceil(K / group);
    const groupSteps = Math.ceil(length / stepColumns);
    const groupBytes = groupSteps * 64 + 32;
    const lastSteps = Math.ceil((K - (groups - 1) * group) / stepColumns);
    const blockStride = (groups - 1) * groupBytes + lastSteps * 64 + 32;
    const usePanel = M > 1 && length <= PANEL_GROUP;
    const chunkColumns = usePanel ? PANEL_COLUMNS : ROW_COLUMNS;
    const chunkGroups = Math.max(1, Math.floor(chunkColumns / group));

    // K = 0 still starts and finishes the outputs, so one chunk always runs.
    for (let g = 0; g === 0 || g < groups; g += chunkGroups) {
      const count = Math.min(chunkGroups, groups - g);
      const last = g + count >= groups;
      const start = g * group;
      const columns = Math.min(K, (g + count) * group) - start;
      const weights = w + g * groupBytes;
      const steps = last ? lastSteps : groupSteps;
      const chunkFlags = (g === 0 ? flags & FLAG_CONTINUE : FLAG_CONTINUE) | (last ? flags & FLAG_FINISH : 0);
      if (usePanel) {
        const pairs = (count - 1) * groupSteps * stepPairs + steps * stepPairs;
        const halfBytes = pairs * 32;
        const tileBytes = Math.ceil(columns / 8) * 64;
        const most = Math.max(4, Math.min(PANEL_TOKENS, Math.floor(PANEL_X_BYTES / tileBytes) * 4));
        for (let m = 0; m < M; m += most) {
          const tokens = Math.min(most, M - m);
          preparePanel(x + m * xR + start, xR, tokens, columns, scratch + PANEL.x, tileBytes);
          panel(
            weights,
            blockStride,
            count,
            groupSteps,
            steps,
            scratch + PANEL.x,
            tileBytes,
            tokens,
            N,
            out + m * outR,
            outR,
            xScale + m * xScaleR,
            xScaleR,
            chunkFlags,
            scratch + PANEL.panel,
            halfBytes,
            scratch + PANEL.scales,
            scratch + PANEL.ragged,
          );
        }
      } else {
        const pieces = length > pieceColumns(container);
        const run = pieces ? rowLong() : row;
        for (let m = 0; m < M; m += 1) {
          prepareRow(x + m * xR + start, columns, group, scratch + ROW.prepared, rowStart(pieces));
          const target = out + m * outR;
          const scale = xScale + m * xScaleR;
          run(
            weights,
            blockStride,
            count,
            groupSteps,
            steps,
            scratch + ROW.prepared,
            N,
            target,
            scale,
            chunkFlags,
            scratch + ROW.ragged,
          );
        }
      }
    }
  };
}
