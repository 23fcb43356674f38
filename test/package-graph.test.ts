/**
 * The allowed package graph: a room imports only rooms that stand above it, nothing imports an app, every import
 * is a declared dependency, no import reaches into another package's folder, and the contract stays light (no
 * file system outside `@bitloom/ir/node`, no schema library outside `@bitloom/ir/schema`).
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, resolve, sep } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findImports, packageOf } from './support/imports.js';
import {
  fromRoot,
  listSources,
  readWorkspaces,
  roomOrder,
  shortPath,
  type Workspace,
} from './support/workspace.js';

const workspaces = readWorkspaces();
const names = new Set(workspaces.map(({ manifest }) => manifest.name));

/** Names of our own packages that `name` may import: those above it, or all rooms for an app. */
function allowedFor(name: string): Set<string> {
  const rank = roomOrder.indexOf(name);
  return new Set(rank < 0 ? roomOrder : roomOrder.slice(0, rank));
}

const isOurs = (name: string): boolean => name === 'bitloom' || name.startsWith('@bitloom/');

/** Imports of a set of files, as `[file, specifier, package]`. */
function importsOf(files: readonly string[]): { file: string; specifier: string; name: string }[] {
  return files.flatMap((file) =>
    findImports(readFileSync(file, 'utf8')).flatMap(({ specifier }) => {
      const name = packageOf(specifier);
      return name === undefined ? [] : [{ file: shortPath(file), specifier, name }];
    }),
  );
}

/** Run-time module specifiers reachable from an entry through relative imports, each with the file that has it. */
function reachable(entry: string): { file: string; specifier: string }[] {
  const seen = new Set<string>();
  const found: { file: string; specifier: string }[] = [];
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const { specifier, typeOnly } of findImports(readFileSync(file, 'utf8'))) {
      if (typeOnly) continue;
      if (specifier.startsWith('.')) visit(resolve(dirname(file), specifier.replace(/\.js$/, '.ts')));
      else found.push({ file: shortPath(file), specifier });
    }
  };
  visit(entry);
  return found;
}

test('every package folder is a room of the house', () => {
  const packages = workspaces.filter(({ folder }) => folder.startsWith('packages/'));
  expect(packages.length).toBeGreaterThanOrEqual(9);
  for (const { folder, manifest } of packages) {
    expect(roomOrder, `${folder} is not in the table of rooms`).toContain(manifest.name);
    expect(manifest.name).toBe(`@bitloom/${folder.slice('packages/'.length)}`);
  }
});

describe.each(workspaces.map((workspace) => [workspace.manifest.name, workspace] as const))(
  '%s',
  (name, { folder, manifest }: Workspace) => {
    const allowed = allowedFor(name);
    const declared = { ...manifest.dependencies, ...manifest.peerDependencies };

    test('depends only on rooms above it', () => {
      const ours = Object.keys({ ...declared, ...manifest.devDependencies }).filter(isOurs);
      expect(ours.filter((dependency) => !allowed.has(dependency))).toEqual([]);
      expect(ours.filter((dependency) => !names.has(dependency))).toEqual([]);
    });

    test('pins what it does not own exactly', () => {
      const loose = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies }).filter(
        ([dependency, range]) => !isOurs(dependency) && !/^\d+\.\d+\.\d+$/.test(range),
      );
      expect(loose).toEqual([]);
    });

    test('declares what its sources import', () => {
      const undeclared = importsOf(listSources(folder, 'src')).filter(
        (found) => !isBuiltin(found.specifier) && found.name !== name && !(found.name in declared),
      );
      expect(undeclared).toEqual([]);
    });

    test('imports only rooms above it, in its tests too', () => {
      const files = [...listSources(folder, 'src'), ...listSources(folder, 'test')];
      const wrong = importsOf(files).filter(
        (found) => isOurs(found.name) && found.name !== name && !allowed.has(found.name),
      );
      expect(wrong).toEqual([]);
    });

    test('imports no file of another package by path', () => {
      const home = fromRoot(folder) + sep;
      const leaving = listSources(folder, 'src').flatMap((file) =>
        findImports(readFileSync(file, 'utf8'))
          .filter(({ specifier }) => specifier.startsWith('.'))
          .filter(({ specifier }) => !resolve(dirname(file), specifier).startsWith(home))
          .map(({ specifier }) => `${shortPath(file)} imports ${specifier}`),
      );
      expect(leaving).toEqual([]);
    });

    test('maps each entry to source, types and bundle, in this order', () => {
      for (const [entry, target] of Object.entries(manifest.exports)) {
        if (typeof target === 'string') continue;
        expect(Object.keys(target), entry).toEqual(['@bitloom/source', 'types', 'default']);
        expect(existsSync(fromRoot(folder, target['@bitloom/source'])), entry).toBe(true);
      }
    });

    test('is published as an ESM package with its licence and sources', () => {
      expect(manifest.type).toBe('module');
      expect(manifest.sideEffects).toBe(false);
      expect(manifest.license).toBe('Apache-2.0');
      expect(manifest.engines).toEqual({ node: '>=20.19' });
      expect(manifest.files).toEqual(expect.arrayContaining(['dist', 'src', 'README.md', 'LICENSE']));
      expect(manifest.publishConfig).toMatchObject({ provenance: true });
      expect(readFileSync(fromRoot(folder, 'LICENSE'), 'utf8')).toBe(
        readFileSync(fromRoot('LICENSE'), 'utf8'),
      );
    });
  },
);

test('the contract touches no file system and no schema library outside its own entries', () => {
  const found = reachable(fromRoot('packages', 'ir', 'src', 'index.ts'));
  expect(found.filter(({ specifier }) => isBuiltin(specifier))).toEqual([]);
  expect(found.filter(({ specifier }) => specifier.startsWith('zod'))).toEqual([]);
});

test('packages that a browser may load reach no Node built-in from their main entry', () => {
  for (const name of ['wasm', 'formats', 'models']) {
    const found = reachable(fromRoot('packages', name, 'src', 'index.ts'));
    expect(found.filter(({ specifier }) => isBuiltin(specifier))).toEqual([]);
  }
});

test('finds imports of every shape and ignores comments', () => {
  const source = [
    "import a, { b } from 'one';",
    "import type { T } from 'two';",
    "import 'three';",
    "export * from './four.js';",
    "export type { U } from 'five';",
    'import {\n  c,\n  d,\n} from "six/sub";',
    "const e = await import('seven');",
    "type V = import('eight').V;",
    " * import { x } from 'no';",
    "// import y from 'no';",
    "/** import { z } from 'no'; */",
    "export const text = 'from';",
  ].join('\n');
  const block = "/**\n * import { x } from 'no';\n */\n";
  const found = findImports(block + source.replace(" * import { x } from 'no';\n", ''));
  expect(found.filter(({ typeOnly }) => !typeOnly).map(({ specifier }) => specifier)).toEqual([
    'one',
    'three',
    './four.js',
    'six/sub',
    'seven',
  ]);
  expect(found.filter(({ typeOnly }) => typeOnly).map(({ specifier }) => specifier)).toEqual([
    'two',
    'five',
    'eight',
  ]);
  expect(packageOf('@bitloom/ir/node')).toBe('@bitloom/ir');
  expect(packageOf('six/sub')).toBe('six');
  expect(packageOf('./x.js')).toBeUndefined();
});

test('commands stand in the repository: npm links only what exists when it installs, and bundles come later', () => {
  const commands = readWorkspaces().flatMap(({ folder }) => {
    const { bin = {} } = JSON.parse(readFileSync(fromRoot(folder, 'package.json'), 'utf8')) as {
      bin?: Record<string, string>;
    };
    return Object.values(bin).map((target) => join(folder, target));
  });
  expect(commands).not.toEqual([]);
  for (const command of commands) {
    const [entry] = execFileSync('git', ['ls-files', '--stage', '--', command], {
      cwd: fromRoot(),
      encoding: 'utf8',
    }).split(' ');
    expect(entry, `${command} as an executable file`).toBe('100755');
  }
});
