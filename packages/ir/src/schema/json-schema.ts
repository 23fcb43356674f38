/**
 * JSON Schemas of the artefacts, for people who write them by hand and for other languages. Generated from the zod
 * schemas; the committed files are kept fresh by a test.
 */
import * as z from 'zod';
import { deviceForm } from './device-schema.js';
import { expressionForms } from './expression-schema.js';
import {
  elementFormatForm,
  modelForm,
  numericsForm,
  quantizedTypeForm,
  tensorSchemeForm,
  valueTypeForm,
} from './model-schema.js';
import { addressForm, instructionForm, programForm } from './program-schema.js';
import { memoryForm, reportForm, unitForm } from './report-schema.js';
import { columnsForm, traceForm } from './trace-schema.js';

const FORMS = {
  model: modelForm,
  program: programForm,
  device: deviceForm,
  report: reportForm,
  trace: traceForm,
};

/** Parts that get a name of their own in `$defs`. */
const NAMED_PARTS: Readonly<Record<string, z.ZodType>> = {
  Expression: expressionForms,
  ElementFormat: elementFormatForm,
  Numerics: numericsForm,
  QuantizedType: quantizedTypeForm,
  TensorScheme: tensorSchemeForm,
  ValueType: valueTypeForm,
  Address: addressForm,
  Instruction: instructionForm,
  Unit: unitForm,
  Memory: memoryForm,
};

/** JSON Schema (2020-12) of each artefact by kind, and of any artefact as `artefact`. */
export function jsonSchemas(): Record<string, unknown> {
  const parts = z.registry<{ id?: string; title?: string }>();
  for (const [id, form] of Object.entries(NAMED_PARTS)) parts.add(form, { id });
  const generate = (form: z.ZodType, title: string): unknown => ({
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title,
    ...z.toJSONSchema(form, {
      // What may be handed in: fields that are not known are ignored.
      io: 'input',
      metadata: parts,
      unrepresentable: 'any',
      override: ({ zodSchema, jsonSchema }) => {
        if (isColumn(zodSchema)) Object.assign(jsonSchema, { type: 'array', items: { type: 'number' } });
      },
    }),
  });
  const out: Record<string, unknown> = {};
  for (const [kind, form] of Object.entries(FORMS)) out[kind] = generate(form, `bitloom ${kind}`);
  out.artefact = generate(z.union(Object.values(FORMS)), 'bitloom artefact');
  return out;
}

/** Columns are typed arrays in memory and sections in a container; written as JSON they are lists of numbers. */
function isColumn(schema: unknown): boolean {
  return Object.values(columnsForm.shape).some((column) => column === schema);
}
