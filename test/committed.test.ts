/**
 * What must never be committed: the host of a package registry, a path of somebody's machine, a lockfile that
 * says where its tarballs came from. The patterns are put together from parts, so that this file passes itself.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { expect, test } from 'vitest';
import { repositoryRoot } from './support/data.js';
import { fromRoot } from './support/workspace.js';

const literal = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** A path prefix that is worth forbidding: `/` or `/root` alone would say nothing about a machine. */
const isTelling = (path: string): boolean => path.split('/').filter(Boolean).length >= 2;

const forbidden: [what: string, pattern: RegExp][] = [
  [
    'the host of a package registry',
    new RegExp(`registry\\.${'npm'}js|npm\\.pkg\\.${'github'}|/npm${'js'}/`),
  ],
  ['a registry setting', new RegExp(`${'regis'}try['"]?\\s*[=:]\\s*['"]?http`)],
  ['a home folder', new RegExp(`/${'home'}/[a-z]|/${'root'}/[.\\w]|/${'Users'}/[A-Za-z]|C:\\\\${'Users'}`)],
  ['a path of this machine', new RegExp(['', 'work', '(main|shared|\\.)'].join('/'))],
  ...[repositoryRoot, homedir()]
    .filter(isTelling)
    .map((path): [string, RegExp] => ['a path of this machine', new RegExp(`${literal(path)}(?![\\w-])`)]),
];

/** Files that git tracks or would add, smaller than `limit` bytes and without a zero byte near their start. */
function textFiles(limit = 4_000_000): { path: string; text: string }[] {
  const listing = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: repositoryRoot,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  return listing.split('\0').flatMap((path) => {
    if (path === '') return [];
    const stat = statSync(fromRoot(path), { throwIfNoEntry: false });
    if (stat === undefined || !stat.isFile() || stat.size > limit) return [];
    const bytes = readFileSync(fromRoot(path));
    return bytes.subarray(0, 8000).includes(0) ? [] : [{ path, text: bytes.toString('utf8') }];
  });
}

test('no committed file names a registry host or a path of a machine', () => {
  const files = textFiles();
  expect(files.length).toBeGreaterThan(50);
  const found = files.flatMap(({ path, text }) =>
    forbidden.flatMap(([what, pattern]) => {
      const match = pattern.exec(text);
      if (match === null) return [];
      return [`${path}:${text.slice(0, match.index).split('\n').length} has ${what}: ${match[0]}`];
    }),
  );
  expect(found).toEqual([]);
});

test('the lockfile does not say where its tarballs came from', () => {
  const lock: { packages: Record<string, { resolved?: string; link?: boolean }> } = JSON.parse(
    readFileSync(fromRoot('package-lock.json'), 'utf8'),
  );
  const placed = Object.entries(lock.packages).filter(
    ([, { resolved, link }]) => resolved !== undefined && link !== true,
  );
  expect(placed).toEqual([]);
});

test('the patterns catch what they are for', () => {
  const caught = (text: string): boolean => forbidden.some(([, pattern]) => pattern.test(text));
  expect(caught(`https://registry.${'npm'}js.org/zod`)).toBe(true);
  expect(caught(`${'regis'}try=https://example.org`)).toBe(true);
  expect(caught(`see /${'home'}/ada/bitloom`)).toBe(true);
  expect(caught('/usr/bin/chromium and /tmp/x and home/ada')).toBe(false);
});
