/**
 * node-llama-cpp, installed beside this file from its own lock file with the prebuilt binary of this machine and nothing
 * for graphics cards, and opened on the CPU with a float32 cache, so that nothing but its arithmetic differs from ours.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('.', import.meta.url));

/** Names of the packages with binaries, by `process.platform` and `process.arch`. */
const BINARIES = {
  'linux x64': 'linux-x64',
  'linux arm64': 'linux-arm64',
  'darwin x64': 'mac-x64',
  'darwin arm64': 'mac-arm64-metal',
  'win32 x64': 'win-x64',
  'win32 arm64': 'win-arm64',
};

export const PEER_VERSION = JSON.parse(readFileSync(`${folder}package.json`, 'utf8')).dependencies[
  'node-llama-cpp'
];

/** Installs the peer unless it is there. */
export function installPeer() {
  const platform = `${process.platform} ${process.arch}`;
  const binary = BINARIES[platform];
  if (binary === undefined) throw new Error(`node-llama-cpp has no prebuilt binary for ${platform}`);
  if (existsSync(`${folder}node_modules/@node-llama-cpp/${binary}`)) return;
  // Optional dependencies are a binary for every platform and graphics interface, hundreds of megabytes: only the one
  // of this machine is named. Versions come from the lock file, which is not written.
  const options = ['--no-save', '--ignore-scripts', '--omit=optional', '--no-audit', '--no-fund'];
  const args = ['install', ...options, `@node-llama-cpp/${binary}@${PEER_VERSION}`];
  const stdio = ['ignore', 'ignore', 'inherit'];
  const result = spawnSync('npm', args, { cwd: folder, stdio, shell: process.platform === 'win32' });
  if (result.status !== 0) throw new Error(`npm ${args.join(' ')} ended with ${result.status}`);
}

/** The library with its backend. */
export async function openPeer() {
  const { getLlama, LlamaLogLevel } = await import(`${folder}node_modules/node-llama-cpp/dist/index.js`);
  const llama = await getLlama({
    gpu: false,
    build: 'never',
    skipDownload: true,
    progressLogs: false,
    logLevel: LlamaLogLevel.error,
  });
  return {
    release: llama.llamaCppRelease.release,
    /** Instructions the binary uses here. */
    features: [...llama.systemInfo.matchAll(/(\w+) = 1/g)].map(([, name]) => name).join(' '),
    open: (path) => openModel(llama, path),
    close: () => llama.dispose(),
  };
}

async function openModel(llama, modelPath) {
  const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
  const context = await model.createContext({
    contextSize: 256,
    threads: 1,
    flashAttention: false,
    experimentalKvCacheKeyType: 'F32',
    experimentalKvCacheValueType: 'F32',
  });
  const sequence = context.getSequence();
  return {
    bosId: model.tokens.bos,
    /** Ids of a text, without the token that begins it. */
    encode: (text) => [...model.tokenize(text, false)],
    reset: () => sequence.clearHistory(),
    /** Appends tokens and gives the logits of the last one. */
    async logits(tokens) {
      const items = [...tokens];
      const last = items.pop();
      const rows = await sequence.controlledEvaluate([...items, [last, { generateNext: { logits: true } }]]);
      const row = rows[rows.length - 1].next.logits;
      const out = new Float32Array(row.size);
      for (const [token, logit] of row) out[token] = logit;
      return out;
    },
    async close() {
      await context.dispose();
      await model.dispose();
    },
  };
}
