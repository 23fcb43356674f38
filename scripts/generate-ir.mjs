/**
 * Writes what is derived from the contract's tables and schemas: docs/instructions.md and the JSON Schemas of
 * packages/ir/schema. Run it after a change of either; tests say when it is due.
 *
 *   node scripts/generate-ir.mjs
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const contract = join(root, 'packages', 'ir');

const build = spawnSync('npm', ['run', 'build', '--workspace', '@bitloom/ir'], {
  cwd: root,
  stdio: ['ignore', 'ignore', 'inherit'],
  shell: process.platform === 'win32',
});
if (build.status !== 0) {
  console.error('packages/ir does not build; nothing was generated');
  process.exit(1);
}

/** Imports an entry of the fresh build. */
const load = (entry) => import(pathToFileURL(join(contract, 'dist', entry)).href);

const written = [];
const write = (path, text) => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  written.push(path.slice(root.length + 1));
};

const { instructionReference } = await load('index.js');
write(join(root, 'docs', 'instructions.md'), instructionReference());

const { jsonSchemas } = await load('schema.js');
for (const [kind, schema] of Object.entries(jsonSchemas())) {
  write(join(contract, 'schema', `${kind}.schema.json`), `${JSON.stringify(schema, null, 2)}\n`);
}

console.log(written.join('\n'));
