/**
 * Cards as data. `u280` and `vhk158` are plain uses of each board; the `-flightllm` cards carry the published
 * configuration of the FlightLLM artefact (arXiv 2401.03868); `u280-bitloom` is our own use of the U280. `u280` and
 * `vhk158` lump their SLRs into one core (`lumpedSlrs`), `u280-flightllm` and `u280-bitloom` have a core per SLR, and
 * `vhk158-flightllm` times one SLR. Every figure without a source is a choice of ours and named so in `source`.
 */
import { BitloomError } from '../error.js';
import { integerNumerics } from '../model/numerics.js';
import { CHAIN_OF_16 } from './chain.js';
import {
  type Device,
  type EnergyTable,
  type MatrixEngine,
  type MemoryDecl,
  numericsKey,
  type ResourceBudget,
  type VectorEngine,
} from './device.js';
import type { DramStandard } from './dram.js';
import { DDR4_2400, HBM2, HBM2E } from './dram-standards.js';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Controller and interconnect: a choice of ours, for both kinds of memory, ns. */
const CONTROLLER_NS = 60;

function hbm(
  dram: DramStandard,
  totalBytesPerSecond: number,
  bytesPerChannel: number,
  efficiency = 1,
  scatteredEfficiency?: number,
): MemoryDecl {
  return {
    space: 'hbm',
    kind: dram.name,
    channels: 32,
    bytesPerChannel,
    bytesPerSecondPerChannel: totalBytesPerSecond / 32,
    interleaveBytes: 256,
    dram,
    controllerNs: CONTROLLER_NS,
    efficiency,
    ...(scatteredEfficiency === undefined ? {} : { scatteredEfficiency }),
  };
}

function ddr4(totalBytesPerSecond: number, channels: number): MemoryDecl {
  return {
    space: 'ddr',
    kind: DDR4_2400.name,
    channels,
    bytesPerChannel: 16 * 1024 * MIB,
    bytesPerSecondPerChannel: totalBytesPerSecond / channels,
    interleaveBytes: 4096,
    dram: DDR4_2400,
    controllerNs: CONTROLLER_NS,
    efficiency: 1,
  };
}

const HOROWITZ = 'Horowitz, ISSCC 2014, 45 nm';
const BRAM_SOURCE = `${HOROWITZ}: 64 bits of an 8 KB memory, 10 pJ; a BRAM has 4.5 KB`;
const URAM_SOURCE = `${HOROWITZ}: 64 bits of a 32 KB memory, 20 pJ; an URAM has 36 KB`;

/** Power of a U280 at rest, and where it comes from: see {@link U280_FLIGHTLLM}. */
const U280_STATIC_WATTS = 38;
/** Listed by every card, for all take it. */
const FITTED_STATIC = {
  field: `energy.staticWatts, ${U280_STATIC_WATTS}`,
  on: 'the power of u280-flightllm: LLaMA2-7B, decode at KV 128, about 45 W in all',
};
const STATIC_SOURCE =
  'what about 45 W of a U280 in all (FlightLLM, arXiv 2401.03868) leave of the figures above in decode at KV 128';

/**
 * Energy per event, as published. Figures of 45 nm are not scaled to the 16 nm and 7 nm of the boards: that gain is left
 * to programmable routing, which an ASIC does not have.
 */
function energy(staticSource = STATIC_SOURCE): EnergyTable {
  return {
    source:
      "arithmetic, SRAM and DDR: Horowitz, ISSCC 2014; HBM: O'Connor et al., MICRO 2017; static: of FlightLLM's power",
    sources: {
      product: `${HOROWITZ}: 8-bit multiply 0.2 pJ, 32-bit add 0.1 pJ`,
      vectorElement: `${HOROWITZ}: float32 multiply 3.7 pJ, add 0.9 pJ`,
      hbm: "O'Connor et al., MICRO 2017: HBM2, 3.92 pJ per bit",
      ddr: `${HOROWITZ}: DRAM, 64 bits for 1.3 nJ or more`,
      weights: BRAM_SOURCE,
      stream: BRAM_SOURCE,
      data: URAM_SOURCE,
      accumulator: BRAM_SOURCE,
      index: BRAM_SOURCE,
      static: staticSource,
    },
    macPicojoules: 0.3,
    vectorElementPicojoules: 4.6,
    bytePicojoules: {
      hbm: 31.36,
      ddr: 162.5,
      weights: 1.25,
      stream: 1.25,
      data: 2.5,
      accumulator: 1.25,
      index: 1.25,
    },
    staticWatts: U280_STATIC_WATTS,
  };
}

const U280_BUDGET: ResourceBudget = { dsp: 9024, bram: 2016, uram: 960, lut: 1303680 };
const VHK158_BUDGET: ResourceBudget = { dsp: 7392, bram: 3741, uram: 1301, lut: 1802240 };

/** INT8 activations, INT8 or INT4 KV cache, float32 special functions: W8A8, W4A8 and what else shares their points. */
const INTEGER_NUMERICS = ([8, 4] as const).map((bits) => numericsKey(integerNumerics('integer', bits)));

const DISPATCHER = {
  queueDepth: 16,
  cyclesPerInstruction: 1,
  cyclesPerOperation: 1,
  cyclesPerIteration: 2,
  loopDepth: 4,
  loopBufferInstructions: 256,
  barrierCycles: 0,
  groupBarriers: false,
};

/** A link of 512 bits between dies, behind the registers of a crossing: a choice of ours. */
const EXCHANGE = { bytesPerCycle: 64, latencyCycles: 16 };

const TOKENS = { counterBits: 8, initialCredits: {}, overflow: 'error' } as const;

const U280: Device = {
  kind: 'device',
  name: 'u280',
  title: 'AMD Alveo U280, one lumped core of 3 SLRs',
  source:
    'board: 460 GB/s HBM2, 38 GB/s DDR4, 9024 DSP, 225 MHz as FlightLLM (arXiv 2401.03868); engine 3 x 2x16x128 derived there; buffers and special-function lanes: ours',
  clockHz: 225e6,
  cores: 1,
  lumpedSlrs: 3,
  matrix: {
    mm: { m: 2, n: 384, k: 16, startupCycles: 24 },
    mv: { m: 1, n: 192, k: 32, startupCycles: 24 },
    dsp: { kind: 'DSP48E2', count: 6144, productsPerDsp: 2 },
    weightBits: [4, 8],
    keeps: [2, 4, 8, 16],
    activationRows: 0,
    chain: CHAIN_OF_16,
    rescale: { units: 384, build: 'dsp' },
  },
  vector: { lanes: 96, exponentLanes: 16, startupCycles: 24, format: 'f32', build: 'mixed' },
  buffers: [
    { space: 'weights', bytes: 2 * MIB, ports: 2, bytesPerCyclePerPort: 2304, storage: 'bram' },
    { space: 'stream', bytes: MIB, ports: 2, bytesPerCyclePerPort: 1536, storage: 'bram' },
    { space: 'data', bytes: 24 * MIB, ports: 4, bytesPerCyclePerPort: 1536, storage: 'uram' },
    { space: 'accumulator', bytes: MIB / 2, ports: 2, bytesPerCyclePerPort: 1536, storage: 'bram' },
  ],
  memories: [hbm(HBM2, 460e9, 256 * MIB), ddr4(38.4e9, 2)],
  exchange: EXCHANGE,
  dispatcher: DISPATCHER,
  tokens: TOKENS,
  numerics: INTEGER_NUMERICS,
  energy: energy(),
  resources: U280_BUDGET,
  calibration: { timeDivisor: 1, published: false, fitted: [FITTED_STATIC] },
};

const VHK158: Device = {
  ...U280,
  name: 'vhk158',
  title: 'AMD Versal VHK158, one lumped core of 4 SLRs',
  source:
    'board: 819.2 GB/s HBM2E, 32 GB in 32 channels, 7392 DSP58; 225 MHz as FlightLLM (arXiv 2401.03868); engine 4 x 2x16x128 at three INT8 products per DSP58; buffers and special-function lanes: ours',
  lumpedSlrs: 4,
  matrix: {
    mm: { m: 2, n: 512, k: 16, startupCycles: 24 },
    mv: { m: 1, n: 256, k: 32, startupCycles: 24 },
    dsp: { kind: 'DSP58', count: 5462, productsPerDsp: 3 },
    weightBits: [4, 8],
    keeps: [2, 4, 8, 16],
    activationRows: 0,
    // A DSP58 makes three products: a group of two would round 8 kept values up to 12.
    chain: { ...CHAIN_OF_16, groupDsps: 1 },
    rescale: { units: 512, build: 'lut' },
  },
  vector: { lanes: 128, exponentLanes: 16, startupCycles: 24, format: 'f32', build: 'mixed' },
  memories: [hbm(HBM2E, 819.2e9, 1024 * MIB), ddr4(38.4e9, 2)],
  energy: energy(`no figure of this board is published: that of the U280, ${STATIC_SOURCE}`),
  resources: VHK158_BUDGET,
};

/**
 * The HBM of the artefact's timing script: 0.7 of the peak within a channel and 0.35 across channels, all losses
 * together. So what refresh takes by mechanism is not taken a second time.
 */
function artefactHbm(dram: DramStandard, totalBytesPerSecond: number): MemoryDecl {
  const refreshed = 1 - dram.clocks.nRFC / dram.clocks.nREFI;
  return hbm(dram, totalBytesPerSecond, 256 * MIB, 0.7 / refreshed, 0.35 / refreshed);
}

/** One SLR of the artefact: MM 2x16x128, MV 64x16x1, 16 lanes, two products per DSP. */
const ARTEFACT_MATRIX: MatrixEngine = {
  mm: { m: 2, n: 128, k: 16, startupCycles: 24 },
  mv: { m: 1, n: 64, k: 16, startupCycles: 24 },
  dsp: { kind: 'DSP48E2', count: 2048, productsPerDsp: 2 },
  weightBits: [2, 3, 4, 8],
  keeps: [2, 4, 8, 16],
  // Buffer B is 32 bytes wide: a byte of each of 32 tokens for every column.
  activationRows: 32,
  chain: CHAIN_OF_16,
  // Not published: enough for 8:16 weights in groups of 128.
  rescale: { units: 64, build: 'mixed' },
};
const ARTEFACT_VECTOR: VectorEngine = {
  lanes: 16,
  exponentLanes: 0,
  startupCycles: 24,
  // As published; what the lanes compute is said by the numerics record.
  format: 'f16',
  build: 'mixed',
};
/** Buffers of one SLR: A 4096 x 8 x 16 x 16 B, B 4096 x 32 B, global 512 x 8 x 256 B, meta 4096 x 16 B. */
const ARTEFACT_BUFFERS: Device['buffers'] = [
  { space: 'weights', bytes: 4096 * 32, ports: 2, bytesPerCyclePerPort: 2048 },
  { space: 'stream', bytes: 4096 * 32, ports: 2, bytesPerCyclePerPort: 2048 },
  { space: 'data', bytes: 4096 * 8 * 16 * 16, ports: 4, bytesPerCyclePerPort: 1024 },
  { space: 'accumulator', bytes: 512 * 8 * 256, ports: 2, bytesPerCyclePerPort: 1024 },
  { space: 'index', bytes: 4096 * 16, ports: 2, bytesPerCyclePerPort: 128 },
];

const U280_FLIGHTLLM: Device = {
  ...U280,
  name: 'u280-flightllm',
  title: 'Alveo U280 with the configuration of the FlightLLM artefact, 3 SLRs as cores',
  source:
    'arXiv 2401.03868 and its artefact: 225 MHz, 3 SLRs, MM 2x16x128 and MV 64x16x1 per SLR, 16 special-function lanes per SLR, HBM efficiency 0.7 within a channel and 0.35 across channels, a barrier behind each fused group',
  cores: 3,
  lumpedSlrs: 1,
  matrix: ARTEFACT_MATRIX,
  vector: ARTEFACT_VECTOR,
  buffers: ARTEFACT_BUFFERS,
  memories: [artefactHbm(HBM2, 460e9), ddr4(38.4e9, 2)],
  dispatcher: { ...DISPATCHER, groupBarriers: true, barrierCycles: 3475 },
  energy: energy(),
  calibration: {
    timeDivisor: 1,
    published: true,
    fitted: [
      {
        field: 'dispatcher.barrierCycles, 3475',
        on: 'LLaMA2-7B, one decode step at KV 128: 17.50 ms on a board',
      },
      FITTED_STATIC,
    ],
  },
};

const VHK158_FLIGHTLLM: Device = {
  ...VHK158,
  name: 'vhk158-flightllm',
  title:
    'Versal VHK158 with the configuration of the FlightLLM artefact; one SLR with every compute time divided by 3.2',
  source:
    'arXiv 2401.03868 and its artefact: 225 MHz, MM 2x16x128 and MV 64x16x1 per SLR, 16 special-function lanes, 819.2 GB/s in 32 channels of 256 MB, efficiency 0.7 within a channel and 0.35 across channels; its timing script times one SLR and divides by 3.2 in place of SLR parallelism, so the engine here is one SLR (2048 DSPs at two products; all four would need 8192 of 7392 at that rate, 5462 at three)',
  lumpedSlrs: 1,
  matrix: {
    ...ARTEFACT_MATRIX,
    mm: { ...ARTEFACT_MATRIX.mm, startupCycles: 0 },
    mv: { ...ARTEFACT_MATRIX.mv, startupCycles: 0 },
    dsp: { kind: 'DSP58', count: 2048, productsPerDsp: 2 },
  },
  vector: { ...ARTEFACT_VECTOR, startupCycles: 0 },
  buffers: ARTEFACT_BUFFERS.map((buffer) =>
    buffer.space === 'data' || buffer.space === 'accumulator'
      ? buffer
      : { ...buffer, bytes: 4 * buffer.bytes, bytesPerCyclePerPort: 4 * buffer.bytesPerCyclePerPort },
  ),
  memories: [artefactHbm(HBM2E, 819.2e9), ddr4(38.4e9, 2)],
  calibration: {
    timeDivisor: 3.2,
    published: true,
    fitted: [
      {
        field: 'startupCycles of matrix and vector, 0',
        on: 'LLaMA2-7B, prefill 128 and 512 decoded: 5236.3 ms in all',
      },
      FITTED_STATIC,
    ],
  },
};

/**
 * Our own use of the U280: at most 80 % of every resource by the resource model of `compiler`. One chain more or one
 * exponential more does not fit; DDR is left out, its controllers' LUTs go into lanes, and small tables lie in HBM.
 */
const U280_BITLOOM: Device = {
  ...U280,
  name: 'u280-bitloom',
  title: 'Alveo U280 as bitloom would fill it, 3 SLRs as cores, at most 80 % of each resource',
  source:
    'board: 460 GB/s HBM2, 9024 DSP, 2016 BRAM, 960 URAM, 225 MHz as FlightLLM (arXiv 2401.03868); MM 2x16x128 on 2048 DSPs, chain, widths of weights and rescale units per SLR as on u280-flightllm; MV, keeps, lanes, buffers and the rest: ours, within the resource model',
  cores: 3,
  lumpedSlrs: 1,
  matrix: {
    ...ARTEFACT_MATRIX,
    mv: { m: 1, n: 128, k: 16, startupCycles: 24 },
    keeps: [8],
    activationRows: 0,
  },
  vector: { lanes: 24, exponentLanes: 5, startupCycles: 24, format: 'f32', build: 'mixed' },
  buffers: [
    { space: 'weights', bytes: 896 * KIB, ports: 2, bytesPerCyclePerPort: 896, storage: 'bram' },
    { space: 'stream', bytes: 256 * KIB, ports: 2, bytesPerCyclePerPort: 512, storage: 'bram' },
    { space: 'data', bytes: 8 * MIB, ports: 4, bytesPerCyclePerPort: 512, storage: 'uram' },
    { space: 'accumulator', bytes: 256 * KIB, ports: 2, bytesPerCyclePerPort: 512, storage: 'bram' },
  ],
  memories: [hbm(HBM2, 460e9, 256 * MIB)],
  energy: energy(),
};

/** Every card in the box. */
export const CARDS: readonly Device[] = [U280, U280_FLIGHTLLM, U280_BITLOOM, VHK158, VHK158_FLIGHTLLM];

/**
 * A card by name.
 * @throws BitloomError `device-unknown`
 */
export function findCard(name: string): Device {
  const card = CARDS.find((device) => device.name === name);
  if (card === undefined) {
    throw new BitloomError({
      code: 'device-unknown',
      message: `no card is named '${name}'`,
      expected: CARDS.map((device) => device.name).join(', '),
      got: name,
      hint: 'see `bitloom devices`, or give the path of a device file',
    });
  }
  return card;
}
