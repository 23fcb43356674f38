/**
 * The configuration that FlightLLM publishes for the U280 (arXiv 2401.03868 and its artefact), as it is read there, for
 * the resource model: three SLRs, each MM 2x16x128 and MV 64x16x1, 16 special-function lanes in fp16, and per SLR the
 * buffers A 4096 x 8 x 16 x 16 B, B 4096 x 32 B, global 512 x 8 x 256 B and meta 4096 x 16 B. By their widths A holds
 * expanded weights (128 x 16 bytes per cycle) and B activations (2 x 16). Not published: how sums are rescaled; here
 * as many units as 8:16 weights in groups of 128 need.
 */
import { type Device, findCard } from '@bitloom/ir';

export function publishedU280(): Device {
  const card = findCard('u280-flightllm');
  return {
    ...card,
    cores: 3,
    lumpedSlrs: 1,
    matrix: {
      ...card.matrix,
      mm: { m: 2, n: 128, k: 16, startupCycles: 24 },
      mv: { m: 1, n: 64, k: 16, startupCycles: 24 },
      dsp: { kind: 'DSP48E2', count: 2048, productsPerDsp: 2 },
      weightBits: [2, 3, 4, 8],
      keeps: [2, 4, 8, 16],
      rescale: { units: 64, build: 'mixed' },
    },
    vector: { lanes: 16, exponentLanes: 0, startupCycles: 24, format: 'f16', build: 'mixed' },
    buffers: [
      { space: 'weights', bytes: 4096 * 8 * 16 * 16, ports: 2, bytesPerCyclePerPort: 2048 },
      { space: 'data', bytes: 4096 * 32, ports: 2, bytesPerCyclePerPort: 32 },
      { space: 'accumulator', bytes: 512 * 8 * 256, ports: 2, bytesPerCyclePerPort: 2048 },
      { space: 'index', bytes: 4096 * 16, ports: 2, bytesPerCyclePerPort: 16 },
    ],
  };
}

/** What was used of the board: DSP, BRAM, URAM as printed; LUTs as the printed 44 % of 1,303,680. */
export const PUBLISHED_U280 = { dsp: 6345, bram: 1252, uram: 792, lut: 0.44 * 1303680 };
