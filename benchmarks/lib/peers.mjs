/**
 * The peers, each in a folder of benchmarks/peers with its own lock file: installed when a benchmark needs them, with
 * prebuilt binaries of this machine and nothing for graphics cards, never by the set-up of the repository.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const peers = fileURLToPath(new URL('../peers/', import.meta.url));

/** node-llama-cpp: names of the packages with binaries, by `process.platform` and `process.arch`. */
const LLAMA_BINARIES = {
  'linux x64': 'linux-x64',
  'linux arm64': 'linux-arm64',
  'darwin x64': 'mac-x64',
  'darwin arm64': 'mac-arm64-metal',
  'win32 x64': 'win-x64',
  'win32 arm64': 'win-arm64',
};

const json = (path) => JSON.parse(readFileSync(path, 'utf8'));

/** Exact versions of the packages in a folder of peers. */
function pins(folder) {
  return json(`${peers}${folder}/package.json`).dependencies;
}

/** The package with the binary of node-llama-cpp for this machine. */
function llamaBinary() {
  const platform = `${process.platform} ${process.arch}`;
  const binary = LLAMA_BINARIES[platform];
  if (binary === undefined) throw new Error(`node-llama-cpp has no prebuilt binary for ${platform}`);
  return { [`@node-llama-cpp/${binary}`]: pins('node-llama-cpp')['node-llama-cpp'] };
}

/**
 * How each folder is installed: arguments of npm, and the packages that must then be there beside those of its
 * package.json. The optional dependencies of node-llama-cpp are a binary for every platform and graphics interface,
 * hundreds of megabytes: only the one of this machine is named. Versions come from the lock files.
 */
const INSTALL = {
  'onnxruntime-node': { args: () => ['ci'], also: () => ({}) },
  'node-llama-cpp': {
    args: () => [
      ...['install', '--no-save', '--omit=optional'],
      ...Object.entries(llamaBinary()).map(([name, version]) => `${name}@${version}`),
    ],
    also: llamaBinary,
  },
};

function isInstalled(folder) {
  return Object.entries({ ...pins(folder), ...INSTALL[folder].also() }).every(([name, version]) => {
    const path = `${peers}${folder}/node_modules/${name}/package.json`;
    return existsSync(path) && json(path).version === version;
  });
}

/**
 * Installs the peers of a folder unless they are there in the version asked for. Output of npm goes to stderr.
 *
 * @returns {Record<string, string>} versions by package
 */
export function installPeer(folder) {
  if (isInstalled(folder)) return pins(folder);
  process.stderr.write(`bench: installing ${folder} into benchmarks/peers\n`);
  const args = [...INSTALL[folder].args(), '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const result = spawnSync('npm', args, {
    cwd: `${peers}${folder}`,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
    // Its install script would fetch libraries for graphics cards.
    env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' },
  });
  if (result.status !== 0)
    throw new Error(`npm ${args.join(' ')} in benchmarks/peers/${folder} ended with ${result.status}`);
  return pins(folder);
}

/** A function that loads packages of a folder of peers, CommonJS. */
export function peerRequire(folder) {
  return createRequire(`${peers}${folder}/package.json`);
}

/** The main module of node-llama-cpp, which is no CommonJS. */
export function importLlamaCpp() {
  return import(`${peers}node-llama-cpp/node_modules/node-llama-cpp/dist/index.js`);
}
