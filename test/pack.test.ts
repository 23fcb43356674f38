/**
 * Each package builds, packs and installs alone: its tarball and those of the packages it depends on go into an
 * empty folder, where the first block of its README runs on plain Node. Dependencies from outside come from npm's
 * cache by the integrity in the lockfile; npm asks the network only for what the cache lost.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { transformWithOxc } from 'vite';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { buildPackages } from './support/build.js';
import { promisedOutput, snippetsOf } from './support/snippets.js';
import { fromRoot, readWorkspaces, type Workspace } from './support/workspace.js';

/** The parts of a package-lock.json entry that an install needs. */
interface LockEntry {
  version?: string;
  resolved?: string;
  integrity?: string;
  link?: boolean;
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  bin?: Record<string, string>;
}

/** What `npm pack --json` says of one tarball. */
interface Packed {
  name: string;
  filename: string;
  integrity: string;
  files: { path: string }[];
}

const workspaces = readWorkspaces();
const byName = new Map(workspaces.map((workspace) => [workspace.manifest.name, workspace]));
const scratch = mkdtempSync(join(tmpdir(), 'bitloom-pack-'));
const packed = new Map<string, Packed>();
let registry = '';

/** Runs a command to its end and gives its stdout; throws with its stderr when it fails. */
function run(
  command: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: process.platform === 'win32',
    });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      err += chunk.toString();
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(out);
      else reject(new Error(`${command} ${args.join(' ')} ended with ${code} in ${cwd}\n${err}\n${out}`));
    });
  });
}

/** Our own packages that `name` needs at run time, itself included. */
function closure(name: string, into = new Set<string>()): Set<string> {
  if (into.has(name)) return into;
  into.add(name);
  for (const dependency of Object.keys(byName.get(name)?.manifest.dependencies ?? {})) {
    if (byName.has(dependency)) closure(dependency, into);
  }
  return into;
}

/** The lockfile key that Node's look-up finds for `name` from the package at `from`, walking up `node_modules`. */
function lookUp(locked: Record<string, LockEntry>, name: string, from: string): string | undefined {
  for (let base = from; ; ) {
    const key = base === '' ? `node_modules/${name}` : `${base}/node_modules/${name}`;
    if (locked[key] !== undefined) return key;
    if (base === '') return undefined;
    base = base.slice(0, Math.max(0, base.lastIndexOf('/node_modules/')));
  }
}

/** Where a lockfile entry stands once workspaces are installed packages: `apps/cli/…` is `node_modules/bitloom/…`. */
function installedPath(key: string): string {
  const owner = workspaces.find(({ folder }) => key.startsWith(`${folder}/`));
  return owner === undefined ? key : `node_modules/${owner.manifest.name}${key.slice(owner.folder.length)}`;
}

/**
 * A lockfile for an empty project that installs the given tarballs: our own packages from their files, everything
 * else exactly as the repository's lockfile has it.
 */
function lockfileFor(names: ReadonlySet<string>): { dependencies: Record<string, string>; lock: string } {
  const rootLock: { packages: Record<string, LockEntry> } = JSON.parse(
    readFileSync(fromRoot('package-lock.json'), 'utf8'),
  );
  const packages: Record<string, LockEntry> = {};
  const dependencies: Record<string, string> = {};
  for (const name of names) {
    const tarball = packed.get(name);
    const workspace = byName.get(name);
    if (tarball === undefined || workspace === undefined) throw new Error(`${name} was not packed`);
    dependencies[name] = `file:../${tarball.filename}`;
    packages[`node_modules/${name}`] = {
      version: workspace.manifest.version,
      resolved: dependencies[name],
      integrity: tarball.integrity,
      dependencies: workspace.manifest.dependencies,
      bin: workspace.manifest.bin,
    };
  }
  /** Copies the locked entry that the package at `from` loads as `name`, then what that entry needs. */
  const copy = (name: string, from: string, optional: boolean): void => {
    if (byName.has(name)) return;
    const key = lookUp(rootLock.packages, name, from);
    if (key === undefined) {
      if (optional) return;
      throw new Error(`${name}, which ${from} needs, is not in package-lock.json`);
    }
    const target = installedPath(key);
    if (packages[target] !== undefined) return;
    const entry = rootLock.packages[key];
    const file = `${name.split('/').at(-1)}-${entry.version}.tgz`;
    packages[target] = { ...entry, resolved: new URL(`${name}/-/${file}`, registry).href };
    for (const dependency of Object.keys(entry.dependencies ?? {})) copy(dependency, key, false);
    for (const dependency of Object.keys(entry.optionalDependencies ?? {})) copy(dependency, key, true);
  };
  for (const name of names) {
    const workspace = byName.get(name);
    for (const dependency of Object.keys(workspace?.manifest.dependencies ?? {})) {
      copy(dependency, workspace?.folder ?? '', false);
    }
  }
  const lock = JSON.stringify({
    name: 'empty-folder',
    lockfileVersion: 3,
    requires: true,
    packages: { '': { dependencies }, ...packages },
  });
  return { dependencies, lock };
}

/** Installs one package in a folder of its own and gives the folder. */
async function install(name: string): Promise<string> {
  const folder = mkdtempSync(join(scratch, 'empty-'));
  const { dependencies, lock } = lockfileFor(closure(name));
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ private: true, type: 'module', dependencies }),
  );
  writeFileSync(join(folder, 'package-lock.json'), lock);
  const flags = ['--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  await run('npm', ['ci', ...flags], folder);
  return folder;
}

beforeAll(async () => {
  // A stale `dist` must not pass: build first (nothing happens when nothing changed).
  buildPackages();
  const listing = await run(
    'npm',
    ['pack', '--workspaces', '--json', '--pack-destination', scratch, '--loglevel=error'],
    fromRoot(),
  );
  for (const entry of JSON.parse(listing) as Packed[]) packed.set(entry.name, entry);
  const url = (await run('npm', ['config', 'get', 'registry', '--loglevel=error'], fromRoot())).trim();
  registry = url.endsWith('/') ? url : `${url}/`;
}, 300_000);

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe.concurrent.each(workspaces.map((workspace) => [workspace.manifest.name, workspace] as const))(
  '%s',
  (name, { folder, manifest }: Workspace) => {
    test('packs sources, bundle, declarations, README and licence, and nothing else', ({ expect }) => {
      const files = packed.get(name)?.files.map(({ path }) => path) ?? [];
      expect(files).toEqual(expect.arrayContaining(['package.json', 'README.md', 'LICENSE']));
      for (const target of Object.values(manifest.exports)) {
        const paths = typeof target === 'string' ? [target] : Object.values(target);
        for (const path of paths) expect(files).toContain(path.slice('./'.length));
      }
      for (const path of Object.values(manifest.bin ?? {})) expect(files).toContain(path.slice('./'.length));
      const allowed = [...manifest.files, 'package.json', 'CHANGELOG.md'];
      expect(files.filter((path) => !allowed.includes(path.split('/')[0]))).toEqual([]);
      expect(files.filter((path) => /\.test\.|\.tsbuildinfo$/.test(path))).toEqual([]);
    });

    test('installs in an empty folder and runs', { timeout: 180_000 }, async ({ expect }) => {
      const home = await install(name);
      if (manifest.bin !== undefined) {
        for (const command of Object.keys(manifest.bin)) {
          const version = await run(join(home, 'node_modules', '.bin', command), ['--version'], home);
          expect(version.trim()).toBe(manifest.version);
        }
        return;
      }
      const first = snippetsOf(`${folder}/README.md`).find(({ runs }) => runs);
      if (first === undefined)
        throw new Error(`${folder}/README.md has no block that runs (\`\`\`ts or \`\`\`js)`);
      const { code } = await transformWithOxc(first.code, 'snippet.ts', { sourcemap: false });
      writeFileSync(join(home, 'snippet.js'), code);
      const printed = await run(process.execPath, ['snippet.js'], home);
      const promised = promisedOutput(first.code);
      if (promised !== undefined) expect(printed.trimEnd()).toBe(promised);
    });
  },
);
