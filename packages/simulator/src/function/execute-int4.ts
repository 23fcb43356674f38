/** Codes of 4 bits in attention: rows that two codes share a byte of, made by the vector unit and read by products. */
import { type Argument, type Arguments, combine, type Execute, inTurn, NOTHING } from './arguments.js';
import { roomForCodes } from './int4-scratch.js';

/** Rows of codes of attention as a product reads them: where they are, or, of 4 bits, expanded before it. */
interface CodeRows {
  /** Pointer, batch stride, row stride. */
  readonly operand: readonly Argument[];
  readonly expand: Execute;
}

export function codeRows(a: Arguments, rows: Argument, cols: Argument): CodeRows {
  if (a.constant('bits') !== 4) return { operand: a.strided('b'), expand: NOTHING };
  const batches = combine(a.field('batch'), a.field('bShare'), (batch, share) => Math.ceil(batch / share));
  const { target, stride } = expanded(a, batches, rows, cols);
  const expand = a.kernel('expandRowsInt4', [batches, rows, cols, ...a.strided('b'), target, stride, cols]);
  return { operand: [target, stride, cols], expand };
}

/** Place and batch stride of codes one per byte. */
function expanded(
  a: Arguments,
  batch: Argument,
  rows: Argument,
  cols: Argument,
): { readonly target: Argument; readonly stride: Argument } {
  const stride = combine(rows, cols, (count, width) => count * width);
  const target = combine(batch, stride, (count, bytes) => roomForCodes(a.ctx.int4, count * bytes));
  return { target, stride };
}

/** Codes one per byte, then two. */
export function quantizeInt4(a: Arguments): Execute {
  const [batch, rows, cols] = a.fields('batch', 'rows', 'cols');
  const { target, stride } = expanded(a, batch, rows, cols);
  const codes = [target, stride, cols];
  return inTurn(
    a.kernel('quantizeRowsInt4', [batch, rows, cols, ...a.strided('src0'), ...codes, ...a.strided('scale')]),
    a.kernel('packRowsInt4', [batch, rows, cols, ...codes, ...a.strided('dst')]),
  );
}
