/** What is generated from tables and schemas is committed, and must be what they say now. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { INSTRUCTION_SET, instructionReference, VECTOR_FUNCTIONS } from '../src/index.js';
import { jsonSchemas } from '../src/schema.js';

const contract = join(import.meta.dirname, '..');
const hint = 'stale: run `node scripts/generate-ir.mjs`';

test('docs/instructions.md is fresh', () => {
  const committed = readFileSync(join(contract, '..', '..', 'docs', 'instructions.md'), 'utf8');
  expect(committed, hint).toBe(instructionReference());
});

test('the instruction reference has every instruction, field and function', () => {
  const text = instructionReference();
  for (const spec of INSTRUCTION_SET.values()) {
    const start = text.indexOf(`### ${spec.name}\n`);
    const section = text.slice(start, text.indexOf('\n##', start + 1));
    for (const field of spec.fields)
      expect(section, spec.name).toContain(
        `| \`${field.name}\` | ${field.kind}${field.space === undefined ? '' : ` in a ${field.space}`} | ${field.bits} |`,
      );
  }
  for (const fn of VECTOR_FUNCTIONS) expect(text).toContain(`| ${fn.code} | \`${fn.name}\` |`);
});

describe('JSON Schemas', () => {
  const schemas = jsonSchemas();

  test('are one file each', () => {
    const files = readdirSync(join(contract, 'schema')).sort();
    expect(files).toEqual(
      Object.keys(schemas)
        .map((kind) => `${kind}.schema.json`)
        .sort(),
    );
  });

  test.each(Object.keys(schemas))('%s is fresh', (kind) => {
    const committed = readFileSync(join(contract, 'schema', `${kind}.schema.json`), 'utf8');
    expect(committed, hint).toBe(`${JSON.stringify(schemas[kind], null, 2)}\n`);
  });

  test('are exported by the package', () => {
    const manifest: { exports: Record<string, unknown>; files: string[] } = JSON.parse(
      readFileSync(join(contract, 'package.json'), 'utf8'),
    );
    for (const kind of ['model', 'program', 'device', 'report', 'trace']) {
      expect(manifest.exports[`./schema/${kind}.json`]).toBe(`./schema/${kind}.schema.json`);
    }
    expect(manifest.exports['./schema.json']).toBe('./schema/artefact.schema.json');
    expect(manifest.files).toContain('schema');
  });
});
