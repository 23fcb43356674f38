/**
 * `compile`: graph x device -> program. Plans each entry (tokens per chunk, heads per block), places constants
 * and state, emits instructions and inserts tokens. It executes nothing.
 */
import {
  BitloomError,
  type Device,
  deviceHash,
  FLOAT_NUMERICS,
  findFunction,
  type GraphFunction,
  INSTRUCTION_SET_VERSION,
  isShapeOnly,
  type Model,
  memorySections,
  modelHash,
  numericsKey,
  type Program,
  type ProgramEntry,
  type Provenance,
  type SectionSource,
  verifyModel,
} from '@bitloom/ir';
import type { ChooseTile } from './cost.js';
import type { EntryPlan } from './emitter.js';
import { buildEntry, type EntryContext, takesOneToken } from './entry.js';
import { MemoryImage, REGISTERS } from './image.js';
import { itemsPerCore } from './partition.js';
import { checkResources, resourceNotes } from './resources/resources.js';

export interface CompileOptions {
  /** Entries to compile; default: those of `prefill` and `decode` that the model has. */
  readonly entries?: readonly string[];
  /** Longest context the memory image has room for; default: the model's, at most 4096. */
  readonly capacity?: number;
  /** Identity of the model with its weights, from `modelHash` of `ir`; default: of its header alone. */
  readonly modelHash?: string;
  /** Identity of the device; default: worked out here. */
  readonly deviceHash?: string;
  /** Most tokens per chunk that the planner tries; default 128. */
  readonly maxChunk?: number;
  /**
   * Whether activations of a decode step stay on chip (default). Without, nothing is fused: what a node puts out goes to
   * memory and is read back, head by head in attention. For ablation.
   */
  readonly onchipDecode?: boolean;
  /** Whether N:M sparse weights stay sparse (default). Without, their zeros are stored and computed. For ablation. */
  readonly sparseChains?: boolean;
  /**
   * Bytes of the model. With them, prefill leaves out the blocks of attention that a mask hides; without, it computes
   * them and hides them then. The results are the same.
   */
  readonly sections?: SectionSource;
  /** How weights are cut into tiles that fit a slot; default: as the analytic cost says. To check that cost. */
  readonly chooseTile?: ChooseTile;
  /** Called with the share of the entries that is done, 0 to 1, for a progress bar. */
  readonly onProgress?: (share: number) => void;
}

const DEFAULT_CAPACITY = 4096;
const DEFAULT_CHUNK = 128;

/**
 * Compiles a model for a device.
 * @throws BitloomError `compiler-numerics-unsupported` (the card lacks the model's numerics),
 *   `compiler-op-unsupported`, `compiler-does-not-fit` (which buffer, by how much), `compiler-capacity`,
 *   `compiler-chunk`, `compiler-entry-unknown`, what `verifyModel` throws, `compiler-weight-unsupported`,
 *   `compiler-device-unsupported`, `resources-exceeded` for a card that does not fit its own budget
 */
export function compile(model: Model, device: Device, options: CompileOptions = {}): Program {
  const key = numericsKey(model.numerics);
  if (!device.numerics.includes(key)) {
    const isFloat = key === numericsKey(FLOAT_NUMERICS);
    const why = isFloat
      ? ', which are float32, of dequantised weights where it has them: cards compute W8A8 and W4A8'
      : '';
    throw new BitloomError({
      code: 'compiler-numerics-unsupported',
      message: `the card '${device.name}' does not compute the numerics of scheme '${model.numerics.scheme}'${why}`,
      where: `device '${device.name}'`,
      expected: device.numerics.join('; '),
      got: key,
      hint: 'choose a scheme such as W8A8 or W4A8, or run on the host (--device host)',
    });
  }
  checkResources(device);
  verifyModel(model);
  const capacity = chooseCapacity(model, options.capacity);
  const maxChunk = options.maxChunk ?? DEFAULT_CHUNK;
  if (!Number.isSafeInteger(maxChunk) || maxChunk < 1) {
    throw new BitloomError({
      code: 'compiler-chunk',
      message: 'the longest chunk is out of range',
      expected: 'a positive integer',
      got: String(maxChunk),
    });
  }
  const names =
    options.entries ?? ['prefill', 'decode'].filter((name) => findFunction(model, name) !== undefined);
  const image = new MemoryImage(
    model,
    device,
    capacity,
    options.sparseChains,
    options.chooseTile,
    options.sections,
  );
  const provenance: Provenance[] = [{ node: 'entry', op: 'system', layer: -1, tile: '' }];
  const ctx: EntryContext = { model, device, image, capacity, provenance, provenanceIndex: new Map() };
  const notes: string[] = [];
  if (options.onchipDecode === false)
    notes.push('decode: nothing is fused, results of every node and head go to memory and come back');
  if (options.sparseChains === false) notes.push('zeros of sparse weights are stored and computed');
  const entries = names.map((name, index) => {
    const fn = findFunction(model, name);
    if (fn === undefined) {
      throw new BitloomError({
        code: 'compiler-entry-unknown',
        message: `the model has no entry '${name}'`,
        where: `model '${model.name}'`,
        expected: model.functions.map((f) => f.name).join(', '),
        got: name,
      });
    }
    const { onProgress, onchipDecode = true } = options;
    let furthest = 0;
    const onEmitted = (share: number): void => {
      // A plan that does not fit is begun again, and micro-batches take turns: the bar stands still meanwhile.
      if (share <= furthest) return;
      furthest = share;
      onProgress?.((index + share) / names.length);
    };
    const entry = planEntry({ ...ctx, onEmitted }, fn, maxChunk, onchipDecode, notes);
    onProgress?.((index + 1) / names.length);
    return entry;
  });
  return {
    kind: 'program',
    name: `${model.name} on ${device.name}`,
    instructionSet: INSTRUCTION_SET_VERSION,
    modelHash: options.modelHash ?? modelHash(shapesOnly(model), memorySections({})),
    shapeOnly: isShapeOnly(model),
    device: device.name,
    deviceHash: options.deviceHash ?? deviceHash(device),
    numerics: model.numerics,
    slots: 1,
    capacity,
    registers: REGISTERS.map((register) => ({ ...register })),
    regions: image.regions,
    entries,
    provenance,
    notes: [...new Set([...resourceNotes(device), ...image.notes, ...notes])],
  };
}

/** The model without its bytes: what can be hashed where there are none. */
function shapesOnly(model: Model): Model {
  return { ...model, constants: model.constants.map((constant) => ({ ...constant, components: {} })) };
}

/** Positions that symbols, caches and position tables all have room for. */
function longestContext(model: Model): number {
  const past = model.symbols.find((symbol) => symbol.name === 'past');
  const rooms = [past === undefined ? DEFAULT_CAPACITY : past.max + 1];
  const rows = (name: string | undefined, axis: number): void => {
    const type = [...model.states, ...model.constants].find((decl) => decl.name === name)?.type;
    const dim = type?.shape[axis];
    if (typeof dim === 'number') rooms.push(dim);
  };
  for (const state of model.states) if (state.purpose === 'kv-cache') rows(state.name, 1);
  for (const fn of model.functions)
    for (const node of fn.nodes) if (node.op === 'rope') rows(node.inputs[1], 0);
  return Math.min(...rooms);
}

function chooseCapacity(model: Model, asked: number | undefined): number {
  const max = longestContext(model);
  const capacity = asked ?? Math.min(max, DEFAULT_CAPACITY);
  if (!Number.isSafeInteger(capacity) || capacity < 1 || capacity > max) {
    throw new BitloomError({
      code: 'compiler-capacity',
      message: 'the context length is out of range',
      expected: `1 to ${max}`,
      got: String(capacity),
    });
  }
  return capacity;
}

/** Shortest chunk that is worth two micro-batches: each has its own loads of the weights. */
const LEAST_ALTERNATING = 32;

/** Plans in order of preference: the largest chunk, and for it the most key heads per block. */
function* plans(
  name: string,
  isSingle: boolean,
  kvHeads: number,
  maxChunk: number,
  spills: boolean,
  alternates: boolean,
): Generator<EntryPlan> {
  let chunk = isSingle ? 1 : maxChunk;
  while (chunk >= 1) {
    const most = spills ? 1 : kvHeads;
    for (let headBlock = most; headBlock >= 1; headBlock = headBlock === 1 ? 0 : Math.ceil(headBlock / 2))
      for (const isSpread of [true, false])
        yield {
          name,
          chunk,
          headBlock,
          spills,
          microBatches: alternates && chunk >= LEAST_ALTERNATING && chunk % 2 === 0 ? 2 : 1,
          isSpread,
        };
    chunk = Math.floor(chunk / 2);
  }
}

function planEntry(
  ctx: EntryContext,
  fn: GraphFunction,
  maxChunk: number,
  onchipDecode: boolean,
  notes: string[],
): ProgramEntry {
  const kvHeads = Math.max(
    1,
    ...fn.nodes
      .filter((n) => n.op === 'attention')
      .map((n) => itemsPerCore(Number(n.attributes.kvHeads ?? 1), ctx.device.cores, 1)),
  );
  const { activationRows } = ctx.device.matrix;
  const held = activationRows === 0 ? maxChunk : Math.min(maxChunk, activationRows);
  const longest = Math.min(held, 2 ** Math.ceil(Math.log2(ctx.capacity)));
  let failure: unknown;
  const isSingle = takesOneToken(fn);
  const spills = isSingle && !onchipDecode;
  // Barriers of groups would end what alternates.
  const alternates = !isSingle && !ctx.device.dispatcher.groupBarriers;
  for (const plan of plans(fn.name, isSingle, kvHeads, longest, spills, alternates)) {
    // Provenance of a plan that did not fit is dropped with it.
    const attempt: EntryContext = {
      ...ctx,
      provenance: [...ctx.provenance],
      provenanceIndex: new Map(ctx.provenanceIndex),
    };
    try {
      const { dataPeak, ...entry } = buildEntry(attempt, fn, plan);
      ctx.provenance.splice(0, ctx.provenance.length, ...attempt.provenance);
      for (const [k, v] of attempt.provenanceIndex) ctx.provenanceIndex.set(k, v);
      notes.push(
        `${fn.name}: chunks of ${plan.chunk} tokens, ${plan.headBlock} key heads per block, ${dataPeak} bytes of the data buffer`,
      );
      return entry;
    } catch (error) {
      if (!(error instanceof BitloomError) || error.code !== 'compiler-does-not-fit') throw error;
      failure = error;
    }
  }
  throw failure;
}
