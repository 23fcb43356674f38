/**
 * What the repository's own gates need to know of the workspace: its packages in the order in which they may
 * import one another, their manifests and their source files. Reads files only.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { repositoryRoot } from './data.js';

/** The parts of a package.json that the gates look at. */
export interface Manifest {
  name: string;
  version: string;
  license: string;
  type: string;
  sideEffects: boolean;
  files: string[];
  bin?: Record<string, string>;
  exports: Record<string, string | Record<string, string>>;
  engines: Record<string, string>;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
  publishConfig: Record<string, unknown>;
}

/** One workspace. */
export interface Workspace {
  /** Folder relative to the repository root, with forward slashes: `packages/ir`. */
  folder: string;
  manifest: Manifest;
}

/**
 * The rooms from the top of the house to its cellar: each may import only those that stand before it. Rooms that
 * are planned but not built have their place already, so that the order is decided once.
 */
export const roomOrder: readonly string[] = [
  '@bitloom/ir',
  '@bitloom/wasm',
  '@bitloom/formats',
  '@bitloom/kernels-native',
  '@bitloom/kernels',
  '@bitloom/models',
  '@bitloom/compiler',
  '@bitloom/simulator',
  '@bitloom/runtime',
  '@bitloom/training',
  '@bitloom/compression',
  '@bitloom/exploration',
  '@bitloom/virtualization',
];

/** Absolute path of a file or folder of the repository. */
export function fromRoot(...parts: readonly string[]): string {
  return join(repositoryRoot, ...parts);
}

/** Reads every workspace under `packages/` and `apps/`, ordered as in {@link roomOrder}, apps last. */
export function readWorkspaces(): Workspace[] {
  const rank = (name: string): number => {
    const index = roomOrder.indexOf(name);
    return index < 0 ? roomOrder.length : index;
  };
  return ['packages', 'apps']
    .flatMap((parent) =>
      readdirSync(fromRoot(parent), { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => `${parent}/${entry.name}`),
    )
    .map((folder) => ({
      folder,
      manifest: JSON.parse(readFileSync(fromRoot(folder, 'package.json'), 'utf8')) as Manifest,
    }))
    .sort((a, b) => rank(a.manifest.name) - rank(b.manifest.name));
}

/** Absolute paths of the TypeScript files under a folder of the repository; none when it does not exist. */
export function listSources(...parts: readonly string[]): string[] {
  const folder = fromRoot(...parts);
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name))
    .sort();
}

/** Path relative to the repository root with forward slashes, for messages. */
export function shortPath(file: string): string {
  return relative(repositoryRoot, file).replaceAll('\\', '/');
}
