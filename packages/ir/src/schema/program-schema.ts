/**
 * Schema of the program artefact, with its instructions as plain data. (In a container they travel as sections;
 * `container/program-sections.ts` has the header that stands there instead.)
 */
import * as z from 'zod';
import { QUEUES, SPACES } from '../program/instruction-fields.js';
import { expressionSchema } from './expression-schema.js';
import { numericsForm, symbolForm } from './model-schema.js';
import { count, hash, integer, label, list, name, positive, record, text } from './pieces.js';

const space = z.enum(SPACES);
const queue = z.enum(QUEUES);
/** Bytes and offsets of a memory: what 44 bits of an address hold. */
const offset = count.max(2 ** 44);

export const addressForm = z.object({
  space,
  channel: count.max(255),
  register: count.max(127),
  page: z.boolean(),
  offset: expressionSchema,
});

/** A number (any finite one: some fields are float32), an expression, or an address. */
export const fieldValueForm = z.union([z.number(), expressionSchema, addressForm]);

export const instructionForm = z.object({
  name,
  queue,
  wait: z.array(queue).max(QUEUES.length),
  release: z.array(queue).max(QUEUES.length),
  fields: record(fieldValueForm),
  origin: count.max(0xffffffff),
});

export const provenanceForm = z.object({ node: label, op: label, layer: integer.min(-1), tile: label });

export const regionForm = z.object({
  name,
  space,
  channel: count.max(255),
  offset,
  bytes: offset,
  purpose: z.enum(['weights', 'kv', 'input', 'output', 'table', 'scratch']),
  contents: z.discriminatedUnion('from', [
    z.object({ from: z.literal('zeros') }),
    z.object({ from: z.literal('constant'), constant: name, component: name, layout: name }),
  ]),
});

export const registerForm = z.object({
  index: count.max(127),
  name,
  doc: text,
  pageTable: z.object({ pageBytes: positive, entries: positive }).optional(),
});

export const portForm = z.object({
  name,
  region: name,
  dtype: z.enum(['i32', 'f32']),
  shape: z.array(expressionSchema).max(16),
});

/** A frame without its relocations, which a container keeps in a section. */
export const frameBase = {
  name,
  layer: integer.min(-1),
  tile: label,
  core: count,
  first: count,
  count,
  entryTokens: record(count),
  live: list(z.object({ space, start: offset, end: offset, name: label })),
  entryPrefetch: list(count),
  exitPrefetch: list(count),
};

export const frameForm = z.object({
  ...frameBase,
  relocations: list(z.object({ instruction: count, field: name })),
});

export const streamForm = z.object({
  core: count,
  cores: positive.optional(),
  instructions: list(instructionForm),
});

/** An entry without streams and frames. */
export const entryBase = {
  name,
  inputs: list(portForm),
  outputs: list(portForm),
  symbols: list(symbolForm),
};

export const entryForm = z.object({ ...entryBase, streams: list(streamForm), frames: list(frameForm) });

/** A program without its entries. */
export const programBase = {
  kind: z.literal('program'),
  name,
  instructionSet: z.string().regex(/^\d{1,5}\.\d{1,5}$/),
  modelHash: hash,
  shapeOnly: z.boolean(),
  device: name,
  deviceHash: hash,
  numerics: numericsForm,
  slots: positive,
  capacity: count,
  registers: list(registerForm),
  regions: list(regionForm),
};

/** What follows the entries. */
export const programTail = { provenance: list(provenanceForm), notes: list(text) };

export const programForm = z.object({ ...programBase, entries: list(entryForm), ...programTail });
