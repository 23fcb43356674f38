/**
 * Random small decoders of every family that cards run, as data: what distinguishes the families, and then everything
 * that a configuration may vary, ragged on purpose. The weights are seeded. Not for accuracy, and not for files.
 */
import type { ModelBundle } from '@bitloom/ir';
import { type DecoderConfig, randomDecoder } from '@bitloom/models';
import fc from 'fast-check';

type FamilyTraits = Pick<DecoderConfig, 'norm' | 'positions' | 'biases' | 'feedForward' | 'headNorms'>;

const NO_BIASES = { qkv: false, output: false, feedForward: false } as const;
const ALL_BIASES = { qkv: true, output: true, feedForward: true } as const;
const RMS = { kind: 'rms', epsilon: 1e-5 } as const;
const LAYER = { kind: 'layer', epsilon: 1e-5 } as const;
const HALF = { kind: 'rope', theta: 100, layout: 'half', scaling: { kind: 'none' } } as const;
const GATED = { gated: true, activation: 'silu' } as const;

/** The names under which users know them. */
export const FAMILY_NAMES = ['llama', 'opt', 'gpt2', 'qwen2', 'qwen3', 'mistral', 'starcoder2'] as const;
export type FamilyName = (typeof FAMILY_NAMES)[number];

const FAMILIES: Readonly<Record<FamilyName, FamilyTraits>> = {
  llama: { norm: RMS, positions: { ...HALF, layout: 'interleaved' }, biases: NO_BIASES, feedForward: GATED },
  opt: {
    norm: LAYER,
    positions: { kind: 'learned', offset: 2 },
    biases: ALL_BIASES,
    feedForward: { gated: false, activation: 'relu' },
  },
  gpt2: {
    norm: LAYER,
    positions: { kind: 'learned', offset: 0 },
    biases: ALL_BIASES,
    feedForward: { gated: false, activation: 'gelu' },
  },
  qwen2: { norm: RMS, positions: HALF, biases: { ...NO_BIASES, qkv: true }, feedForward: GATED },
  qwen3: { norm: RMS, positions: HALF, biases: NO_BIASES, feedForward: GATED, headNorms: true },
  mistral: { norm: RMS, positions: HALF, biases: NO_BIASES, feedForward: GATED },
  starcoder2: {
    norm: LAYER,
    positions: HALF,
    biases: ALL_BIASES,
    feedForward: { gated: false, activation: 'gelu' },
  },
};

/** Sizes that a random model takes; what is not said is small and ragged. */
export interface DecoderSizes {
  readonly layers: number;
  readonly width: number;
  readonly kvHeads: number;
  readonly share: number;
  readonly headDim: number;
  readonly hiddenWidth: number;
  readonly vocabSize: number;
  readonly maxPositions: number;
  readonly tiedEmbeddings: boolean;
  /** By layer, as far as there are layers. */
  readonly windows?: readonly number[];
  readonly scoreScales?: readonly number[];
  readonly rotated?: readonly boolean[];
  readonly embeddingWidth?: number;
  readonly normsAfter?: boolean;
  readonly withoutFinalNorm?: boolean;
}

/** A configuration of a family in these sizes. */
export function familyConfig(family: FamilyName, sizes: DecoderSizes): DecoderConfig {
  const { layers, kvHeads, share, windows, scoreScales, rotated, normsAfter, withoutFinalNorm, ...rest } =
    sizes;
  const traits = FAMILIES[family];
  const { positions } = traits;
  const turned = rotated?.slice(0, layers);
  return {
    ...traits,
    ...rest,
    family,
    layers,
    kvHeads,
    heads: kvHeads * share,
    norm: {
      ...traits.norm,
      ...(normsAfter === true ? { place: 'after' as const } : {}),
      ...(withoutFinalNorm === true ? { final: false as const } : {}),
    },
    positions:
      positions.kind === 'rope' && turned?.includes(true) === true
        ? { ...positions, rotated: turned }
        : positions,
    ...(windows === undefined ? {} : { windows: windows.slice(0, layers) }),
    ...(scoreScales === undefined ? {} : { scoreScales: scoreScales.slice(0, layers) }),
  };
}

const MOST_LAYERS = 2;
const perLayer = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
  fc.array(value, { minLength: MOST_LAYERS, maxLength: MOST_LAYERS });
const sometimes = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(value, { nil: undefined, freq: 2 });

/** Sizes that divide nothing. */
export function decoderSizes(mostPositions: number): fc.Arbitrary<DecoderSizes> {
  return fc.record({
    layers: fc.integer({ min: 1, max: MOST_LAYERS }),
    width: fc.integer({ min: 1, max: 70 }),
    kvHeads: fc.integer({ min: 1, max: 5 }),
    share: fc.integer({ min: 1, max: 3 }),
    headDim: fc.integer({ min: 1, max: 12 }).map((n) => 2 * n),
    hiddenWidth: fc.integer({ min: 1, max: 150 }),
    vocabSize: fc.integer({ min: 2, max: 90 }),
    maxPositions: fc.integer({ min: 2, max: mostPositions }),
    tiedEmbeddings: fc.boolean(),
    windows: sometimes(perLayer(fc.constantFrom(0, 1, 3, 16, 17, 40))),
    scoreScales: sometimes(perLayer(fc.constantFrom(0.25, 0.4, 1))),
    rotated: sometimes(perLayer(fc.boolean())),
    embeddingWidth: fc.option(fc.integer({ min: 1, max: 50 }), { nil: undefined, freq: 5 }),
    normsAfter: fc.integer({ min: 0, max: 5 }).map((n) => n === 5),
    withoutFinalNorm: fc.integer({ min: 0, max: 5 }).map((n) => n === 5),
  });
}

/** A model of a family with seeded weights. */
export function familyModel(family: FamilyName, sizes: DecoderSizes, seed: number): ModelBundle {
  return randomDecoder(familyConfig(family, sizes), { seed });
}
