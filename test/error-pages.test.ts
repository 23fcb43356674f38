/**
 * The pages under docs/errors: every code of the sources has a section, every section a code, the table is fresh,
 * messages are sentences of the sources, and the blocks do what they say. The script beside this test finds the
 * codes; its output says what to add.
 */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, posix } from 'node:path';
import { pathToFileURL } from 'node:url';
import { format } from 'node:util';
import { afterAll, expect, test, vi } from 'vitest';
import { promisedOutput, type Snippet, snippetsOf } from './support/snippets.js';
import { fromRoot } from './support/workspace.js';

const pages = readdirSync(fromRoot('docs', 'errors')).map((page) => `docs/errors/${page}`);

test('codes, sections and table agree', () => {
  const script = fromRoot('scripts', 'list-error-codes.mjs');
  const { stdout, stderr, status } = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' });
  expect(status, `\n${stdout}${stderr}`).toBe(0);
});

// Inside the repository, so that bare imports and the type checker's settings resolve as they do for a package.
mkdirSync(fromRoot('out'), { recursive: true });
const folder = mkdtempSync(fromRoot('out', 'error-pages-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const snippets = pages.flatMap((page) => snippetsOf(page)).filter(({ language }) => language === 'ts');
const title = ({ readme, line }: Snippet): string => `${readme}:${line}`;
const nameOf = ({ readme, line }: Snippet): string => `${readme.replaceAll(/[/.]/g, '-')}-${line}.ts`;
for (const snippet of snippets) {
  // A module of its own, also where nothing is imported.
  writeFileSync(join(folder, nameOf(snippet)), `${snippet.code}\nexport {};\n`);
}

test('blocks type-check', () => {
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      extends: '../../tsconfig.json',
      compilerOptions: { noUnusedLocals: false },
      include: ['*.ts'],
    }),
  );
  const tsc = fromRoot('node_modules', 'typescript', 'bin', 'tsc');
  const run = spawnSync(process.execPath, [tsc, '-p', folder, '--pretty', 'false'], { encoding: 'utf8' });
  // Errors in the packages' own sources are the type-check gate's business.
  const own = run.stdout.split('\n').filter((line) => line.includes('error-pages-'));
  expect(own).toEqual([]);
});

test('blocks run and print what they say', async () => {
  const wrong: string[] = [];
  for (const snippet of snippets.filter(({ runs }) => runs)) {
    const printed: string[] = [];
    const log = vi.spyOn(console, 'log').mockImplementation((...values: unknown[]) => {
      printed.push(format(...values));
    });
    try {
      await import(/* @vite-ignore */ pathToFileURL(join(folder, nameOf(snippet))).href);
      const promised = promisedOutput(snippet.code);
      const got = printed.join('\n');
      if (promised !== undefined && promised !== got) {
        wrong.push(`${title(snippet)}: prints ${got} in place of ${promised}`);
      }
    } catch (error) {
      wrong.push(`${title(snippet)}: ${String(error)}`);
    } finally {
      log.mockRestore();
    }
  }
  expect(wrong).toEqual([]);
});

/** Options that every command has without declaring them. */
const COMMON = ['--json', '--help'];

/** Lines of `sh` blocks that call a command, with their page and line. */
function commandsOf(page: string): { place: string; words: string[] }[] {
  const text = readFileSync(fromRoot(page), 'utf8');
  return [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].flatMap((block) =>
    block[1].split('\n').flatMap((line, i) => {
      const start = text.slice(0, block.index).split('\n').length;
      const command = /^bitloom ([a-z][^|>#]*)/.exec(line)?.[1];
      const words = command?.match(/"[^"]*"|\S+/g) ?? [];
      return words.length === 0 ? [] : [{ place: `${page}:${start + 1 + i}`, words: [...words] }];
    }),
  );
}

test('commands have the options that the pages give them', () => {
  // Read as text: the declarations are one call each, and loading them would load the parser.
  const declared = readFileSync(fromRoot('apps', 'cli', 'src', 'command-line.ts'), 'utf8');
  const options = new Map(
    declared
      .split(/\badd\('/)
      .slice(1)
      .map((part): [string, string[]] => [
        part.slice(0, part.search(/[ ']/)),
        [...part.matchAll(/'(?:(-\w), )?(--[a-z-]+)[ ']/g)].flatMap((match) => [match[1] ?? '', match[2]]),
      ]),
  );
  const commands = pages.flatMap((page) => commandsOf(page));
  expect(commands.length).toBeGreaterThan(20);
  const wrong = commands.flatMap(({ place, words: [name, ...rest] }) => {
    const known = options.get(name);
    if (known === undefined) return [`${place}: there is no command '${name}'`];
    return rest
      .filter((word) => /^-{1,2}[a-z]/.test(word) && !COMMON.includes(word) && !known.includes(word))
      .map((word) => `${place}: '${name}' has no ${word}`);
  });
  expect(wrong).toEqual([]);
});

/** Anchors of the headings of a page, as GitHub makes them. */
function anchorsOf(page: string): string[] {
  const headings = readFileSync(fromRoot(page), 'utf8').matchAll(/^#+ (.*)$/gm);
  return [...headings].map(([, heading]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w -]/g, '')
      .replaceAll(' ', '-'),
  );
}

test('links lead to a page and to a section of it', () => {
  const broken = pages.flatMap((page) =>
    [...readFileSync(fromRoot(page), 'utf8').matchAll(/\]\(([^)#\s]*)(?:#([^)\s]+))?\)/g)].flatMap(
      ([link, file, anchor]) => {
        const target = file === '' ? page : posix.join('docs/errors', file);
        const leads =
          existsSync(fromRoot(target)) && (anchor === undefined || anchorsOf(target).includes(anchor));
        return leads ? [] : [`${page}: ${link}`];
      },
    ),
  );
  expect(broken).toEqual([]);
});
