/**
 * Every README block is a program: it type-checks against the packages' sources, runs, and prints what it says it
 * prints. The blocks of one README stand alone; none continues another.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { format } from 'node:util';
import { afterAll, expect, test, vi } from 'vitest';
import { promisedOutput, readmes, type Snippet, snippetsOf } from './support/snippets.js';
import { fromRoot } from './support/workspace.js';

// Inside the repository, so that bare imports and the type checker's settings resolve as they do for a package.
mkdirSync(fromRoot('out'), { recursive: true });
const folder = mkdtempSync(fromRoot('out', 'snippets-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const snippets = readmes()
  .filter((readme) => existsSync(fromRoot(readme)))
  .flatMap((readme) => snippetsOf(readme));
const title = ({ readme, line }: Snippet): string => `${readme}:${line}`;
const fileOf = ({ readme, line }: Snippet): string =>
  join(folder, `${readme.replaceAll(/[/.]/g, '-')}-${line}.ts`);
for (const snippet of snippets) writeFileSync(fileOf(snippet), snippet.code);

test('README blocks type-check', () => {
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      extends: '../../tsconfig.json',
      compilerOptions: { noUnusedLocals: false },
      include: ['*.ts'],
    }),
  );
  if (snippets.length === 0) return;
  const tsc = fromRoot('node_modules', 'typescript', 'bin', 'tsc');
  const run = spawnSync(process.execPath, [tsc, '-p', folder, '--pretty', 'false'], { encoding: 'utf8' });
  // Errors in the packages' own sources are the type-check gate's business.
  const own = run.stdout.split('\n').filter((line) => line.includes('snippets-'));
  expect(own).toEqual([]);
});

test.each(snippets.filter(({ runs }) => runs).map((snippet) => [title(snippet), snippet] as const))(
  '%s runs and prints what it says',
  async (_title, snippet) => {
    const printed: string[] = [];
    const log = vi.spyOn(console, 'log').mockImplementation((...values: unknown[]) => {
      printed.push(format(...values));
    });
    try {
      await import(/* @vite-ignore */ pathToFileURL(fileOf(snippet)).href);
    } finally {
      log.mockRestore();
    }
    const promised = promisedOutput(snippet.code);
    if (promised !== undefined) expect(printed.join('\n')).toBe(promised);
  },
);
