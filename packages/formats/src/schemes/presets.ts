/**
 * Presets: schemes by the names users know, and families of them by pattern. A preset says how weights become codes,
 * and how activations do where its name says so. Plain records; a scheme of one's own is as good.
 */
import { BitloomError, FP32, type TensorScheme } from '@bitloom/ir';
import { elementFormat } from '../elements/element-formats.js';
import { GGML_BLOCK_SIZES, type GgmlBlockName } from '../ggml/block-sizes.js';
import { ggmlScheme } from './ggml-scheme.js';
import { mlsScheme } from './mls-scheme.js';
import {
  affineScheme,
  integerScheme,
  mxScheme,
  nvfp4Scheme,
  PER_ROW,
  PER_TENSOR,
  perGroup,
  scaleBy,
  shiftScheme,
  tensorScheme,
} from './named-schemes.js';

/** A named scheme of weights, with that of activations where the name has one. */
export interface Preset {
  readonly name: string;
  /** One line for people. */
  readonly doc: string;
  readonly weights: TensorScheme;
  /** Absent: activations stay as they are. */
  readonly activations?: TensorScheme;
}

/** The numeric part of activations as the kernels of bitloom compute them. */
function int8Tokens(): TensorScheme {
  return integerScheme(8, PER_ROW, { name: 'INT8 per token', scale: FP32 });
}

interface PresetRow {
  readonly doc: string;
  readonly weights: (name: string) => TensorScheme;
  readonly activations?: () => TensorScheme;
}

const ROWS: Readonly<Record<string, PresetRow>> = {
  W8A8: {
    doc: 'INT8 weights in groups of 32, INT8 activations per token',
    weights: (name) => integerScheme(8, perGroup(32), { name }),
    activations: int8Tokens,
  },
  W4A8: {
    doc: 'INT4 weights in groups of 32, INT8 activations per token',
    weights: (name) => integerScheme(4, perGroup(32), { name }),
    activations: int8Tokens,
  },
  FlightLLM: {
    doc: 'INT4 weights in groups of 128 with fp16 scales, INT8 activations per token',
    weights: (name) => integerScheme(4, perGroup(128), { name }),
    activations: int8Tokens,
  },
  W8A16: {
    doc: 'INT8 weights per output channel',
    weights: (name) => integerScheme(8, PER_ROW, { name, rule: 'amax/half-range' }),
  },
  W4A16: {
    doc: 'INT4 weights in groups of 128, scale amax/7.5, as compressed-tensors',
    weights: (name) => integerScheme(4, perGroup(128), { name, rule: 'amax/half-range' }),
  },
  W4A16_ASYM: {
    doc: 'UINT4 weights with zero points in groups of 128',
    weights: (name) => affineScheme(4, perGroup(128), { name }),
  },
  W3A16: {
    doc: 'INT3 weights in groups of 128, scale amax/3.5',
    weights: (name) => integerScheme(3, perGroup(128), { name, rule: 'amax/half-range' }),
  },
  W2A16: {
    doc: 'UINT2 weights with zero points in groups of 64',
    weights: (name) => affineScheme(2, perGroup(64), { name }),
  },
  FP8: {
    doc: 'FP8 e4m3fn weights per output channel',
    weights: (name) =>
      tensorScheme(name, {
        element: elementFormat('fp8_e4m3fn'),
        scales: [scaleBy(FP32, PER_ROW, 'amax/qmax')],
      }),
  },
  FP8_BLOCK: {
    doc: 'FP8 e4m3fn weights in blocks of 128 x 128',
    weights: (name) =>
      tensorScheme(name, {
        element: elementFormat('fp8_e4m3fn'),
        scales: [scaleBy(FP32, { strategy: 'block', blockShape: [128, 128] }, 'amax/qmax')],
      }),
  },
  MXFP8: {
    doc: 'OCP MX: FP8 e4m3 in blocks of 32 under E8M0',
    weights: (name) => mxScheme('fp8_e4m3fn', 'floor', name),
  },
  MXFP8_E5M2: {
    doc: 'OCP MX: FP8 e5m2 in blocks of 32 under E8M0',
    weights: (name) => mxScheme('fp8_e5m2', 'floor', name),
  },
  MXFP6: {
    doc: 'OCP MX: FP6 e2m3 in blocks of 32 under E8M0',
    weights: (name) => mxScheme('fp6_e2m3', 'floor', name),
  },
  MXFP6_E3M2: {
    doc: 'OCP MX: FP6 e3m2 in blocks of 32 under E8M0',
    weights: (name) => mxScheme('fp6_e3m2', 'floor', name),
  },
  MXFP4: {
    doc: 'OCP MX: FP4 e2m1 in blocks of 32 under E8M0',
    weights: (name) => mxScheme('fp4_e2m1', 'floor', name),
  },
  MXINT8: {
    doc: 'OCP MX: INT8 in blocks of 32 under E8M0',
    weights: (name) => mxScheme('mxint8', 'floor', name),
  },
  NVFP4: {
    doc: 'FP4 in blocks of 16 under e4m3fn, with a multiplier per tensor (torchao)',
    weights: (name) => nvfp4Scheme('multiply', { name }),
  },
  NVFP4_RECIPROCAL: {
    doc: 'as NVFP4, values multiplied by the reciprocal of their scale (torchao since 2026)',
    weights: (name) => nvfp4Scheme('multiply', { name, quotient: 'reciprocal' }),
  },
  NVFP4_BLOCK: {
    doc: 'FP4 in blocks of 16 under e4m3fn, without a tensor scale',
    weights: (name) => nvfp4Scheme('none', { name }),
  },
  NVFP4_DIVIDED: {
    doc: 'FP4 in blocks of 16 under e4m3fn, with a divisor per tensor (compressed-tensors)',
    weights: (name) => nvfp4Scheme('divide', { name }),
  },
  TERNARY: {
    doc: 'codes −1, 0, 1 with the mean magnitude per tensor, as BitNet b1.58',
    weights: (name) =>
      tensorScheme(name, { element: elementFormat('ternary'), scales: [scaleBy(FP32, PER_TENSOR, 'mean')] }),
  },
  BINARY: {
    doc: 'signs with the mean magnitude per output channel, as XNOR-Net',
    weights: (name) =>
      tensorScheme(name, { element: elementFormat('binary'), scales: [scaleBy(FP32, PER_ROW, 'mean')] }),
  },
};

const MLS = /^MLS<(\d),(\d)>$/;
const SHIFT = /^ShiftQuant([2-8])(?:x(\d{1,2}))?$/;
/** Groups of ShiftQuant where a name does not say. */
const SHIFT_GROUPS = 4;

/** Names of all presets, with one name for each common member of a family. */
export function presetNames(): string[] {
  return [
    ...Object.keys(ROWS),
    'MLS<2,1>',
    'MLS<2,4>',
    'ShiftQuant4',
    'ShiftQuant6',
    'ShiftQuant8',
    ...ggmlNames().map(ggmlPresetName),
  ];
}

function ggmlNames(): GgmlBlockName[] {
  return Object.keys(GGML_BLOCK_SIZES) as GgmlBlockName[];
}

/** Q4_0, Q4_K, IQ4_NL: as users of GGUF write it. MXFP4 and NVFP4 of GGML are other layouts than those above. */
function ggmlPresetName(name: GgmlBlockName): string {
  const upper = name.toUpperCase();
  return upper === 'MXFP4' || upper === 'NVFP4' ? `GGML_${upper}` : upper;
}

/**
 * The preset called `name`: one of {@link presetNames}, or of the families `MLS<E,M>`, `ShiftQuant<bits>` and
 * `ShiftQuant<bits>x<groups>`.
 *
 * @param rank axes of the tensors it is for. MLS groups by the first two axes (planes of a convolution); of weights
 *   [rows, cols], the default, by rows.
 * @throws BitloomError `preset-unknown`
 */
export function preset(name: string, rank = 2): Preset {
  if (Object.hasOwn(ROWS, name)) {
    const { doc, weights, activations } = ROWS[name];
    return {
      name,
      doc,
      weights: weights(name),
      ...(activations === undefined ? {} : { activations: activations() }),
    };
  }
  return mlsPreset(name, rank) ?? shiftPreset(name) ?? ggmlPreset(name) ?? unknownPreset(name);
}

function mlsPreset(name: string, rank: number): Preset | undefined {
  const match = MLS.exec(name);
  if (match === null) return undefined;
  const [exponentBits, mantissaBits] = [Number(match[1]), Number(match[2])];
  const weights = mlsScheme(exponentBits, mantissaBits, { name, groups: rank > 2 ? 'nc' : 'n' });
  return { name, doc: `MLS tensor, element <${exponentBits},${mantissaBits}>, group scale <8,1>`, weights };
}

function shiftPreset(name: string): Preset | undefined {
  const match = SHIFT.exec(name);
  if (match === null) return undefined;
  const bits = Number(match[1]);
  const shiftGroups = match[2] === undefined ? SHIFT_GROUPS : Number(match[2]);
  if (shiftGroups < 1 || shiftGroups > 64) return undefined;
  const weights = shiftScheme(bits, shiftGroups, name);
  return { name, doc: `INT${bits}, channels in ${shiftGroups} groups scaled by powers of two`, weights };
}

function ggmlPreset(name: string): Preset | undefined {
  const block = ggmlNames().find((known) => ggmlPresetName(known).toUpperCase() === name.toUpperCase());
  if (block === undefined) return undefined;
  return { name: ggmlPresetName(block), doc: `GGML block format ${block}`, weights: ggmlScheme(block) };
}

function unknownPreset(name: string): never {
  throw new BitloomError({
    code: 'preset-unknown',
    message: 'there is no preset of this name',
    expected: `${presetNames().join(', ')}; MLS<E,M>, ShiftQuant<bits>x<groups>`,
    got: name,
  });
}
