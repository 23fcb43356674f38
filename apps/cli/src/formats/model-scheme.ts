/**
 * A quantisation scheme of a whole model for people and for `--json`: which weights get which format, what is pruned, and
 * in what the model computes. Not for presets of one tensor, which `bitloom formats` shows with their code points.
 */
import type { Scheme, WeightRole } from '@bitloom/compression';
import { describe, type NmSparsity, type SchemeDescription } from '@bitloom/formats';
import type { Numerics, TensorScheme } from '@bitloom/ir';

/** What `--json` prints of a scheme of a model. */
interface ModelSchemeDocument {
  readonly name: string;
  readonly doc: string;
  /** By role; a role without one stays in float32, and linear weights and head of a mix have one of its formats. */
  readonly weights: Readonly<Partial<Record<WeightRole, SchemeDescription>>>;
  readonly mix?: {
    /** Bits of a stored code. */
    readonly average: number;
    readonly formats: readonly SchemeDescription[];
    /** Bands of columns of a matrix that may differ, at most. */
    readonly bands: number;
  };
  readonly sparsity?: Readonly<Partial<Record<WeightRole, NmSparsity>>>;
  readonly numerics: Numerics;
}

const ROLES: Readonly<Record<WeightRole, string>> = {
  linear: 'linear weights',
  embedding: 'embedding',
  head: 'head',
};
const ROLE_NAMES: readonly WeightRole[] = ['linear', 'embedding', 'head'];

/** Roles whose formats a mix chooses. */
const MIXED: readonly WeightRole[] = ['linear', 'head'];

export function modelSchemeDocument({
  name,
  doc,
  weights = {},
  mix,
  sparsity,
  numerics,
}: Scheme): ModelSchemeDocument {
  const own = ROLE_NAMES.flatMap((role) => {
    const format = weights[role];
    return format === undefined || (mix !== undefined && MIXED.includes(role)) ? [] : [{ role, format }];
  });
  return {
    name,
    doc,
    weights: Object.fromEntries(own.map(({ role, format }) => [role, describe(format)])),
    ...(mix === undefined
      ? {}
      : {
          mix: {
            average: mix.average,
            formats: mix.formats.map((one) => describe(one)),
            bands: mix.bands ?? 1,
          },
        }),
    ...(sparsity === undefined ? {} : { sparsity }),
    numerics,
  };
}

/** Formats of linear weights; none where they stay in float32. */
export function linearFormats({ weights, mix }: Scheme): readonly TensorScheme[] {
  if (mix !== undefined) return mix.formats;
  return weights?.linear === undefined ? [] : [weights.linear];
}

/** Names and values, as under the name of the scheme. */
export function modelSchemeFacts(scheme: Scheme): [name: string, value: string][] {
  const { weights, mix, sparsity, numerics } = modelSchemeDocument(scheme);
  const formatText = ({ text, bitsPerWeight }: SchemeDescription): string =>
    `${text}; ${Number(bitsPerWeight.toFixed(4))} bits per weight`;
  const rows = ROLE_NAMES.flatMap((role): [string, string][] => {
    const format = weights[role];
    const isMixed = mix !== undefined && MIXED.includes(role);
    if (isMixed) return [[ROLES[role], 'one of the formats below']];
    return [[ROLES[role], format === undefined ? 'float32' : formatText(format)]];
  });
  const kept = ROLE_NAMES.flatMap((role): [string, string][] => {
    const own = sparsity?.[role];
    return own === undefined ? [] : [['kept', `${own.keep.join(' or ')} of each ${own.m} ${ROLES[role]}`]];
  });
  const among =
    mix === undefined ? '' : mix.bands === 1 ? 'matrix' : `band of columns, at most ${mix.bands} of a matrix`;
  return [
    ...rows,
    ...(mix === undefined
      ? []
      : [
          ['mixed', `by ${among}; ${mix.average} bits of a code on average`] as [string, string],
          ...mix.formats.map((one): [string, string] => [`  ${one.elementBits} bits`, formatText(one)]),
        ]),
    ...kept,
    ['products', numerics.linear === 'f32' ? 'float32' : 'of INT8 activations per token'],
    ['KV cache', numerics.kvCache],
  ];
}
