/**
 * The interpreter's ops as one table: which operand a result may overwrite, what scratch an op needs, and how it
 * becomes a step. A step is a closure over fixed addresses that reads only the lengths of the call, so that
 * running it costs little more than the kernel. A new inference op is one entry here.
 */
import {
  floatAttribute,
  type GraphNode,
  integerAttribute,
  optionalIntegerAttribute,
  stringAttribute,
} from '@bitloom/ir';
import { FLAG_CONTINUE, FLAG_FINISH, type Kernels, ROPE_HALF, ROPE_INTERLEAVED } from '@bitloom/kernels';
import { appendStep } from './append.js';
import { attentionScratchBytes, attentionStep } from './attention.js';
import type { BlockConstant, ByteConstant, FloatConstant, TableConstant } from './constants.js';
import { blockRowReader } from './embed-blocks.js';
import type { Frame, RowCount } from './frame.js';
import type { PlanLimits } from './plan.js';
import type { StateLayout } from './states.js';
import { type NodeIdentity, unsupportedNode } from './unsupported.js';
import { roundUp } from './workspace.js';

/** One kernel call or a few, with everything but the lengths fixed. */
export type Step = () => void;

/** Bytes of a memory. */
export interface MemoryRegion {
  readonly pointer: number;
  readonly bytes: number;
}

/** A float32 matrix; where `rowBytes` is 0, one row serves every row of the other operand. */
export interface FloatOperand {
  readonly pointer: number;
  readonly rowBytes: number;
  readonly rows: RowCount;
  readonly cols: number;
}

/** int8 rows with a float32 scale each. */
export interface CodeOperand extends FloatOperand {
  readonly scales: number;
}

/** Columns of a weight matrix from `start` on, in the layout of its product. */
export interface WeightBand {
  readonly start: number;
  readonly isSparse: boolean;
  readonly blocks: BlockConstant;
}

/** What an op sees of its surroundings when it is turned into a step. Indices count the node's operands. */
export interface StepSite {
  readonly node: GraphNode;
  readonly identity: NodeIdentity;
  readonly kernels: Kernels;
  readonly frame: Frame;
  readonly limits: PlanLimits;
  /** Address of the scratch the op asked for. */
  readonly scratch: number;
  readonly operands: number;
  float(index: number): FloatOperand;
  /** A computed float operand with one row per token of the call, so that segments are ranges of its rows. */
  tokenRows(index: number): FloatOperand;
  codes(index: number): CodeOperand;
  /** Address of int32 ids. */
  ids(index: number): { readonly pointer: number; readonly rows: RowCount };
  state(index: number): StateLayout;
  isQuantized(index: number): boolean;
  /** Whether {@link tableConstant} can read the operand. */
  isGroupTable(index: number): boolean;
  /** Whether a product of codes reads the operand too, as {@link blockConstant}. */
  isMultiplied(index: number): boolean;
  floatConstant(index: number): FloatConstant;
  byteConstant(index: number): ByteConstant;
  blockConstant(index: number): BlockConstant;
  /** A weight matrix as products read it: its bands, or the whole as the only one. */
  weightBands(index: number): readonly WeightBand[];
  tableConstant(index: number): TableConstant;
  floatResult(): FloatOperand;
  codeResult(): CodeOperand;
  /** Says that the step reads these bytes of a constant from end to end, so that they can be fetched before. */
  reads(region: MemoryRegion): void;
  /** Address of an int32 result with one number per token of the call. */
  idResult(): { readonly pointer: number };
}

export interface HostOperation {
  /** Operands whose memory the result may take, when nothing else reads them. */
  readonly inPlace: readonly number[];
  readonly scratchBytes?: (node: GraphNode, limits: PlanLimits) => number;
  readonly step: (site: StepSite) => Step;
}

const NOWHERE: readonly number[] = [];
const FIRST: readonly number[] = [0];
const EITHER: readonly number[] = [0, 1];

function embedding(site: StepSite): Step {
  const { embedF32, embedGroups } = site.kernels;
  const ids = site.ids(0);
  const out = site.floatResult();
  if (!site.isGroupTable(1)) {
    const table = site.floatConstant(1).pointer;
    return () =>
      embedF32(ids.rows.rows, out.cols, ids.pointer, table, out.cols * 4, out.pointer, out.rowBytes);
  }
  if (site.isMultiplied(1)) {
    const { arena } = site.kernels;
    const readRow = blockRowReader(arena, site.blockConstant(1));
    return () => {
      for (let row = 0; row < ids.rows.rows; row += 1) {
        readRow(arena.i32[ids.pointer / 4 + row], out.pointer + row * out.rowBytes);
      }
    };
  }
  const { bits, group, codes, codesRowBytes, scales, scalesRowBytes } = site.tableConstant(1);
  return () =>
    embedGroups(
      bits,
      group,
      ids.rows.rows,
      out.cols,
      ids.pointer,
      codes,
      codesRowBytes,
      scales,
      scalesRowBytes,
      out.pointer,
      out.rowBytes,
    );
}

function positions(site: StepSite): Step {
  const { segments, sequences } = site.frame;
  const { arena } = site.kernels;
  const at = site.idResult().pointer / 4;
  const offset = integerAttribute(site.node, 'offset');
  return () => {
    const { i32 } = arena;
    for (let s = 0; s < sequences.rows; s += 1) {
      const { first, rows, past } = segments[s];
      for (let t = 0; t < rows; t += 1) i32[at + first + t] = past + offset + t;
    }
  };
}

function linear(site: StepSite): Step {
  const { add } = site.kernels;
  const out = site.floatResult();
  const product = site.isQuantized(0) ? groupProduct(site, out) : floatProduct(site, out);
  if (site.operands < 3) return product;
  const bias = site.floatConstant(2).pointer;
  return () => {
    product();
    add(1, out.rows.rows, out.cols, out.pointer, 0, out.rowBytes, bias, 0, 0, out.pointer, 0, out.rowBytes);
  };
}

function floatProduct(site: StepSite, out: FloatOperand): Step {
  const { gemmF32 } = site.kernels;
  const x = site.float(0);
  const w = site.floatConstant(1).pointer;
  return () =>
    gemmF32(x.rows.rows, out.cols, x.cols, x.pointer, x.rowBytes, w, x.cols * 4, out.pointer, out.rowBytes);
}

function groupProduct(site: StepSite, out: FloatOperand): Step {
  const x = site.codes(0);
  const bands = site.weightBands(1);
  const steps = bands.map(({ start, isSparse, blocks: w }, index): Step => {
    // The sparse product gives the bits of the dense one of the same matrix with its zeros filled in.
    const product = isSparse ? site.kernels.gemmSparse : site.kernels.gemmGroups;
    // Sums go on from group to group, so a border of bands changes no bit; the kernels take rows in whole steps.
    if (start % (isSparse ? 16 : 8) !== 0) {
      throw unsupportedNode(
        site.identity,
        `bands that begin at a multiple of ${isSparse ? 16 : 8}`,
        `${start}`,
      );
    }
    const flags = (index === 0 ? 0 : FLAG_CONTINUE) | (index === bands.length - 1 ? FLAG_FINISH : 0);
    // What is fetched before a step is what it reads first.
    if (index === 0) site.reads(w);
    return () =>
      product(
        w.bits,
        w.group,
        x.rows.rows,
        w.rows,
        w.cols,
        x.pointer + start,
        x.rowBytes,
        x.scales,
        4,
        w.pointer,
        out.pointer,
        out.rowBytes,
        flags,
      );
  });
  const [only] = steps;
  if (steps.length === 1) return only;
  return () => {
    for (const step of steps) step();
  };
}

function quantize(site: StepSite): Step {
  const { quantizeRows } = site.kernels;
  const bits = integerAttribute(site.node, 'bits');
  if (bits !== 8) throw unsupportedNode(site.identity, '8 bits', `${bits} bits`);
  const x = site.float(0);
  const out = site.codeResult();
  const padTo = roundUp(x.cols, 8);
  return () =>
    quantizeRows(
      1,
      x.rows.rows,
      x.cols,
      x.pointer,
      0,
      x.rowBytes,
      out.pointer,
      0,
      out.rowBytes,
      padTo,
      out.scales,
      0,
      4,
    );
}

function rmsNorm(site: StepSite): Step {
  const { rmsNorm: kernel } = site.kernels;
  const x = site.float(0);
  const out = site.floatResult();
  const weight = site.floatConstant(1).pointer;
  const epsilon = Math.fround(floatAttribute(site.node, 'epsilon'));
  const headDim = optionalIntegerAttribute(site.node, 'headDim') ?? x.cols;
  // Each head is a batch of its own: a row of it is headDim columns of a token's.
  const heads = x.cols / headDim;
  const headBytes = headDim * 4;
  return () =>
    kernel(
      heads,
      x.rows.rows,
      headDim,
      x.pointer,
      headBytes,
      x.rowBytes,
      weight,
      out.pointer,
      headBytes,
      out.rowBytes,
      epsilon,
    );
}

function layerNorm(site: StepSite): Step {
  const { layerNorm: kernel } = site.kernels;
  const x = site.float(0);
  const out = site.floatResult();
  const weight = site.floatConstant(1).pointer;
  const bias = site.operands > 2 ? site.floatConstant(2).pointer : 0;
  const epsilon = Math.fround(floatAttribute(site.node, 'epsilon'));
  return () =>
    kernel(
      1,
      x.rows.rows,
      x.cols,
      x.pointer,
      0,
      x.rowBytes,
      weight,
      bias,
      out.pointer,
      0,
      out.rowBytes,
      epsilon,
    );
}

function rope(site: StepSite): Step {
  const { segments, sequences } = site.frame;
  const { rope: kernel } = site.kernels;
  const x = site.tokenRows(0);
  const out = site.floatResult();
  const width = integerAttribute(site.node, 'headDim');
  if (x.cols % width !== 0)
    throw unsupportedNode(site.identity, `columns a multiple of ${width}`, String(x.cols));
  const heads = x.cols / width;
  const layout = stringAttribute(site.node, 'layout') === 'half' ? ROPE_HALF : ROPE_INTERLEAVED;
  const table = site.floatConstant(1).pointer;
  const headBytes = width * 4;
  // A table row holds headDim/2 pairs, so as many bytes as a head.
  return () => {
    for (let s = 0; s < sequences.rows; s += 1) {
      const { first, rows, past } = segments[s];
      kernel(
        heads,
        rows,
        width,
        x.pointer + first * x.rowBytes,
        headBytes,
        x.rowBytes,
        table + past * headBytes,
        headBytes,
        out.pointer + first * out.rowBytes,
        headBytes,
        out.rowBytes,
        layout,
      );
    }
  };
}

/** The last row of each sequence, one behind the other. */
function takeLast(site: StepSite): Step {
  const { segments, sequences } = site.frame;
  const { copy } = site.kernels;
  const x = site.tokenRows(0);
  const out = site.floatResult();
  return () => {
    for (let s = 0; s < sequences.rows; s += 1) {
      const { first, rows } = segments[s];
      copy(
        1,
        1,
        x.cols,
        x.pointer + (first + rows - 1) * x.rowBytes,
        0,
        0,
        out.pointer + s * out.rowBytes,
        0,
        out.rowBytes,
      );
    }
  };
}

function unary(name: 'silu' | 'gelu' | 'relu'): HostOperation {
  return {
    inPlace: FIRST,
    step: (site) => {
      const kernel = site.kernels[name];
      const a = site.float(0);
      const out = site.floatResult();
      return () => kernel(1, a.rows.rows, a.cols, a.pointer, 0, a.rowBytes, out.pointer, 0, out.rowBytes);
    },
  };
}

/** Rank-1 operands come with a row stride of 0, so every row reads them. */
function binary(name: 'add' | 'mul' | 'siluMul'): HostOperation {
  return {
    inPlace: EITHER,
    step: (site) => {
      const kernel = site.kernels[name];
      const a = site.float(0);
      const b = site.float(1);
      const out = site.floatResult();
      return () =>
        kernel(
          1,
          out.rows.rows,
          out.cols,
          a.pointer,
          0,
          a.rowBytes,
          b.pointer,
          0,
          b.rowBytes,
          out.pointer,
          0,
          out.rowBytes,
        );
    },
  };
}

const OPERATIONS: Readonly<Record<string, HostOperation>> = {
  embedding: { inPlace: NOWHERE, step: embedding },
  positions: { inPlace: NOWHERE, step: positions },
  linear: { inPlace: NOWHERE, step: linear },
  quantize: { inPlace: NOWHERE, step: quantize },
  rmsNorm: { inPlace: FIRST, step: rmsNorm },
  layerNorm: { inPlace: FIRST, step: layerNorm },
  rope: { inPlace: FIRST, step: rope },
  stateAppend: { inPlace: NOWHERE, step: appendStep },
  attention: { inPlace: NOWHERE, scratchBytes: attentionScratchBytes, step: attentionStep },
  takeLast: { inPlace: NOWHERE, step: takeLast },
  add: binary('add'),
  mul: binary('mul'),
  siluMul: binary('siluMul'),
  silu: unary('silu'),
  gelu: unary('gelu'),
  relu: unary('relu'),
};

/** @throws BitloomError `host-op-unsupported` */
export function hostOperation(node: NodeIdentity): HostOperation {
  if (Object.hasOwn(OPERATIONS, node.op)) return OPERATIONS[node.op];
  throw unsupportedNode(
    node,
    Object.keys(OPERATIONS).join(', '),
    node.op,
    'training ops run in @bitloom/training',
  );
}
