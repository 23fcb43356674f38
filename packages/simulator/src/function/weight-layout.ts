/**
 * Names of the layouts in which weights lie in the memory image: `rows16.u4.g128.t64x8`, and for sparse matrices
 * `sparse16.u4.g128.k8.t64x8`; `.c1376` behind either. Tiles of `t` rows x whole groups of columns lie one behind the
 * other, the parts of a row tile first. With `c` the rows are first cut into slices of that many rows, one per core,
 * each tiled for itself. `u3` is the container of a code, 3 bits without a sign; `s8` that of signed bytes.
 */
import { ROWS16_CONTAINERS, type Rows16ContainerBits, type Sparse16ContainerBits } from '@bitloom/formats';

export type WeightLayout = WeightTiling &
  (
    | { readonly kind: 'rows16'; readonly containerBits: Rows16ContainerBits }
    | { readonly kind: 'sparse16'; readonly containerBits: Sparse16ContainerBits }
  );

/** What does not depend on the container. */
export interface WeightTiling {
  readonly groupSize: number;
  /** Values kept of each 16 columns; 0 in a dense layout. */
  readonly keep: number;
  /** Rows and groups of a tile; 0: all of them. */
  readonly tileRows: number;
  readonly tileGroups: number;
  /** Rows of a slice; 0: all of them. */
  readonly sliceRows: number;
}

const PATTERN =
  /^(rows16|sparse16)\.(u[2-6]|s8)\.g([1-9][0-9]*)(?:\.k([0-9]+))?(?:\.t([1-9][0-9]*)x([1-9][0-9]*))?(?:\.c([1-9][0-9]*))?$/;

/** Columns of a banded layout: so many groups in a layout of their own. */
export interface LayoutBand {
  readonly groups: number;
  readonly layout: WeightLayout;
}

const BANDED =
  /^banded((?:\.(?:u[2-6]|s8)(?:k[1-9][0-9]*)?x[1-9][0-9]*t[1-9][0-9]*)+)\.g([1-9][0-9]*)\.t([1-9][0-9]*)(?:\.c([1-9][0-9]*))?$/;
const BAND = /^(u[2-6]|s8)(?:k([0-9]+))?x([0-9]+)t([0-9]+)$/;

/**
 * The bands of a layout called `banded.u4x16t8.s8k4x2t2.g128.t64.c1376`: containers, what is kept, groups, groups of a
 * tile. Rows are cut for all bands alike. Undefined for another name.
 */
export function parseBandedLayout(name: string): readonly LayoutBand[] | undefined {
  const match = BANDED.exec(name);
  if (match === null) return undefined;
  const [, list, group, tileRows, slice] = match;
  const bands = list
    .slice(1)
    .split('.')
    .map((text): LayoutBand | undefined => {
      const [, container, keep, groups, tileGroups] = BAND.exec(text) ?? [];
      const kind = keep === undefined ? 'rows16' : 'sparse16';
      const kept = keep === undefined ? '' : `.k${keep}`;
      const cut = slice === undefined ? '' : `.c${slice}`;
      const layout = parseWeightLayout(
        `${kind}.${container}.g${group}${kept}.t${tileRows}x${tileGroups}${cut}`,
      );
      return layout === undefined ? undefined : { groups: Number(groups), layout };
    });
  return bands.every((band) => band !== undefined) ? bands : undefined;
}

/** What a layout's name says, or undefined for another name. */
export function parseWeightLayout(name: string): WeightLayout | undefined {
  const match = PATTERN.exec(name);
  if (match === null) return undefined;
  const [, kind, container, group, keep, rows, groups, slice] = match;
  const containerBits = ROWS16_CONTAINERS.find((entry) => entry.name === container)?.bits;
  const isSparse = kind === 'sparse16';
  // A sparse layout says what it keeps, a dense one has nothing to say.
  if (isSparse !== (keep !== undefined) || containerBits === undefined) return undefined;
  const tiling = {
    groupSize: Number(group),
    keep: Number(keep ?? 0),
    tileRows: Number(rows ?? 0),
    tileGroups: Number(groups ?? 0),
    sliceRows: Number(slice ?? 0),
  };
  if (!isSparse) return { kind: 'rows16', containerBits, ...tiling };
  if (containerBits === 5 || containerBits === 6) return undefined;
  return { kind: 'sparse16', containerBits, ...tiling };
}

/** Rows [rowStart, rowEnd) and groups [groupStart, groupEnd) of a matrix. */
export interface MatrixPart {
  readonly rowStart: number;
  readonly rowEnd: number;
  readonly groupStart: number;
  readonly groupEnd: number;
}

/** The tiles of a matrix in the order in which they lie in memory. */
export function* weightTiles(tiling: WeightTiling, rows: number, groups: number): Generator<MatrixPart> {
  yield* bandedTiles([{ ...tiling, groups }], rows);
}

/** A tile of a band; its groups count from the band's first one. */
export interface BandPart extends MatrixPart {
  readonly band: number;
}

/** The tiles of a matrix in bands, which cut its rows alike: those of a row tile band by band. */
export function* bandedTiles(
  bands: readonly (WeightTiling & { readonly groups: number })[],
  rows: number,
): Generator<BandPart> {
  const [{ sliceRows, tileRows }] = bands;
  const step = { slice: sliceRows || rows, row: tileRows || rows };
  for (let slice = 0; slice < rows; slice += step.slice) {
    const sliceEnd = Math.min(rows, slice + step.slice);
    for (let rowStart = slice; rowStart < sliceEnd; rowStart += step.row) {
      const rowEnd = Math.min(sliceEnd, rowStart + step.row);
      for (const [band, { groups, tileGroups }] of bands.entries()) {
        const stepGroups = tileGroups || groups;
        for (let groupStart = 0; groupStart < groups; groupStart += stepGroups) {
          yield { band, rowStart, rowEnd, groupStart, groupEnd: Math.min(groups, groupStart + stepGroups) };
        }
      }
    }
  }
}
