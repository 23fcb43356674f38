/**
 * The plan of an entry: what each value is, where in the workspace it lies, and which values share bytes because
 * they never live at the same time or because an op may write over its operand. Offsets are relative to the
 * workspace, which all entries of a model share. A model over several memories has a workspace in each, laid out the
 * same, so a value that goes from one to the next finds its place free.
 */
import { formatType, type ValueType } from '@bitloom/ir';
import { type HostGraph, type HostNode, sameShape } from './host-graph.js';
import { hostOperation } from './operations.js';
import { unsupportedNode } from './unsupported.js';
import { type BufferRequest, placeBuffers, roundUp } from './workspace.js';

/** Lengths a plan has room for. */
export interface PlanLimits {
  /** Most tokens per call of the compiled steps, all sequences together. */
  readonly chunk: number;
  /** Most sequences per call. */
  readonly sequences: number;
  /** Most tokens in the context. */
  readonly capacity: number;
}

/** A value in the workspace. */
export interface PlannedValue {
  readonly kind: 'f32' | 'i32' | 'int8';
  /** A row per token of the call, a row per sequence in it, or a fixed number for values of constants alone. */
  readonly rows: number | 'tokens' | 'sequences';
  readonly maxRows: number;
  readonly cols: number;
  /** Bytes from one row to the next. */
  readonly rowBytes: number;
  readonly offset: number;
  /** Offset of the float32 row scales of int8 values. */
  readonly scalesOffset: number;
}

export interface EntryPlan {
  readonly graph: HostGraph;
  readonly limits: PlanLimits;
  readonly values: ReadonlyMap<string, PlannedValue>;
  /** Offset of the scratch of each node, in node order; 0 where it needs none. */
  readonly scratch: readonly number[];
  /** Size of the workspace this entry needs. */
  readonly bytes: number;
}

type UnplacedValue = Omit<PlannedValue, 'offset' | 'scalesOffset'>;

/** int8 rows are padded to this, so that products may read whole steps past the last column. */
const CODE_ROW_MULTIPLE = 16;

/** @throws BitloomError `host-op-unsupported` for an op or a value the interpreter has no form for. */
export function planEntry(graph: HostGraph, limits: PlanLimits): EntryPlan {
  const shapes = new Map<string, UnplacedValue>();
  const describe = (name: string, user: Pick<HostNode, 'name' | 'op'>): void => {
    const type = graph.types.get(name);
    if (type !== undefined) shapes.set(name, describeValue(name, type, graph, limits, user));
  };
  describe(graph.ids, { name: graph.function.name, op: 'input' });
  for (const node of graph.nodes) {
    hostOperation(node);
    if (!graph.stateOf.has(node.output)) describe(node.output, node);
  }

  const lastUse = findLastUses(graph);
  const bufferOf = new Map<string, number>();
  const buffers: { bytes: number; first: number; last: number }[] = [];
  const open = (bytes: number, first: number, last: number): number =>
    buffers.push({ bytes, first, last }) - 1;
  const ids = shapes.get(graph.ids);
  if (ids !== undefined) bufferOf.set(graph.ids, open(bytesOf(ids), 0, lastUse.get(graph.ids) ?? 0));

  const scratchBuffers: (number | undefined)[] = [];
  graph.nodes.forEach((node, index) => {
    const operation = hostOperation(node);
    const scratchBytes = operation.scratchBytes?.(node.source, limits) ?? 0;
    scratchBuffers.push(scratchBytes > 0 ? open(scratchBytes, index, index) : undefined);
    const shape = shapes.get(node.output);
    if (shape === undefined) return;
    const last = lastUse.get(node.output) ?? index;
    const reused = operation.inPlace
      .map((operand) => node.inputs[operand])
      .find((name) => mayOverwrite(name, node.output, index, graph, lastUse, bufferOf));
    const buffer = reused === undefined ? undefined : bufferOf.get(reused);
    if (buffer === undefined) {
      bufferOf.set(node.output, open(bytesOf(shape), index, last));
    } else {
      buffers[buffer].last = last;
      bufferOf.set(node.output, buffer);
    }
  });

  const placement = placeBuffers(buffers satisfies BufferRequest[]);
  const values = new Map<string, PlannedValue>();
  for (const [name, buffer] of bufferOf) {
    const shape = shapes.get(name);
    if (shape === undefined) continue;
    const offset = placement.offsets[buffer];
    values.set(name, { ...shape, offset, scalesOffset: offset + codeBytes(shape) });
  }
  const scratch = scratchBuffers.map((buffer) => (buffer === undefined ? 0 : placement.offsets[buffer]));
  return { graph, limits, values, scratch, bytes: placement.bytes };
}

function describeValue(
  name: string,
  type: ValueType,
  graph: HostGraph,
  limits: PlanLimits,
  user: Pick<HostNode, 'name' | 'op'>,
): UnplacedValue {
  const count = graph.rowsOf(type);
  const isVarying = graph.varying.has(name);
  // One row that depends on the sequence is a row per sequence; several would be several per sequence.
  if (count === undefined || (isVarying && count !== 'tokens' && count !== 1))
    throw unsupportedNode(user, 'one row per token, or a fixed number of rows', formatType(type));
  const rows: PlannedValue['rows'] = isVarying && count === 1 ? 'sequences' : count;
  const maxRows = rows === 'tokens' ? limits.chunk : rows === 'sequences' ? limits.sequences : rows;
  const common = { rows, maxRows };
  if (type.kind === 'dense' && type.dtype === 'i32' && type.shape.length === 1) {
    return { ...common, kind: 'i32', cols: 1, rowBytes: 4 };
  }
  const cols = type.shape[1];
  if (type.shape.length !== 2 || typeof cols !== 'number') {
    throw unsupportedNode(user, 'a matrix with a fixed number of columns', formatType(type));
  }
  if (type.kind === 'dense' && type.dtype === 'f32')
    return { ...common, kind: 'f32', cols, rowBytes: cols * 4 };
  if (type.kind === 'quantized' && type.element.name === 'int8' && type.layout === 'rows') {
    return { ...common, kind: 'int8', cols, rowBytes: roundUp(cols, CODE_ROW_MULTIPLE) };
  }
  throw unsupportedNode(user, 'a value of type f32, i32, or int8 per row', formatType(type));
}

/** Bytes before the scales, which are float32 and so stay aligned. */
function codeBytes(value: UnplacedValue): number {
  return value.maxRows * value.rowBytes;
}

function bytesOf(value: UnplacedValue): number {
  return codeBytes(value) + (value.kind === 'int8' ? value.maxRows * 4 : 0);
}

/** Last node index that reads each value; outputs live to the end. */
export function findLastUses(graph: HostGraph): Map<string, number> {
  const last = new Map<string, number>();
  graph.nodes.forEach((node, index) => {
    for (const name of node.inputs) last.set(name, index);
  });
  last.set(graph.logits, graph.nodes.length);
  return last;
}

function mayOverwrite(
  name: string,
  result: string,
  index: number,
  graph: HostGraph,
  lastUse: ReadonlyMap<string, number>,
  bufferOf: ReadonlyMap<string, number>,
): boolean {
  const dies = bufferOf.has(name) && lastUse.get(name) === index;
  return dies && name !== graph.ids && sameShape(graph.types.get(name), graph.types.get(result));
}
