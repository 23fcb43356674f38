/**
 * Which compiler and simulator there are: a hash of the code of the packages that outcomes come from. A version number
 * would not do, since figures change between releases as well.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative, sep } from 'node:path';

/**
 * Hash of the code that compiles and times designs. Part of `identity` of a search whose outcomes are kept, so that
 * figures of one engine are never taken for those of another.
 *
 * @returns SHA-256, hexadecimal
 */
export function engineHash(): string {
  return hashCode([...engineFolders().values()]);
}

const OWN = '@bitloom/exploration';

/**
 * Folders of code by package, by name: this package and every one of ours that it needs, directly or through another.
 * Some of them only compute values, which no outcome holds; but a list of those that matter would go out of date.
 */
export function engineFolders(): ReadonlyMap<string, string> {
  const roots = new Map<string, string>();
  const visit = (name: string, require: NodeJS.Require): void => {
    if (roots.has(name)) return;
    const manifest = require.resolve(`${name}/package.json`);
    roots.set(name, dirname(manifest));
    // What a package needs is found from where it lies, for an installer may not put it beside this one.
    const own = createRequire(manifest);
    for (const needed of dependenciesOf(manifest)) if (needed.startsWith('@bitloom/')) visit(needed, own);
  };
  visit(OWN, createRequire(import.meta.url));
  // What runs is the build, or in development the sources.
  const [kind = 'dist'] = relative(roots.get(OWN) ?? '', import.meta.dirname).split(sep);
  const byName = [...roots].sort(([a], [b]) => (a < b ? -1 : 1));
  return new Map(byName.map(([name, root]) => [name, join(root, kind)]));
}

function dependenciesOf(manifest: string): string[] {
  const { dependencies }: { dependencies?: object } = JSON.parse(readFileSync(manifest, 'utf8'));
  return Object.keys(dependencies ?? {});
}

/** SHA-256 of all code below some folders, by path and content. */
export function hashCode(folders: readonly string[]): string {
  const hash = createHash('sha256');
  folders.forEach((folder, i) => {
    const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .map((path) => path.replaceAll(sep, '/'))
      .filter((path) => /\.[jt]s$/.test(path) && !path.endsWith('.d.ts'))
      .sort();
    for (const path of paths) {
      const content = readFileSync(join(folder, path));
      hash.update(`${i} ${path} ${content.length}\n`).update(content);
    }
  });
  return hash.digest('hex');
}
