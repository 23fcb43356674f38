/**
 * Functions of the vector (special-function) unit, as a table. Each names the kernel that defines it, the
 * operands it reads and how many passes it makes over its elements. A new function is one entry.
 */

export interface VectorFunction {
  readonly name: string;
  readonly code: number;
  /** Name in `kernels`. */
  readonly reference: string;
  readonly doc: string;
  /** Source operands, bytes of an element and how many elements each row has: `cols`, or those in the field `layout`. */
  readonly sources: readonly {
    readonly operand: 'src0' | 'src1' | 'src2';
    readonly elementBytes: number;
    readonly cols: 'cols' | 'layout';
  }[];
  /** Bytes per element written to `dst`, a half where two codes share a byte; columns written are `padTo` when that is larger. */
  readonly dstBytes: number;
  /** Elements written to each row of `dst`: one, or (when absent) as many as there are columns. */
  readonly dstCols?: 'one';
  /** Whether a float32 per row is written to `scale`. */
  readonly writesScale: boolean;
  /** Passes over the elements: 1 element-wise, 2 or 3 for two-phase operations. */
  readonly passes: number;
  /** How many of the passes need an exponential of each element. */
  readonly exponentialPasses: number;
}

const ROW = (operand: 'src0' | 'src1' | 'src2', elementBytes = 4) => ({
  operand,
  elementBytes,
  cols: 'cols' as const,
});

export const VECTOR_FUNCTIONS: readonly VectorFunction[] = [
  {
    name: 'copy',
    code: 0,
    reference: 'copy',
    doc: 'dst = src0',
    sources: [ROW('src0')],
    dstBytes: 4,
    writesScale: false,
    passes: 1,
    exponentialPasses: 0,
  },
  {
    name: 'add',
    code: 1,
    reference: 'add',
    doc: 'dst = src0 + src1',
    sources: [ROW('src0'), ROW('src1')],
    dstBytes: 4,
    writesScale: false,
    passes: 1,
    exponentialPasses: 0,
  },
  {
    name: 'mul',
    code: 2,
    reference: 'mul',
    doc: 'dst = src0 * src1',
    sources: [ROW('src0'), ROW('src1')],
    dstBytes: 4,
    writesScale: false,
    passes: 1,
    exponentialPasses: 0,
  },
  {
    name: 'silu',
    code: 3,
    reference: 'silu',
    doc: 'dst = silu(src0)',
    sources: [ROW('src0')],
    dstBytes: 4,
    writesScale: false,
    passes: 1,
    exponentialPasses: 1,
  },
  {
    name: 'siluMul',
    code: 4,
    reference: 'siluMul',
    doc: 'dst = silu(src0) * src1',
    sources: [ROW('src0'), ROW('src1')],
    dstBytes: 4,
    writesScale: false,
    passes: 1,
    exponentialPasses: 1,
  },
  {
    name: 'gelu',
    code: 5,
    reference: 'gelu',
    doc: 'dst = gelu(src0), tanh form',
    sources: [ROW('src0')],
    dstBytes: 4,
    writesScale: false,
    passes: 1,
    exponentialPasses: 1,
  },
  {
    name: 'relu',
    code: 6,
    reference: 'relu',
    doc: 'dst = max(src0, 0)',
    sources: [ROW('src0')],
    dstBytes: 4,
    writesScale: false,
    passes: 1,
    exponentialPasses: 0,
  },
  {
    name: 'rmsNorm',
    code: 7,
    reference: 'rmsNorm',
    doc: 'dst = src0 / rms(src0) * src1; immediate = epsilon',
    sources: [ROW('src0'), ROW('src1')],
    dstBytes: 4,
    writesScale: false,
    passes: 2,
    exponentialPasses: 0,
  },
  {
    name: 'layerNorm',
    code: 8,
    reference: 'layerNorm',
    doc: 'dst = (src0 - mean) / deviation * src1 + src2; immediate = epsilon',
    sources: [ROW('src0'), ROW('src1'), ROW('src2')],
    dstBytes: 4,
    writesScale: false,
    passes: 3,
    exponentialPasses: 0,
  },
  {
    name: 'rope',
    code: 9,
    reference: 'rope',
    doc: 'rotary positions; src1 = table rows of (cos, sin); layout 0 interleaved, 1 half',
    sources: [ROW('src0'), ROW('src1')],
    dstBytes: 4,
    writesScale: false,
    passes: 1,
    exponentialPasses: 0,
  },
  {
    name: 'quantize',
    code: 10,
    reference: 'quantizeRows',
    doc: 'int8 codes and a float32 scale per row; zero codes up to padTo',
    sources: [ROW('src0')],
    dstBytes: 1,
    writesScale: true,
    passes: 2,
    exponentialPasses: 0,
  },
  {
    name: 'softmaxQuantize',
    code: 11,
    reference: 'softmaxQuantize',
    doc: 'softmax of immediate * src0 over the valid columns, times the value scales src1, as int8 codes and a scale per row',
    sources: [ROW('src0'), ROW('src1')],
    dstBytes: 1,
    writesScale: true,
    passes: 3,
    exponentialPasses: 1,
  },
  {
    name: 'dequantize',
    code: 12,
    reference: 'embedGroups',
    doc: 'rows of group codes (src0) and fp16 scales (src1) to float32; layout = group length, immediate = bits',
    sources: [ROW('src0', 1), ROW('src1', 2)],
    dstBytes: 4,
    writesScale: false,
    passes: 1,
    exponentialPasses: 0,
  },
  {
    name: 'maskScores',
    code: 13,
    reference: 'maskScores',
    doc: 'hides scores from a softmax that follows, as -inf: of columns `layout` or more before the last valid one (a sliding window; 0: none), and of blocks with a zero in the mask src1, a byte for `share` queries x `padTo` tokens (share 0: none)',
    sources: [],
    dstBytes: 4,
    writesScale: false,
    passes: 1,
    exponentialPasses: 0,
  },
  {
    name: 'rowMaxima',
    code: 14,
    reference: 'rowMaxima',
    doc: 'the maximum magnitude of each row of src0, one float32 per row of dst; 0 for a row without columns',
    sources: [ROW('src0')],
    dstBytes: 4,
    dstCols: 'one',
    writesScale: false,
    passes: 1,
    exponentialPasses: 0,
  },
  {
    name: 'quantizeBy',
    code: 15,
    reference: 'quantizeRowsBy',
    doc: 'as quantize, by the largest of `layout` float32 per row of src1 (rowMaxima of every part of a row that is cut)',
    sources: [ROW('src0'), { operand: 'src1', elementBytes: 4, cols: 'layout' }],
    dstBytes: 1,
    writesScale: true,
    passes: 1,
    exponentialPasses: 0,
  },
  {
    name: 'quantizeInt4',
    code: 16,
    reference: 'quantizeRowsInt4, packRowsInt4',
    doc: 'int4 codes -7..7 as c + 8, two per byte, the even column low, and a float32 scale per row',
    sources: [ROW('src0')],
    dstBytes: 0.5,
    writesScale: true,
    passes: 2,
    exponentialPasses: 0,
  },
];

export const VECTOR_FUNCTION_NAMES: readonly string[] = VECTOR_FUNCTIONS.map((fn) => fn.name);
