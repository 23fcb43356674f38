/**
 * Writes docs/number-formats.md and the pictures under docs/formats: every number format with its bits, its code points
 * and its error on seeded data and on the weights of two real networks, which come from the folder of shared test data.
 * Run it after a change of a format, a scheme or a preset; a test says when it is due.
 *
 *   node scripts/format-table.mjs
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const page = join(root, 'docs', 'number-formats.md');
const pictures = join(root, 'docs', 'formats');

const build = spawnSync(
  'npm',
  [
    'run',
    'build',
    ...['ir', 'wasm', 'formats', 'models'].flatMap((name) => ['--workspace', `@bitloom/${name}`]),
  ],
  { cwd: root, stdio: ['ignore', 'ignore', 'inherit'], shell: process.platform === 'win32' },
);
if (build.status !== 0) {
  console.error('the packages do not build; nothing was written');
  process.exit(1);
}

// Not before there is a build to import.
const { dataFolder, resnet20, stories260k, syntheticSources } = await import('./support/format-data.mjs');
const { formatPictures } = await import('./support/format-pictures.mjs');
const { formatPage } = await import('./support/format-page.mjs');

const data = dataFolder(root);
if (data === undefined) {
  console.error(
    'the weights of real networks are needed: set BITLOOM_DATA to the folder of shared test data',
  );
  process.exit(1);
}
const sources = [...syntheticSources(), await stories260k(data), resnet20(data)];

mkdirSync(pictures, { recursive: true });
const drawn = formatPictures();
for (const file of readdirSync(pictures)) {
  if (!drawn.some((picture) => picture.file === file)) rmSync(join(pictures, file));
}
for (const { file, svg } of drawn) writeFileSync(join(pictures, file), svg);

const before = existsSync(page) ? readFileSync(page, 'utf8') : '';
const today = new Date().toISOString().slice(0, 10);
const [, written = today] = /measured on (\d{4}-\d{2}-\d{2})/.exec(before) ?? [];
// The day of the last change: a run that finds the same figures changes no byte.
const unchanged = formatPage(sources, written);
writeFileSync(page, unchanged === before ? before : formatPage(sources, today));
console.log(
  `docs/number-formats.md ${unchanged === before ? 'is as it was' : 'written'}, ${drawn.length} pictures`,
);
