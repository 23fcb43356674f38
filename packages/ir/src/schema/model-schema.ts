/**
 * Schema of the model artefact's header. Whether a graph makes sense is the verifier's business.
 */
import * as z from 'zod';
import { MAX_BANDS } from '../model/types.js';
import { expressionSchema } from './expression-schema.js';
import { count, integer, label, list, name, plainRecord, positive, record, text } from './pieces.js';

export const elementFormatForm = z.object({
  name,
  kind: z.enum(['int', 'float', 'codebook']),
  bits: positive.max(64),
  signed: z.boolean(),
  exponentBits: count.max(32),
  mantissaBits: count.max(64),
  bias: integer,
  specials: z.enum(['ieee', 'fn', 'fnuz', 'nan-only', 'none']),
  values: z.array(z.number()).max(65536).optional(),
});

const shape = z.array(expressionSchema).max(16);
const block = z.array(count).max(16);

const direction = z.enum(['multiply', 'divide']);
const zero = z.object({ format: elementFormatForm, kind: z.enum(['zero-point', 'minimum']) }).optional();

export const scaleLevelForm = z.object({ format: elementFormatForm, block, direction, zero, rule: name });

export const granularityForm = z.discriminatedUnion('strategy', [
  z.object({ strategy: z.literal('tensor') }),
  z.object({ strategy: z.literal('token') }),
  z.object({ strategy: z.literal('axis'), axes: z.array(count.max(15)).min(1).max(16) }),
  z.object({ strategy: z.literal('group'), groupSize: positive }),
  z.object({ strategy: z.literal('block'), blockShape: block.min(1) }),
]);

export const tensorSchemeForm = z.object({
  name,
  element: elementFormatForm,
  scales: z
    .array(z.object({ format: elementFormatForm, granularity: granularityForm, direction, zero, rule: name }))
    .max(8),
  shiftGroups: positive.max(64).optional(),
  rounding: z.enum([
    'nearest-even',
    'nearest-away',
    'toward-zero',
    'toward-negative',
    'toward-positive',
    'to-odd',
    'stochastic',
    'stochastic-fast',
    'stochastic-fastest',
  ]),
  saturate: z.boolean(),
  nan: z.enum(['throw', 'zero', 'max']),
  seed: count.optional(),
  stream: count.optional(),
  quotient: z.enum(['divide', 'reciprocal']).optional(),
  layout: name,
});

export const sparsityForm = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('n-of-m'),
    keep: list(count),
    m: positive,
    block,
    indexBits: positive.max(32),
  }),
  z.object({ kind: z.literal('block-mask'), block }),
]);

export const denseTypeForm = z.object({
  kind: z.literal('dense'),
  dtype: z.enum(['f32', 'f16', 'bf16', 'i32', 'i8', 'u8', 'bool']),
  shape,
});

export const quantizedTypeForm = z.object({
  kind: z.literal('quantized'),
  shape,
  element: elementFormatForm,
  scales: z.array(scaleLevelForm).max(8),
  indexMap: z
    .object({ axis: count.max(15), purpose: z.enum(['shift-group', 'act-order']), groups: positive })
    .optional(),
  sparsity: sparsityForm.optional(),
  layout: name,
  bands: z
    .array(
      z.object({
        cols: positive,
        element: elementFormatForm,
        scales: z.array(scaleLevelForm).max(8),
        sparsity: sparsityForm.optional(),
        layout: name,
      }),
    )
    .min(1)
    .max(MAX_BANDS)
    .optional(),
});

export const valueTypeForm = z.discriminatedUnion('kind', [denseTypeForm, quantizedTypeForm]);

export const numericsForm = z.object({
  scheme: name,
  linear: z.enum(['f32', 'int8-activations']),
  specialFunctions: z.enum(['f32', 'f16']),
  rounding: z.literal('nearest-even'),
  activationScale: z.enum(['none', 'per-token-amax/127']),
  kvCache: z.enum(['f32', 'int8-per-token-head', 'int4-per-token-head']),
  scores: z.enum(['f32', 'int8']),
  probabilities: z.enum(['f32', 'int8-value-scale-folded']),
  softmax: z.literal('two-pass'),
  floatReduction: z.literal('partial16-tree'),
  splitK: z.literal('sequential'),
});

export const symbolForm = z.object({ name, min: integer, max: integer, perSlot: z.boolean() });

export const constantForm = z.object({
  name,
  type: valueTypeForm,
  components: record(name),
  scheme: tensorSchemeForm.optional(),
});

export const stateForm = z.object({
  name,
  type: valueTypeForm,
  purpose: z.enum(['kv-cache', 'optimizer', 'statistics', 'parameter']),
});

export const attributeForm = z.union([z.number(), text, z.boolean(), list(z.number())]);

export const nodeForm = z.object({
  name,
  op: name,
  inputs: list(name),
  outputs: list(name),
  attributes: record(attributeForm),
  layer: count.optional(),
});

export const functionForm = z.object({
  name,
  inputs: list(z.object({ name, type: valueTypeForm })),
  outputs: list(name),
  nodes: list(nodeForm),
  bindings: record(expressionSchema),
  stateUpdates: record(name),
});

export const textInterfaceForm = z.object({
  tokenizer: plainRecord.optional(),
  chatTemplate: text.optional(),
  bosId: count.optional(),
  eosIds: list(count),
});

export const modelForm = z.object({
  kind: z.literal('model'),
  name,
  family: label,
  numerics: numericsForm,
  symbols: list(symbolForm),
  constants: list(constantForm),
  states: list(stateForm),
  functions: list(functionForm),
  text: textInterfaceForm.optional(),
  metadata: record(z.union([text, z.number()])),
});
