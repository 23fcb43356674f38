/**
 * The one tsup configuration of every package: ESM for Node 20, one output file per entry of the package's
 * `exports` map. Declarations are not made here (tsup's own do not work with TypeScript 7): `tsc` emits them
 * after the bundle, see tsconfig.build.base.json.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Options } from 'tsup';

/**
 * Builds the configuration of the package in `directory`.
 *
 * @param directory absolute path of the package folder
 * @param extraEntries sources outside the `exports` map that must keep a file of their own (a `bin`, a worker),
 *   relative to the package folder
 */
export function packageConfig(directory: string, extraEntries: readonly string[] = []): Options {
  const manifest: { exports: Record<string, string | Record<string, string>> } = JSON.parse(
    readFileSync(join(directory, 'package.json'), 'utf8'),
  );
  const entries = Object.values(manifest.exports)
    .map((target) => (typeof target === 'string' ? undefined : target['@bitloom/source']))
    .filter((source) => source !== undefined);
  return {
    entry: [...entries, ...extraEntries],
    format: 'esm',
    target: 'node20',
    platform: 'node',
    splitting: true,
    sourcemap: true,
    clean: true,
    dts: false,
    silent: true,
  };
}

/**
 * As {@link packageConfig}, one output file per source file: for packages that browsers take in parts. A bundler drops
 * whole modules that nothing asks for, but of one large file it keeps every table it cannot prove to be without effect.
 *
 * @param directory absolute path of the package folder
 */
export function moduleConfig(directory: string): Options {
  return { ...packageConfig(directory), entry: ['src/**/*.ts'], bundle: false, splitting: false };
}
