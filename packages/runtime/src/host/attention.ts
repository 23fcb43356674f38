/**
 * Attention over the caches, sequence by sequence, in blocks of query rows so that the scores of a long context stay
 * small. Splitting rows changes no bit: every row has its own softmax and its own sums. Column t is a token of the
 * sequence; its row r in the call sees tokens 0..past + r, of a window of w tokens only the last w of them. Query head
 * h reads key head floor(h · kvHeads / heads).
 *
 * Scores outside of a window, or in a block that a mask hides, are -inf, which is 0 after the softmax and adds nothing to any sum. So columns that no row
 * of a block sees need not be computed, as long as as many are left out as a sum has partial sums: 16.
 */
import { floatAttribute, type GraphNode, integerAttribute, optionalIntegerAttribute } from '@bitloom/ir';
import { FLAG_FINISH } from '@bitloom/kernels';
import type { Step, StepSite } from './operations.js';
import type { PlanLimits } from './plan.js';
import { unsupportedNode } from './unsupported.js';
import { roundUp } from './workspace.js';

/** Scores of a block of rows, so that they stay in a cache; one row is always allowed. */
const SCORE_ELEMENTS = 2 ** 18;

interface AttentionShape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Most query rows per block. */
  readonly chunk: number;
  /** Scores that the scratch has room for. */
  readonly elements: number;
  /** Tokens up to its own that a token sees, where those before need not be computed; 0: all are. */
  readonly skippable: number;
}

/** Partial sums of a sum over a row: columns are left out in runs of this many. */
const PARTIAL_SUMS = 16;

/** Byte offsets in the scratch of the buffers that both kinds, or only int8, need. */
interface ScratchLayout {
  /** float32 [heads, block, stride]. */
  readonly scores: number;
  /** int8 [block, heads, headDim] and float32 [heads, block]. */
  readonly queryCodes: number;
  readonly queryScales: number;
  /** int8 [heads, block, stride] and float32 [heads, block]. */
  readonly probabilities: number;
  readonly probabilityScales: number;
  /** int32 [heads, block, headDim]. */
  readonly sums: number;
  readonly bytes: number;
}

function shapeOf(node: GraphNode, { chunk, capacity }: PlanLimits): AttentionShape {
  const heads = integerAttribute(node, 'heads');
  const row = heads * strideOf(capacity);
  const elements = Math.max(row, Math.min(SCORE_ELEMENTS, row * chunk));
  return {
    heads,
    kvHeads: integerAttribute(node, 'kvHeads'),
    headDim: integerAttribute(node, 'headDim'),
    chunk,
    elements,
    // Blocks of a mask count from the first position.
    skippable: node.inputs.length > 3 ? 0 : (optionalIntegerAttribute(node, 'window') ?? 0),
  };
}

/** The first column that is computed of a block whose first row is at `position`. */
function firstColumn(window: number, position: number): number {
  if (window === 0) return 0;
  return Math.floor(Math.max(0, position - window + 1) / PARTIAL_SUMS) * PARTIAL_SUMS;
}

/** Hides the scores of a block of rows that the window or the mask hides. */
type Hide = (rows: number, tokens: number, batchBytes: number, rowBytes: number, position: number) => void;

/** @throws BitloomError `host-op-unsupported` for a mask under which a token does not see itself */
function hiding(site: StepSite, scores: number): Hide | undefined {
  const { node } = site;
  const { maskScores, arena } = site.kernels;
  const heads = integerAttribute(node, 'heads');
  const window = optionalIntegerAttribute(node, 'window') ?? 0;
  if (site.operands <= 3) {
    if (window === 0) return undefined;
    return (rows, tokens, batchBytes, rowBytes, position) =>
      maskScores(heads, rows, tokens, scores, batchBytes, rowBytes, position, window, 0, 0, 0, 1, 1);
  }
  const maskRows = integerAttribute(node, 'maskRows');
  const maskCols = integerAttribute(node, 'maskCols');
  const { pointer, shape } = site.byteConstant(3);
  const [own, , columns] = shape;
  const headBytes = own === 1 ? 0 : shape[1] * columns;
  for (let head = 0; head < own; head += 1) {
    for (let position = 0; position < site.limits.capacity; position += 1) {
      const block = Math.floor(position / maskRows) * columns + Math.floor(position / maskCols);
      if (arena.u8[pointer + head * headBytes + block] !== 0) continue;
      const expected = 'a mask under which every token sees itself';
      throw unsupportedNode(site.identity, expected, `0 in head ${head}, position ${position}`);
    }
  }
  return (rows, tokens, batchBytes, rowBytes, position) =>
    maskScores(
      heads,
      rows,
      tokens,
      scores,
      batchBytes,
      rowBytes,
      position,
      window,
      pointer,
      headBytes,
      columns,
      maskRows,
      maskCols,
    );
}

/** Columns from one row of scores to the next when `tokens` are visible. */
function strideOf(tokens: number): number {
  return roundUp(tokens, 16);
}

/** Query rows per block when rows are `stride` long. */
function blockOf({ heads, chunk, elements }: AttentionShape, stride: number): number {
  return Math.max(1, Math.min(chunk, Math.floor(elements / (heads * stride))));
}

function layOut({ heads, headDim, chunk, elements }: AttentionShape): ScratchLayout {
  let top = 0;
  const take = (bytes: number): number => {
    const at = top;
    top += roundUp(bytes, 64);
    return at;
  };
  return {
    scores: take(elements * 4),
    queryCodes: take(chunk * heads * headDim),
    queryScales: take(heads * chunk * 4),
    probabilities: take(elements),
    probabilityScales: take(heads * chunk * 4),
    sums: take(heads * chunk * headDim * 4),
    bytes: top,
  };
}

export function attentionScratchBytes(node: GraphNode, limits: PlanLimits): number {
  return layOut(shapeOf(node, limits)).bytes;
}

export function attentionStep(site: StepSite): Step {
  const keys = site.state(1);
  const values = site.state(2);
  if (keys.kind !== values.kind) {
    throw unsupportedNode(site.identity, 'keys and values of one kind', `${keys.kind} and ${values.kind}`);
  }
  return keys.kind === 'int8' ? integerAttention(site) : floatAttention(site);
}

function floatAttention(site: StepSite): Step {
  const { scratch } = site;
  const { segments, sequences } = site.frame;
  const { attentionScoresF32, softmaxF32, attentionMixF32 } = site.kernels;
  const shape = shapeOf(site.node, site.limits);
  const { heads, headDim, skippable } = shape;
  const divisor = heads / shape.kvHeads;
  const q = site.tokenRows(0);
  const out = site.floatResult();
  const keys = site.state(1);
  const values = site.state(2);
  const scale = Math.fround(floatAttribute(site.node, 'scale'));
  const scores = scratch + layOut(shape).scores;
  const hide = hiding(site, scores);
  const headBytes = headDim * 4;
  return () => {
    for (let s = 0; s < sequences.rows; s += 1) {
      const { first: start, rows: count, past, caches } = segments[s];
      const cache = caches[keys.shard];
      const stride = strideOf(past + count);
      const block = blockOf(shape, stride);
      const rowBytes = stride * 4;
      const batchBytes = block * rowBytes;
      for (let first = 0; first < count; first += block) {
        const rows = Math.min(block, count - first);
        const position = past + first;
        const left = firstColumn(skippable, position);
        const visible = position + 1 - left;
        const tokens = visible + rows - 1;
        attentionScoresF32(
          heads,
          rows,
          tokens,
          headDim,
          q.pointer + (start + first) * q.rowBytes,
          headBytes,
          q.rowBytes,
          cache + keys.offset + left * keys.rowBytes,
          keys.headBytes,
          keys.rowBytes,
          divisor,
          scores,
          batchBytes,
          rowBytes,
        );
        hide?.(rows, tokens, batchBytes, rowBytes, position - left);
        softmaxF32(
          heads,
          rows,
          tokens,
          scores,
          batchBytes,
          rowBytes,
          visible,
          1,
          scale,
          scores,
          batchBytes,
          rowBytes,
        );
        attentionMixF32(
          heads,
          rows,
          headDim,
          tokens,
          scores,
          batchBytes,
          rowBytes,
          cache + values.offset + left * values.rowBytes,
          values.headBytes,
          values.rowBytes,
          divisor,
          out.pointer + (start + first) * out.rowBytes,
          headBytes,
          out.rowBytes,
        );
      }
    }
  };
}

function integerAttention(site: StepSite): Step {
  const { scratch } = site;
  const { segments, sequences } = site.frame;
  const { quantizeRows, attentionScores, softmaxQuantize, attentionMix } = site.kernels;
  const shape = shapeOf(site.node, site.limits);
  const { heads, headDim, skippable } = shape;
  const divisor = heads / shape.kvHeads;
  const q = site.tokenRows(0);
  const out = site.floatResult();
  const keys = site.state(1);
  const values = site.state(2);
  const scale = Math.fround(floatAttribute(site.node, 'scale'));
  const layout = layOut(shape);
  const scores = scratch + layout.scores;
  const hide = hiding(site, scores);
  const queryCodes = scratch + layout.queryCodes;
  const queryScales = scratch + layout.queryScales;
  const probabilities = scratch + layout.probabilities;
  const probabilityScales = scratch + layout.probabilityScales;
  const sums = scratch + layout.sums;
  const codeRow = heads * headDim;
  const headBytes = headDim * 4;
  return () => {
    for (let s = 0; s < sequences.rows; s += 1) {
      const { first: start, rows: count, past, caches } = segments[s];
      const cache = caches[keys.shard];
      const stride = strideOf(past + count);
      const block = blockOf(shape, stride);
      const scoreRow = stride * 4;
      const scoreBatch = block * scoreRow;
      const scaleBatch = block * 4;
      const probabilityBatch = block * stride;
      const sumBatch = block * headBytes;
      for (let first = 0; first < count; first += block) {
        const rows = Math.min(block, count - first);
        const position = past + first;
        const left = firstColumn(skippable, position);
        const visible = position + 1 - left;
        const tokens = visible + rows - 1;
        quantizeRows(
          heads,
          rows,
          headDim,
          q.pointer + (start + first) * q.rowBytes,
          headBytes,
          q.rowBytes,
          queryCodes,
          headDim,
          codeRow,
          0,
          queryScales,
          scaleBatch,
          4,
        );
        attentionScores(
          heads,
          rows,
          tokens,
          headDim,
          queryCodes,
          headDim,
          codeRow,
          queryScales,
          scaleBatch,
          4,
          cache + keys.offset + left * keys.rowBytes,
          keys.headBytes,
          keys.rowBytes,
          cache + keys.scalesOffset + left * 4,
          keys.scalesHeadBytes,
          divisor,
          scores,
          scoreBatch,
          scoreRow,
        );
        hide?.(rows, tokens, scoreBatch, scoreRow, position - left);
        softmaxQuantize(
          heads,
          rows,
          tokens,
          scores,
          scoreBatch,
          scoreRow,
          cache + values.scalesOffset + left * 4,
          values.scalesHeadBytes,
          divisor,
          visible,
          1,
          scale,
          probabilities,
          probabilityBatch,
          stride,
          0,
          probabilityScales,
          scaleBatch,
          4,
        );
        attentionMix(
          heads,
          rows,
          headDim,
          tokens,
          probabilities,
          probabilityBatch,
          stride,
          probabilityScales,
          scaleBatch,
          4,
          cache + values.offset + left * values.rowBytes,
          values.headBytes,
          values.rowBytes,
          divisor,
          sums,
          sumBatch,
          headBytes,
          out.pointer + (start + first) * out.rowBytes,
          headBytes,
          out.rowBytes,
          FLAG_FINISH,
        );
      }
    }
  };
}
