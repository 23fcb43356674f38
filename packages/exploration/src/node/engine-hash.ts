/**
 * Which compiler and simulator there are: a hash of the code of the packages that outcomes come from. A version number
 * would not do, since figures change between releases as well.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative, sep } from 'node:path';

/** Packages whose code makes an outcome. */
const PACKAGES = ['ir', 'compiler', 'simulator', 'exploration'] as const;

/**
 * Hash of the code that compiles and times designs. Part of `identity` of a search whose outcomes are kept, so that
 * figures of one engine are never taken for those of another.
 *
 * @returns SHA-256, hexadecimal
 */
export function engineHash(): string {
  const require = createRequire(import.meta.url);
  const folderOf = (name: string): string => dirname(require.resolve(`@bitloom/${name}/package.json`));
  // What runs is the build, or in development the sources.
  const [kind = 'dist'] = relative(folderOf('exploration'), import.meta.dirname).split(sep);
  return hashCode(PACKAGES.map((name) => join(folderOf(name), kind)));
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
