/**
 * Matrices in bands, taken apart: each band is a matrix of its own, with the columns, the codes and the scales of that
 * part. Whoever reads matrices reads bands through here, one after the other.
 */
import type { ConstantDecl } from './graph.js';
import { BANDED_LAYOUT, type Band, type QuantizedType } from './types.js';

/** A band as a matrix, and where it begins. */
export interface BandMatrix {
  /** First column. */
  readonly start: number;
  readonly cols: number;
  readonly type: QuantizedType;
}

/** The bands of a matrix from its first column on; of a type without bands, the type itself. */
export function bandMatrices(type: QuantizedType): readonly BandMatrix[] {
  const { bands, ...rest } = type;
  if (bands === undefined) return [{ start: 0, cols: Number(type.shape[1] ?? 0), type }];
  let end = 0;
  return bands.map(({ cols, element, scales, sparsity, layout }) => {
    const start = end;
    end += cols;
    const own = { ...rest, shape: [type.shape[0], cols], element, scales, layout };
    return { start, cols, type: sparsity === undefined ? own : { ...own, sparsity } };
  });
}

/** Name of a component of a band: that of a matrix, behind the number of the band. */
export function bandComponent(component: string, band: number): string {
  return `${band}.${component}`;
}

/**
 * A constant in bands as a constant for each of them, called `w[0]`, `w[1]`, ...; undefined for another constant.
 * Other constants of a model may have such names too.
 */
export function bandConstants(constant: ConstantDecl): readonly ConstantDecl[] | undefined {
  const { name, type, components } = constant;
  if (type.kind !== 'quantized' || type.bands === undefined) return undefined;
  return bandMatrices(type).map(({ type: own }, band) => ({
    name: `${name}[${band}]`,
    type: own,
    components: Object.fromEntries(
      Object.entries(components).flatMap(([key, section]) => {
        const prefix = bandComponent('', band);
        return key.startsWith(prefix) ? [[key.slice(prefix.length), section]] : [];
      }),
    ),
  }));
}

/** The type of matrices side by side, which differ in nothing but elements, sparsity, layout and columns. */
export function bandedType(matrices: readonly QuantizedType[]): QuantizedType {
  const [first] = matrices;
  const bands = matrices.map(({ shape, element, scales, sparsity, layout }): Band => {
    const own = { cols: Number(shape[1]), element, scales, layout };
    return sparsity === undefined ? own : { ...own, sparsity };
  });
  const widest = bands.reduce((best, band) => (band.element.bits > best.element.bits ? band : best));
  const cols = bands.reduce((sum, band) => sum + band.cols, 0);
  return {
    kind: 'quantized',
    shape: [first.shape[0], cols],
    element: widest.element,
    scales: widest.scales,
    layout: BANDED_LAYOUT,
    bands,
  };
}
