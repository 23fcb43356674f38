/**
 * The compiler's analytic cost of a cut of a matrix beside the simulator's time of the same product. A product is timed
 * in a graph of nothing else: the cycles that two more of them take, halved, so that what stands before and behind the
 * products is no part of it. Without a memory of bytes: shapes alone.
 */
import { compile, splitInner, tiledCycles } from '@bitloom/compiler';
import { dense, encodedLength, FP16, integerNumerics, intFormat, symbol } from '@bitloom/ir';
import { simulate } from '@bitloom/simulator';

const CONTEXT = 128;
const VOCABULARY = 64;
const NO_BYTES = { total: 0, unbucketed: 0, bucketed: 0, resolved: 0 };

/** `count` products of the same activations with weights of one type, added up. */
function productsModel(type, count) {
  const [, cols] = type.shape;
  const names = Array.from({ length: count }, (_, i) => `weight.${i}`);
  const scales = [{ format: FP16, block: [1, 32], direction: 'multiply', rule: 'amax/127' }];
  const table = {
    kind: 'quantized',
    shape: [VOCABULARY, cols],
    element: intFormat(8),
    scales,
    layout: 'canonical',
  };
  const build = (name, seq) => {
    const nodes = [];
    const node = (op, inputs, attributes = {}) => {
      const output = `v${nodes.length}`;
      nodes.push({ name: `${op}.${nodes.length}`, op, inputs, outputs: [output], attributes });
      return output;
    };
    const codes = node('quantize', [node('embedding', ['tokens', 'table'])], { bits: 8 });
    let sum;
    for (const weight of names) {
      const product = node('linear', [codes, weight]);
      sum = sum === undefined ? product : node('add', [sum, product]);
    }
    return {
      name,
      inputs: [{ name: 'tokens', type: dense('i32', [seq]) }],
      outputs: [name === 'prefill' ? node('takeLast', [sum]) : sum],
      nodes,
      bindings: name === 'decode' ? { seq: 1 } : {},
      stateUpdates: {},
    };
  };
  return {
    kind: 'model',
    name: 'products',
    family: 'llama',
    numerics: integerNumerics('W4A8'),
    symbols: [
      { name: 'seq', min: 1, max: CONTEXT, perSlot: true },
      { name: 'past', min: 0, max: CONTEXT - 1, perSlot: true },
    ],
    constants: [
      { name: 'table', type: table, components: {} },
      ...names.map((name) => ({ name, type, components: {} })),
    ],
    states: [],
    functions: [build('prefill', symbol('seq')), build('decode', 1)],
    metadata: {},
  };
}

/** The card without barriers of groups, whose price is no matter of tiles. */
export function withoutBarriers(device) {
  return { ...device, dispatcher: { ...device.dispatcher, groupBarriers: false } };
}

/**
 * What the compiler's search is asked for a weight on a card: the part of a core, its slot and its share of the memory.
 *
 * @returns {{ matrix: object, slotBytes: number, bytesPerCycle: number }}
 */
export function searchOf(type, device, entry) {
  let search;
  const chooseTile = (matrix, slotBytes, bytesPerCycle) => {
    search = { matrix, slotBytes, bytesPerCycle };
    return splitInner(matrix, 16, slotBytes);
  };
  compile(productsModel(type, 1), device, { capacity: CONTEXT, entries: [entry], chooseTile });
  return search;
}

/** Cuts of every kind: few rows and many, in as few parts of the inner length as fit, and in twice and four times as many. */
export function someTiles({ matrix, slotBytes }, { matrix: engine }) {
  const padded = Math.ceil(matrix.rows / 16) * 16;
  const rows = [16, 32, 64, 128, 256, engine.mv.n, 2 * engine.mv.n, engine.mm.n, 2 * engine.mm.n, padded];
  const tiles = new Map();
  for (const count of new Set(rows.map((n) => Math.min(padded, Math.ceil(n / 16) * 16)))) {
    for (const share of [1, 2, 4]) {
      const tile = splitInner(matrix, count, slotBytes / share);
      if (tile !== undefined) tiles.set(`${count} ${tile.kParts.length}`, tile);
    }
  }
  return [...tiles.values()];
}

/** Analytic cycles of `tokens` rows of activations, in chunks of `chunk`. */
export function analyticCycles({ matrix, bytesPerCycle }, tile, tokens, chunk, device) {
  const mode = tokens === 1 ? device.matrix.mv : device.matrix.mm;
  return (tokens / chunk) * tiledCycles(matrix, tile, chunk, mode, bytesPerCycle, device);
}

/** Simulated cycles of one product among others, and rows of activations of each of its chunks. */
export function simulatedCycles(type, tile, tokens, device) {
  const entry = tokens === 1 ? 'decode' : 'prefill';
  const cycles = [2, 4].map((count) => {
    const program = compile(productsModel(type, count), device, {
      capacity: CONTEXT,
      entries: [entry],
      maxChunk: tokens,
      chooseTile: () => tile,
    });
    const chunk = Number(/chunks of (\d+) tokens/.exec(program.notes.join('\n'))[1]);
    const { report } = simulate(program, device, {
      prefill: tokens === 1 ? 0 : tokens,
      decode: tokens === 1 ? 1 : 0,
      model: 'products',
      instructionBytes: NO_BYTES,
      encodedLength,
    });
    return { chunk, cycles: report.phases.find(({ name }) => name === entry).cycles };
  });
  return {
    chunk: cycles[1].chunk,
    isSame: cycles[0].chunk === cycles[1].chunk,
    cycles: (cycles[1].cycles - cycles[0].cycles) / 2,
  };
}

/** Correlation of two series by value. */
export function pearson(a, b) {
  const mean = (list) => list.reduce((sum, value) => sum + value, 0) / list.length;
  const [meanA, meanB] = [mean(a), mean(b)];
  let [both, ownA, ownB] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    both += (a[i] - meanA) * (b[i] - meanB);
    ownA += (a[i] - meanA) ** 2;
    ownB += (b[i] - meanB) ** 2;
  }
  return both / Math.sqrt(ownA * ownB);
}

/** Correlation of two series by rank; equal values share the mean of their ranks. */
export function spearman(a, b) {
  return pearson(ranks(a), ranks(b));
}

function ranks(values) {
  const order = values.map((_, i) => i).sort((i, j) => values[i] - values[j]);
  const out = new Array(values.length);
  for (let first = 0; first < order.length; ) {
    let end = first + 1;
    while (end < order.length && values[order[end]] === values[order[first]]) end++;
    for (let i = first; i < end; i++) out[order[i]] = (first + end - 1) / 2;
    first = end;
  }
  return out;
}
