/**
 * `@bitloom/ir/schema`: the artefacts as zod schemas, and as functions that check a value from outside. An entry of
 * its own, so that users of the plain types do not load the schema library.
 */
import type * as z from 'zod';
import type { Device } from './device/device.js';
import type { Model } from './model/graph.js';
import type { TensorScheme } from './model/tensor-scheme.js';
import type { Program } from './program/program.js';
import type { Report } from './report/report.js';
import type { Trace } from './report/trace.js';
import { deviceForm } from './schema/device-schema.js';
import { modelForm, tensorSchemeForm } from './schema/model-schema.js';
import { parseWith } from './schema/parse.js';
import { programForm } from './schema/program-schema.js';
import { reportForm } from './schema/report-schema.js';
import { traceForm } from './schema/trace-schema.js';

export { parseDramParts } from './schema/dram-parts.js';
export { expressionSchema } from './schema/expression-schema.js';
export { jsonSchemas } from './schema/json-schema.js';
export { parseWith } from './schema/parse.js';

export const modelSchema: z.ZodType<Model> = modelForm;
export const tensorSchemeSchema: z.ZodType<TensorScheme> = tensorSchemeForm;
export const programSchema: z.ZodType<Program> = programForm;
export const deviceSchema: z.ZodType<Device> = deviceForm;
export const reportSchema: z.ZodType<Report> = reportForm;
export const traceSchema: z.ZodType<Trace> = traceForm;

/**
 * The value as a model: checked, keys in schema order, unknown fields dropped. Likewise the other four.
 *
 * @param where file or object, for the message
 * @throws BitloomError `artefact-invalid`
 */
export function parseModel(value: unknown, where?: string): Model {
  return parseWith(modelSchema, value, 'model', where);
}

/**
 * The value as a quantisation scheme.
 *
 * @throws BitloomError `artefact-invalid`
 */
export function parseTensorScheme(value: unknown, where?: string): TensorScheme {
  return parseWith(tensorSchemeSchema, value, 'scheme', where);
}

export function parseProgram(value: unknown, where?: string): Program {
  return parseWith(programSchema, value, 'program', where);
}

export function parseDevice(value: unknown, where?: string): Device {
  return parseWith(deviceSchema, value, 'device', where);
}

export function parseReport(value: unknown, where?: string): Report {
  return parseWith(reportSchema, value, 'report', where);
}

export function parseTrace(value: unknown, where?: string): Trace {
  return parseWith(traceSchema, value, 'trace', where);
}
