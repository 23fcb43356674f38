/**
 * Attention over the KV cache of int8 or int4 codes: scores, softmax with the value scales folded in, mix. Keys and
 * values stream through the KV ring in pairs of tiles; heads go through in blocks so that the scores of a
 * block fit on chip, and the scores of the next block are computed while the softmax of this one runs.
 */
import {
  add,
  ceilDivide,
  type Expression,
  floatAttribute,
  floorDivide,
  type GraphNode,
  integerAttribute,
  internalError,
  MATRIX_MODES,
  maximum,
  minimum,
  multiply,
  optionalIntegerAttribute,
  subtract,
  TRANSFER_KINDS,
} from '@bitloom/ir';
import { type AttentionMask, loadMask } from './attention-mask.js';
import type { Allocation } from './data-buffer.js';
import { ownColumns } from './divided-values.js';
import type { InstructionDraft } from './draft.js';
import { pushVector } from './emit-vector.js';
import type { Emitter, EntryPlan, Floats } from './emitter.js';
import type { CacheRegions } from './image.js';
import { bufferAddress, dataAddress, operand, runs, tileLength, touchData, touchRegion } from './operands.js';
import { itemsPerCore, ownBlock, ownItems, ownStart } from './partition.js';
import type { TilePiece, VisibleColumns } from './visible-columns.js';

/** Partial sums of a sum over a row of scores. */
const PARTIAL_SUMS = 16;

/** Shares of the work of others that go before the first scores, which wait for the query, and behind the last mix. */
const BEFORE_SCORES = 3 / 20;
const BEHIND_MIX = 1 / 5;

const KV_KIND = TRANSFER_KINDS.indexOf('kv');

function names(node: GraphNode, count: number): string[] {
  const list = node.inputs.slice(0, count);
  if (list.length !== count || node.outputs[0] === undefined)
    throw internalError('operands missing', node.name);
  return list;
}

/** Key heads that are worked on together: the first of them among those of the core, how many at most, and how many. */
interface Block {
  readonly first: number;
  readonly mostHeads: number;
  readonly kvHeads: Expression;
  readonly scores: Allocation;
  readonly probabilities: { readonly codes: Allocation; readonly scales: Allocation };
}

/** What every part of one attention node needs to know. */
interface AttentionContext {
  readonly emitter: Emitter;
  readonly keys: CacheRegions;
  readonly values: CacheRegions;
  /** Bytes of the codes of a token and head in both. */
  readonly rowBytes: number;
  readonly share: number;
  readonly headDim: number;
  /** Key heads of a core, at most. */
  readonly headsPerCore: number;
  /** Tokens that a token sees, up to its own; 0: all before it. */
  readonly window: number;
  /** Columns of the scores: tokens from `first` on, of all that are cached. */
  readonly first: Expression;
  readonly columns: Expression;
  readonly mask: AttentionMask | undefined;
  /** Where hidden columns are left out; `columns` are then those that are not. */
  readonly visible: VisibleColumns | undefined;
  readonly query: { readonly codes: Allocation; readonly scales: Allocation };
  readonly scoreRow: number;
  readonly probabilityRow: number;
  readonly tileRows: number;
  readonly trips: Expression;
  readonly tilesPerTrip: number;
}

/**
 * What attention needs beside its operands: bytes of the scores and probabilities of a block of heads, and how many sets of
 * them there are. Two, if there are two blocks, so that the softmax of one never waits for the products of the other.
 */
export function attentionScratch(
  node: GraphNode,
  on: {
    readonly capacity: number;
    readonly cores: number;
    readonly plan: EntryPlan;
    readonly maxRows: number;
  },
): {
  readonly mostColumns: number;
  readonly sets: number;
  readonly scores: number;
  readonly probabilities: number;
  readonly scales: number;
} {
  const { capacity, maxRows } = on;
  const kvHeads = integerAttribute(node, 'kvHeads');
  const share = integerAttribute(node, 'heads') / kvHeads;
  const window = optionalIntegerAttribute(node, 'window') ?? 0;
  const isWhole = window === 0 || node.inputs[3] !== undefined;
  const mostColumns = isWhole ? capacity : Math.min(capacity, window + maxRows + PARTIAL_SUMS);
  const headsPerCore = itemsPerCore(kvHeads, on.cores, 1);
  const blockHeads = Math.min(headsPerCore, on.plan.headBlock);
  const rows = blockHeads * share * maxRows;
  const probabilities = rows * Math.ceil(mostColumns / 64) * 64;
  return {
    mostColumns,
    sets: Math.min(2, Math.ceil(headsPerCore / blockHeads)),
    scores: 4 * probabilities,
    probabilities,
    scales: 4 * rows,
  };
}

export function emitAttention(emitter: Emitter, node: GraphNode): void {
  const [queryName, keysName, valuesName] = names(node, 3);
  const outName = node.outputs[0];
  if (queryName === undefined || keysName === undefined || valuesName === undefined || outName === undefined)
    return;
  const heads = integerAttribute(node, 'heads');
  const kvHeads = integerAttribute(node, 'kvHeads');
  const headDim = integerAttribute(node, 'headDim');
  const share = heads / kvHeads;
  const { rows, maxRows, context, position } = emitter.lengths;
  const window = optionalIntegerAttribute(node, 'window') ?? 0;
  // Blocks of a mask count from the first token.
  const hasMask = node.inputs[3] !== undefined;
  // What no token in flight sees is left out, in runs of the partial sums of a row: the bits do not change.
  const first =
    window === 0 || hasMask
      ? 0
      : multiply(PARTIAL_SUMS, floorDivide(maximum(0, add(position, 1 - window)), PARTIAL_SUMS));
  // A micro-batch behind the last token has none, and its position may be a window behind what is cached.
  const isEverEmpty = emitter.batch.index > 0 && first !== 0;
  const allColumns = isEverEmpty ? maximum(0, subtract(context, first)) : subtract(context, first);
  const scratch = attentionScratch(node, { ...emitter, maxRows, plan: emitter.plan });
  const { mostColumns } = scratch;
  const headsPerCore = itemsPerCore(kvHeads, emitter.cores, 1);
  const ownHeads = ownItems(kvHeads, headsPerCore, emitter.cores);
  const input = ownColumns(emitter, queryName, headsPerCore * share * headDim);
  const blockHeads = Math.min(headsPerCore, emitter.plan.headBlock);
  const blocks = Math.ceil(headsPerCore / blockHeads);
  const query = {
    codes: emitter.allocate(`${node.name}.query`, headsPerCore * share * maxRows * headDim),
    scales: emitter.allocate(`${node.name}.queryScales`, headsPerCore * share * maxRows * 4),
  };
  emitter.tile('query');
  pushVector(
    emitter,
    'quantize',
    { batch: multiply(share, ownHeads), rows, cols: headDim },
    {
      ...operand('src0', dataAddress(input.allocation, input.offset), headDim * 4, input.rowBytes),
      ...operand('dst', dataAddress(query.codes), maxRows * headDim, headDim),
      ...operand('scale', dataAddress(query.scales), maxRows * 4, 4),
      padTo: headDim,
    },
    [touchData(input.allocation, false), touchData(query.codes, true), touchData(query.scales, true)],
  );

  const probabilityRow = Math.ceil(mostColumns / 64) * 64;
  const scoreRow = probabilityRow * 4;
  const [keys, values] = [keysName, valuesName].map((name) => emitter.image.cache(emitter.stateOf(name)));
  const { rowBytes } = keys;
  const fullTile = Math.floor(emitter.stream.slotBytes / (blockHeads * (rowBytes + 4)) / 16) * 16;
  if (fullTile === 0)
    throw emitter.doesNotFit(node, 'stream', blockHeads * (rowBytes + 4) * 16, emitter.stream.slotBytes);
  const mostTile = Math.min(fullTile, Math.ceil(mostColumns / 16) * 16);
  const mask = loadMask(emitter, node, headsPerCore * share, mostTile);
  const visible = window > 0 ? undefined : mask?.visible;
  const columns = visible?.columns ?? allColumns;
  const isWhole = visible === undefined && fullTile >= mostColumns;
  const tileRows = visible?.tileRows ?? (isWhole ? Math.ceil(mostColumns / 16) * 16 : fullTile);
  const ctx: AttentionContext = {
    emitter,
    keys,
    values,
    rowBytes,
    share,
    headDim,
    headsPerCore,
    window,
    first,
    columns,
    mask,
    visible,
    query,
    scoreRow,
    probabilityRow,
    tileRows,
    trips: isWhole ? 1 : ceilDivide(columns, 2 * tileRows),
    tilesPerTrip: isWhole ? 1 : 2,
  };
  const accumulatorBytes = blockHeads * share * maxRows * headDim * 4;
  if (accumulatorBytes > emitter.bufferBytes('accumulator'))
    throw emitter.doesNotFit(node, 'accumulator', accumulatorBytes, emitter.bufferBytes('accumulator'));

  const out = emitter.allocateFloats(outName, heads * headDim, headsPerCore * share * headDim);
  const sets = Array.from({ length: scratch.sets }, (_, i) => ({
    scores: emitter.allocateShared(`${node.name}.scores${i}`, scratch.scores),
    codes: emitter.allocateShared(`${node.name}.probabilities${i}`, scratch.probabilities),
    scales: emitter.allocateShared(`${node.name}.probabilityScales${i}`, scratch.scales),
  }));
  const blockAt = (index: number): Block => {
    const first = index * blockHeads;
    const { scores, codes, scales } = sets[index % sets.length];
    const mostHeads = Math.min(blockHeads, headsPerCore - first);
    return {
      first,
      mostHeads,
      kvHeads: ownBlock(ownHeads, first, mostHeads),
      scores,
      probabilities: { codes, scales },
    };
  };
  // Scores of the next block are computed while the softmax of this one runs, unless parts wait for each other.
  const isAhead = !emitter.plan.spills;
  emitter.pause(BEFORE_SCORES);
  if (isAhead) emitScores(ctx, blockAt(0));
  for (let index = 0; index < blocks; index++) {
    const block = blockAt(index);
    if (!isAhead) {
      emitScores(ctx, block);
      emitter.roundTrip('softmax', block.scores);
    } else if (index + 1 < blocks) {
      emitScores(ctx, blockAt(index + 1));
    }
    emitSoftmax(ctx, block, floatAttribute(node, 'scale'));
    emitter.roundTrip('mix', block.probabilities.codes, block.probabilities.scales);
    emitter.pause(
      BEFORE_SCORES + ((1 - BEFORE_SCORES - BEHIND_MIX) * (block.first + block.mostHeads)) / headsPerCore,
    );
    emitMix(ctx, block, out);
    if (!isAhead && index + 1 < blocks) emitter.openPart('scores');
  }
  for (const allocation of [query.codes, query.scales, ...sets.flatMap((set) => Object.values(set))])
    emitter.data.free(allocation);
}

/** Where the tokens of a tile lie in the cache: in a row, or in pieces between those that a mask hides. */
function tilePieces(
  { visible, first, columns, tileRows }: AttentionContext,
  tile: Expression,
): readonly TilePiece[] {
  if (visible !== undefined) return visible.pieces(tile);
  return [
    { start: add(first, multiply(tileRows, tile)), length: tileLength(columns, tileRows, tile), offset: 0 },
  ];
}

/** Loads of one KV tile into a slot: codes [heads, rows, headDim], and, for keys, scales [heads, rows] behind them. */
function tileLoads(
  ctx: AttentionContext,
  cache: CacheRegions,
  block: Block,
  tile: Expression,
  slot: Expression,
  withScales: boolean,
): InstructionDraft[] {
  const { emitter, tileRows, rowBytes } = ctx;
  const parts = withScales
    ? ([
        [cache.codes, rowBytes, cache.codesHead, 0],
        [cache.scales, 4, cache.scalesHead, block.mostHeads * tileRows * rowBytes],
      ] as const)
    : ([[cache.codes, rowBytes, cache.codesHead, 0]] as const);
  const pieces = tilePieces(ctx, tile);
  const loads = parts.flatMap((part) => pieces.map((piece) => ({ part, piece })));
  return loads.map(({ part: [region, width, stride, offset], piece }, i) => {
    const start = add(
      block.first * stride,
      ownStart(emitter.cores, ctx.headsPerCore * stride),
      multiply(width, piece.start),
    );
    const fields = runs(
      region,
      start,
      bufferAddress('stream', add(slot, offset, multiply(width, piece.offset))),
      {
        length: multiply(width, piece.length),
        count1: block.kvHeads,
        srcStride1: stride,
        dstStride1: tileRows * width,
      },
      KV_KIND,
    );
    const tokens = {
      ...(i === 0 ? { wait: 'matrix' as const } : {}),
      ...(i === loads.length - 1 ? { release: 'matrix' as const } : {}),
    };
    return emitter.draft('LD', 'fetch', fields, [touchRegion(region, false)], tokens);
  });
}

function forEachTile(
  ctx: AttentionContext,
  body: (tile: Expression, slot: Expression) => readonly InstructionDraft[],
): void {
  const { emitter, trips, tilesPerTrip } = ctx;
  const slot = emitter.ringSlots(emitter.stream, tilesPerTrip, trips);
  emitter.pushLoop(trips, (iteration) =>
    Array.from({ length: tilesPerTrip }, (_, use) =>
      body(add(multiply(tilesPerTrip, iteration), use), slot(iteration, use)),
    ).flat(),
  );
}

const matrixName = (emitter: Emitter): string => (emitter.lengths.maxRows === 1 ? 'MV' : 'MM');

function emitScores(ctx: AttentionContext, block: Block): void {
  const { emitter, share, headDim, rowBytes, query, scoreRow, tileRows } = ctx;
  const { rows, maxRows } = emitter.lengths;
  emitter.tile(`scores of key heads ${block.first}..${block.first + block.mostHeads - 1}`);
  forEachTile(ctx, (tile, slot) => [
    ...tileLoads(ctx, ctx.keys, block, tile, slot, true),
    emitter.draft(
      matrixName(emitter),
      'matrix',
      {
        mode: MATRIX_MODES.indexOf('keys'),
        bits: ctx.keys.bits,
        batch: multiply(share, block.kvHeads),
        bShare: share,
        m: rows,
        n: tileLength(ctx.columns, tileRows, tile),
        k: headDim,
        ...operand(
          'a',
          dataAddress(query.codes, block.first * share * maxRows * headDim),
          maxRows * headDim,
          headDim,
        ),
        ...operand('aScale', dataAddress(query.scales, block.first * share * maxRows * 4), maxRows * 4, 4),
        ...operand('b', bufferAddress('stream', slot), tileRows * rowBytes, rowBytes),
        ...operand(
          'bScale',
          bufferAddress('stream', add(slot, block.mostHeads * tileRows * rowBytes)),
          tileRows * 4,
          0,
        ),
        ...operand(
          'out',
          dataAddress(block.scores, multiply(4 * tileRows, tile)),
          maxRows * scoreRow,
          scoreRow,
        ),
        finish: 1,
      },
      [touchData(query.codes, false), touchData(query.scales, false), touchData(block.scores, true)],
      { wait: 'fetch', release: 'fetch' },
    ),
  ]);
}

/** Load of the scales of consecutive values to where the softmax of a block reads them, `column` columns behind the first. */
function valueScales(
  { emitter, values, headsPerCore, scoreRow }: AttentionContext,
  block: Block,
  stage: Allocation,
  column: Expression,
  piece: TilePiece,
): InstructionDraft {
  const start = add(
    block.first * values.scalesHead,
    ownStart(emitter.cores, headsPerCore * values.scalesHead),
    multiply(4, piece.start),
  );
  const fields = runs(
    values.scales,
    start,
    dataAddress(stage, multiply(4, add(column, piece.offset))),
    {
      length: multiply(4, piece.length),
      count1: block.kvHeads,
      srcStride1: values.scalesHead,
      dstStride1: scoreRow,
    },
    KV_KIND,
  );
  return emitter.draft('LD', 'fetch', fields, [touchRegion(values.scales, false), touchData(stage, true)]);
}

function emitSoftmax(ctx: AttentionContext, block: Block, scale: number): void {
  const { codes: probabilities, scales: probabilityScales } = block.probabilities;
  const { emitter, share, scoreRow, probabilityRow, columns, visible } = ctx;
  const { rows, maxRows, position } = emitter.lengths;
  const valid0 = subtract(add(position, 1), ctx.first);
  emitter.tile(`softmax of key heads ${block.first}..${block.first + block.mostHeads - 1}`);
  const turn = emitter.turn('valueScales');
  // Layers with windows of their own have rows of their own.
  const stage = emitter.stage(
    `valueScales.${turn}.${scoreRow}`,
    Math.min(ctx.headsPerCore, emitter.plan.headBlock) * scoreRow,
  );
  if (visible === undefined) {
    emitter.push(valueScales(ctx, block, stage, 0, { start: ctx.first, length: columns, offset: 0 }));
  } else {
    emitter.pushLoop(ceilDivide(columns, visible.tileRows), (tile) =>
      visible
        .pieces(tile)
        .map((piece) => valueScales(ctx, block, stage, multiply(visible.tileRows, tile), piece)),
    );
  }
  const { mask } = ctx;
  if (ctx.window > 0 || mask !== undefined) {
    pushVector(
      emitter,
      'maskScores',
      { batch: multiply(share, block.kvHeads), rows: visible?.maskedRows ?? rows, cols: columns },
      {
        ...operand('dst', dataAddress(block.scores), maxRows * scoreRow, scoreRow),
        valid0,
        validStep: 1,
        layout: ctx.window,
        ...(mask === undefined
          ? {}
          : {
              ...operand(
                'src1',
                dataAddress(mask.stage, block.first * share * mask.headBytes),
                mask.headBytes,
                mask.rowBytes,
              ),
              share: mask.maskRows,
              padTo: mask.maskCols,
            }),
      },
      [touchData(block.scores, true), ...(mask === undefined ? [] : [touchData(mask.stage, false)])],
    );
  }
  pushVector(
    emitter,
    'softmaxQuantize',
    { batch: multiply(share, block.kvHeads), rows, cols: columns },
    {
      ...operand('src0', dataAddress(block.scores), maxRows * scoreRow, scoreRow),
      ...operand('src1', dataAddress(stage), scoreRow, 0),
      ...operand('dst', dataAddress(probabilities), maxRows * probabilityRow, probabilityRow),
      ...operand('scale', dataAddress(probabilityScales), maxRows * 4, 4),
      padTo: multiply(16, ceilDivide(columns, 16)),
      valid0: visible?.valid0 ?? valid0,
      validStep: 1,
      share,
      immediate: Math.fround(scale),
    },
    [
      touchData(block.scores, true),
      touchData(stage, false),
      touchData(probabilities, true),
      touchData(probabilityScales, true),
    ],
  );
}

function emitMix(ctx: AttentionContext, block: Block, out: Floats): void {
  const { codes: probabilities, scales: probabilityScales } = block.probabilities;
  const { emitter, share, headDim, rowBytes, probabilityRow, tileRows, tilesPerTrip } = ctx;
  const { rows, maxRows } = emitter.lengths;
  emitter.tile(`mix of value heads ${block.first}..${block.first + block.mostHeads - 1}`);
  const tiles = ceilDivide(ctx.columns, tileRows);
  forEachTile(ctx, (tile, slot) => [
    ...tileLoads(ctx, ctx.values, block, tile, slot, false),
    emitter.draft(
      matrixName(emitter),
      'matrix',
      {
        mode: MATRIX_MODES.indexOf('values'),
        bits: ctx.values.bits,
        batch: multiply(share, block.kvHeads),
        bShare: share,
        m: rows,
        n: headDim,
        k: tileLength(ctx.columns, tileRows, tile),
        ...operand(
          'a',
          dataAddress(probabilities, multiply(tileRows, tile)),
          maxRows * probabilityRow,
          probabilityRow,
        ),
        ...operand('aScale', dataAddress(probabilityScales), maxRows * 4, 4),
        ...operand('b', bufferAddress('stream', slot), tileRows * rowBytes, rowBytes),
        acc: bufferAddress('accumulator', 0),
        ...operand(
          'out',
          dataAddress(out.allocation, block.first * share * headDim * 4),
          headDim * 4,
          out.rowBytes,
        ),
        continue: tilesPerTrip === 1 ? 0 : minimum(1, tile),
        // The last tile, or the empty one behind it: writing the same accumulators again changes nothing.
        finish: tilesPerTrip === 1 ? 1 : minimum(1, maximum(0, add(subtract(tile, tiles), 2))),
      },
      [
        touchData(probabilities, false),
        touchData(probabilityScales, false),
        touchData(out.allocation, true),
        { space: 'accumulator', start: 0, end: emitter.bufferBytes('accumulator'), write: true },
      ],
      { wait: 'fetch', release: 'fetch' },
    ),
  ]);
}
