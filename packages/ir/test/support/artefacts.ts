/**
 * Artefacts that use what the contract can say, more than any room uses yet: a model that trains itself, a program
 * over several cores, cards and slots, and a small one of each other kind. Plain values, made anew by each call.
 */
import {
  type Address,
  add,
  BF16,
  CHAIN_OF_16,
  ceilDivide,
  type Device,
  dense,
  type ElementFormat,
  FLOAT_NUMERICS,
  FP16,
  FP32,
  HBM2,
  type Instruction,
  integerNumerics,
  intFormat,
  type Model,
  type ModelBundle,
  memorySections,
  minimum,
  modulo,
  multiply,
  numericsKey,
  type Program,
  RESCALE_EACH_OUTPUT,
  type Report,
  STRIPED,
  symbol,
  type Trace,
} from '../../src/index.js';

const E4M3: ElementFormat = {
  name: 'e4m3fn',
  kind: 'float',
  bits: 8,
  signed: true,
  exponentBits: 4,
  mantissaBits: 3,
  bias: 7,
  specials: 'fn',
};
const E2M1: ElementFormat = {
  ...E4M3,
  name: 'e2m1',
  bits: 4,
  exponentBits: 2,
  mantissaBits: 1,
  bias: 1,
  specials: 'none',
};
const E8M0: ElementFormat = {
  ...E4M3,
  name: 'e8m0',
  signed: false,
  exponentBits: 8,
  mantissaBits: 0,
  bias: 127,
  specials: 'nan-only',
};

/** Bytes that differ from section to section. */
export function bytes(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 37 + seed * 101 + (i >>> 5)) & 255);
}

/**
 * A two-layer perceptron that trains itself: forward, backward and update entries over parameter, momentum and
 * running-statistics states, with explicit random inputs, and constants in every kind of quantised type.
 */
export function trainingModel(): ModelBundle {
  const [batch, hidden, classes] = [symbol('batch'), 64, 10];
  const weight = dense('f32', [hidden, 32]);
  const model: Model = {
    kind: 'model',
    name: 'mlp-training',
    family: 'perceptron',
    numerics: { ...FLOAT_NUMERICS, scheme: 'MLS-e2m1', specialFunctions: 'f16' },
    symbols: [
      { name: 'batch', min: 1, max: 256, perSlot: false },
      { name: 'past', min: 0, max: 4096, perSlot: true },
    ],
    constants: [
      {
        name: 'q4k',
        type: {
          kind: 'quantized',
          shape: [64, 256],
          element: intFormat(4),
          layout: 'canonical',
          scales: [
            {
              format: intFormat(6),
              block: [1, 32],
              direction: 'multiply',
              zero: { format: intFormat(6), kind: 'minimum' },
              rule: 'q4_k',
            },
            {
              format: FP16,
              block: [1, 256],
              direction: 'multiply',
              zero: { format: FP16, kind: 'minimum' },
              rule: 'q4_k',
            },
          ],
        },
        components: { codes: 'q4k.codes', scales: 'q4k.scales' },
      },
      {
        name: 'nvfp4',
        type: {
          kind: 'quantized',
          shape: [16, 64],
          element: E2M1,
          layout: 'canonical',
          scales: [
            { format: E4M3, block: [1, 16], direction: 'multiply', rule: 'amax/6' },
            { format: FP32, block: [0, 0], direction: 'divide', rule: 'amax/2688' },
          ],
        },
        components: { codes: 'nvfp4.codes' },
      },
      {
        name: 'mxfp4',
        type: {
          kind: 'quantized',
          shape: [16, 64],
          element: E2M1,
          layout: 'rows16',
          scales: [{ format: E8M0, block: [1, 32], direction: 'multiply', rule: 'floor' }],
        },
        components: {},
      },
      {
        name: 'sparse',
        type: {
          kind: 'quantized',
          shape: [32, 128],
          element: intFormat(8),
          layout: 'canonical',
          scales: [{ format: FP16, block: [1, 0], direction: 'multiply', rule: 'amax/127' }],
          sparsity: { kind: 'n-of-m', keep: [8, 4, 2], m: 16, block: [16, 16], indexBits: 4 },
        },
        components: {},
      },
      {
        name: 'shift',
        type: {
          kind: 'quantized',
          shape: [32, 128],
          element: intFormat(6),
          layout: 'canonical',
          scales: [{ format: FP32, block: [0, 0], direction: 'multiply', rule: 'amax' }],
          indexMap: { axis: 1, purpose: 'shift-group', groups: 4 },
          sparsity: { kind: 'block-mask', block: [16, 64] },
        },
        components: {},
      },
    ],
    states: [
      { name: 'w1', type: weight, purpose: 'parameter' },
      { name: 'w2', type: dense('f32', [classes, hidden]), purpose: 'parameter' },
      { name: 'm1', type: weight, purpose: 'optimizer' },
      { name: 'mean', type: { ...dense('bf16', [hidden]) }, purpose: 'statistics' },
      {
        name: 'keys',
        type: {
          kind: 'quantized',
          shape: [4, symbol('past'), 16],
          element: BF16,
          scales: [],
          layout: 'rows',
        },
        purpose: 'kv-cache',
      },
    ],
    functions: [
      {
        name: 'forward',
        inputs: [{ name: 'x', type: dense('f32', [batch, 32]) }],
        outputs: ['logits', 'h'],
        nodes: [
          { name: 'fc1', op: 'linear', inputs: ['x', 'w1'], outputs: ['h0'], attributes: {}, layer: 0 },
          { name: 'act', op: 'relu', inputs: ['h0'], outputs: ['h'], attributes: {}, layer: 0 },
          { name: 'fc2', op: 'linear', inputs: ['h', 'w2'], outputs: ['logits'], attributes: {}, layer: 1 },
        ],
        bindings: {},
        stateUpdates: {},
      },
      {
        name: 'backward',
        inputs: [
          { name: 'h', type: dense('f32', [batch, hidden]) },
          { name: 'dlogits', type: dense('f32', [batch, classes]) },
        ],
        outputs: ['dw2', 'dh'],
        nodes: [
          {
            name: 'fc2.dw',
            op: 'linearWeightGradient',
            inputs: ['dlogits', 'h'],
            outputs: ['dw2'],
            attributes: {},
            layer: 1,
          },
          {
            name: 'fc2.dx',
            op: 'linearInputGradient',
            inputs: ['dlogits', 'w2'],
            outputs: ['dh'],
            attributes: {},
            layer: 1,
          },
        ],
        bindings: { batch: 32 },
        stateUpdates: {},
      },
      {
        name: 'update',
        inputs: [
          { name: 'dw2', type: dense('f32', [classes, hidden]) },
          { name: 'random', type: dense('i32', [2]) },
        ],
        outputs: ['norm', 'w2.next'],
        nodes: [
          {
            name: 'step',
            op: 'sgdUpdate',
            inputs: ['w2', 'dw2', 'random'],
            outputs: ['w2.next', 'norm'],
            attributes: { rate: 0.1, name: 'sgd', nesterov: true, axes: [0, 1] },
          },
        ],
        bindings: { past: add(multiply(2, ceilDivide(symbol('batch'), 3)), -1) },
        stateUpdates: { w2: 'w2.next' },
      },
    ],
    text: {
      tokenizer: {
        kind: 'words',
        vocabulary: { b: 1, a: 0, constructor: 2 },
        scores: [0.5, -1],
        nested: { z: null, y: [true] },
      },
      chatTemplate: '{{ bos }}{% for m in messages %}[{{ m.role }}] {{ m.content }}{% endfor %}',
      bosId: 1,
      eosIds: [2, 0],
    },
    metadata: { parameters: 2688, source: 'test' },
  };
  const sections = memorySections({
    'q4k.codes': bytes(64 * 128, 1),
    'q4k.scales': bytes(64 * 12, 2),
    'nvfp4.codes': bytes(512, 3),
    unrelated: bytes(10, 4),
  });
  return { model, sections };
}

const local = (space: Address['space'], offset: Address['offset']): Address => ({
  space,
  channel: 0,
  register: 0,
  page: false,
  offset,
});

/** Two cores that pass a tile on, to each other and to another card, with paged keys and frames that can be moved. */
export function clusterProgram(): Program {
  const past = symbol('past');
  const paged: Address = {
    space: 'hbm',
    channel: STRIPED,
    register: 3,
    page: true,
    offset: multiply(64, past),
  };
  const peer: Address = { space: 'peer-core', channel: 1, register: 0, page: false, offset: 4096 };
  const card: Address = {
    space: 'peer-card',
    channel: 2,
    register: 5,
    page: false,
    offset: add(multiply(64, symbol('i0')), 128),
  };
  const of = (
    name: string,
    queue: Instruction['queue'],
    fields: Instruction['fields'],
    rest: Partial<Instruction> = {},
  ): Instruction => ({
    name,
    queue,
    wait: [],
    release: [],
    fields,
    origin: 0,
    ...rest,
  });
  const first: Instruction[] = [
    of('FRAME', 'system', { frame: 1 }),
    of('BASE', 'system', { register: 3, value: multiply(4096, modulo(past, 7)) }),
    of(
      'LD',
      'load',
      { dst: local('data', 0), src: paged, length: 64, count1: 1, count2: 1, kind: 1 },
      { release: ['matrix'], origin: 1 },
    ),
    of('LOOP', 'system', { trips: ceilDivide(add(past, 1), 16) }),
    of(
      'MV',
      'matrix',
      {
        mode: 1,
        bits: 8,
        batch: 4,
        bShare: 2,
        m: 1,
        n: minimum(16, add(past, multiply(-16, symbol('i0')))),
        k: 64,
        a: local('data', 0),
        b: local('stream', multiply(1024, symbol('i0'))),
        out: local('data', 8192),
        finish: 1,
      },
      { wait: ['load'], release: ['store'], origin: 2 },
    ),
    of(
      'ST',
      'store',
      { dst: card, src: local('data', 8192), length: 64, count1: 1, count2: 1 },
      { wait: ['matrix'], origin: 2 },
    ),
    of('END', 'system', {}),
    of(
      'ST',
      'store',
      { dst: peer, src: local('data', 8192), length: 256, count1: 1, count2: 1 },
      { origin: 2 },
    ),
    of('HALT', 'system', {}),
  ];
  const second: Instruction[] = [
    of('FRAME', 'system', { frame: 2 }),
    of('SYNC', 'exchange', { count: 2 }, { wait: ['store'], release: ['vector'] }),
    of(
      'VEC',
      'vector',
      {
        function: 7,
        batch: 1,
        rows: 1,
        cols: 64,
        src0: local('data', 4096),
        src1: local('data', 0),
        dst: local('data', 4096),
        immediate: Math.fround(1e-5),
      },
      { wait: ['exchange'], origin: 3 },
    ),
    of('HALT', 'system', {}),
  ];
  return {
    kind: 'program',
    name: 'cluster',
    instructionSet: '1.0',
    modelHash: `${'0'.repeat(63)}1`,
    shapeOnly: true,
    device: 'two-cores',
    deviceHash: 'ab'.repeat(32),
    numerics: integerNumerics('W4A8'),
    slots: 4,
    capacity: 2048,
    registers: [
      { index: 3, name: 'keys', doc: 'first page of the slot', pageTable: { pageBytes: 4096, entries: 512 } },
      { index: 5, name: 'peer', doc: 'window on the other card' },
    ],
    regions: [
      {
        name: 'w',
        space: 'hbm',
        channel: 4,
        offset: 65536,
        bytes: 8192,
        purpose: 'weights',
        contents: { from: 'constant', constant: 'w', component: 'codes', layout: 'rows16.u4.g32' },
      },
      {
        name: 'kv',
        space: 'hbm',
        channel: STRIPED,
        offset: 0,
        bytes: 65536,
        purpose: 'kv',
        contents: { from: 'zeros' },
      },
    ],
    entries: [
      {
        name: 'decode',
        inputs: [{ name: 'ids', region: 'kv', dtype: 'i32', shape: [symbol('slots')] }],
        outputs: [{ name: 'logits', region: 'kv', dtype: 'f32', shape: [1, 32000] }],
        symbols: [{ name: 'past', min: 0, max: 2047, perSlot: true }],
        streams: [
          { core: 0, instructions: first },
          { core: 1, instructions: second },
        ],
        frames: [
          {
            name: 'layer0',
            layer: 0,
            tile: 'all',
            core: 0,
            first: 0,
            count: 9,
            entryTokens: { 'load>matrix': 1 },
            live: [{ space: 'data', start: 0, end: 4096, name: 'x' }],
            entryPrefetch: [2],
            exitPrefetch: [],
            relocations: [
              { instruction: 2, field: 'src' },
              { instruction: 4, field: 'a' },
            ],
          },
          {
            name: 'layer1',
            layer: 1,
            tile: 'all',
            core: 1,
            first: 0,
            count: 4,
            entryTokens: {},
            live: [],
            entryPrefetch: [],
            exitPrefetch: [1],
            relocations: [{ instruction: 2, field: 'dst' }],
          },
        ],
      },
      {
        name: 'prefill',
        inputs: [],
        outputs: [],
        symbols: [],
        streams: [{ core: 0, instructions: [] }],
        frames: [],
      },
    ],
    provenance: [
      { node: '', op: 'control', layer: -1, tile: '' },
      { node: 'l0.k', op: 'stateAppend', layer: 0, tile: 'head 0' },
      { node: 'l0.attn', op: 'attention', layer: 0, tile: 'rows 0..16' },
      { node: 'l1.norm', op: 'rmsNorm', layer: 1, tile: '' },
    ],
    notes: ['ragged: 1 of 16 rows'],
  };
}

/** A card as small as a card can be. */
export function tinyDevice(): Device {
  return {
    kind: 'device',
    name: 'two-cores',
    title: 'Two small cores',
    source: 'made up for tests',
    clockHz: 225e6,
    cores: 2,
    lumpedSlrs: 1,
    matrix: {
      mm: { m: 8, n: 16, k: 8, startupCycles: 20 },
      mv: { m: 1, n: 16, k: 64, startupCycles: 12 },
      dsp: { kind: 'DSP58', count: 512, productsPerDsp: 3 },
      weightBits: [4, 8],
      keeps: [2, 4, 8],
      activationRows: 0,
      chain: CHAIN_OF_16,
      rescale: RESCALE_EACH_OUTPUT,
    },
    vector: { lanes: 16, exponentLanes: 0, startupCycles: 10, format: 'f32', build: 'mixed' },
    buffers: [
      { space: 'data', bytes: 65536, ports: 2, bytesPerCyclePerPort: 64 },
      { space: 'weights', bytes: 131072, ports: 1, bytesPerCyclePerPort: 64 },
    ],
    memories: [
      {
        space: 'hbm',
        kind: 'HBM2',
        channels: 8,
        bytesPerChannel: 2 ** 28,
        bytesPerSecondPerChannel: 14.375e9,
        interleaveBytes: 256,
        dram: HBM2,
        controllerNs: 20.5,
        efficiency: 0.9,
        scatteredEfficiency: 0.5,
      },
    ],
    exchange: { bytesPerCycle: 64, latencyCycles: 16 },
    dispatcher: {
      queueDepth: 8,
      cyclesPerInstruction: 1,
      cyclesPerOperation: 3,
      cyclesPerIteration: 2,
      loopDepth: 4,
      loopBufferInstructions: 256,
      barrierCycles: 0,
      groupBarriers: false,
    },
    tokens: { counterBits: 4, initialCredits: { 'matrix>load': 2 }, overflow: 'error' },
    numerics: [numericsKey(integerNumerics('integer'))],
    energy: {
      source: 'made up',
      sources: { product: 'a table', hbm: 'another table', static: 'a guess' },
      macPicojoules: 0.3,
      vectorElementPicojoules: 3,
      bytePicojoules: { data: 1.5, hbm: 31.2, weights: 1.25 },
      staticWatts: 12,
    },
    resources: { dsp: 1024, bram: 300, uram: 64, lut: 200000 },
    calibration: {
      timeDivisor: 1,
      published: false,
      fitted: [{ field: 'memories[0].efficiency', on: 'nothing' }],
    },
  };
}

/** A run of a few cycles whose figures add up. */
export function tinyReport(): Report {
  const unit = (core: number) => ({
    name: 'matrix',
    core,
    busy: 60,
    idle: 10,
    stall: { token: 5, memory: 15, bufferPort: 4, dispatch: 3, barrier: 3 },
    total: 100,
  });
  const memory = {
    name: 'hbm',
    kind: 'HBM2',
    bytes: { weights: 8000, kv: 1000, activations: 500, instructions: 400, other: 100, total: 10000 },
    peakBytesPerSecond: 115e9,
    utilization: 0.1957,
  };
  const phase = (name: 'prefill' | 'decode' | 'total') => ({
    name,
    seconds: 4.444e-7,
    cycles: 100,
    tokens: name === 'total' ? 2 : 1,
    joules: 1.5e-6,
    energy: {
      matrix: 5e-7,
      vector: 1e-7,
      buffers: 2e-7,
      memories: 3e-7,
      static: 4e-7,
      spaces: { hbm: 3e-7 },
    },
    macs: 4096,
    instructions: 13,
    units: [unit(0), unit(1)],
    memories: [memory],
    layers: [
      { name: 'layer 0', layer: 0, cycles: { matrix: 60, vector: 12 }, macs: 4096, memoryBytes: 9000 },
    ],
    ops: [{ name: 'attention', layer: -1, cycles: { matrix: 60 }, macs: 4096, memoryBytes: 9000 }],
  });
  return {
    kind: 'report',
    model: 'mlp',
    device: 'two-cores',
    scheme: 'W4A8',
    clockHz: 225e6,
    prefillTokens: 1,
    decodeTokens: 1,
    mode: 'both',
    totals: {
      prefillSeconds: 4.444e-7,
      decodeSeconds: 4.444e-7,
      decodeTokensPerSecond: 2250000,
      joules: 3e-6,
      joulesPerToken: 1.5e-6,
      instructionBytes: { total: 400, unbucketed: 90000, bucketed: 8000, resolved: 400 },
    },
    phases: [phase('prefill'), phase('decode'), phase('total')],
    units: [unit(0), unit(1)],
    memories: [memory],
    notes: ['padded 3 columns'],
  };
}

/** A trace of `rows` executions. */
export function tinyTrace(rows = 3): Trace {
  const column = (step: number) => Float64Array.from({ length: rows }, (_, i) => i * step + 0.5);
  return {
    kind: 'trace',
    model: 'mlp',
    device: 'two-cores',
    clockHz: 225e6,
    units: ['load', 'matrix'],
    provenance: [{ node: 'fc1', op: 'linear', layer: 0, tile: '' }],
    rows,
    dropped: 1,
    memories: [{ space: 'hbm', bucketCycles: 2, bytes: [64, 0.5] }],
    channels: [{ space: 'hbm', channels: 2, bucketCycles: 4, bytes: Float64Array.of(32, 16, 0.5, 0) }],
    columns: {
      unit: Uint8Array.from({ length: rows }, (_, i) => i % 2),
      core: Uint8Array.from({ length: rows }, (_, i) => i % 3),
      start: column(10),
      end: column(11),
      waited: column(1),
      cause: Uint8Array.from({ length: rows }, (_, i) => i % 6),
      stalled: column(2),
      blocker: Int32Array.from({ length: rows }, (_, i) => i - 1),
      origin: new Uint32Array(rows).fill(0),
      opcode: new Uint8Array(rows).fill(4),
    },
  };
}
