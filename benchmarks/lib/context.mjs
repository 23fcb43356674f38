/** What the cases share: kernels by backend and threads, the limits of the machine, the peers. Opened when asked for. */
import { createKernels } from '@bitloom/kernels';
import { openLimits } from './limits.mjs';
import { openOnnxRuntime } from './onnx.mjs';
import { installPeer } from './peers.mjs';

/**
 * Backends that this machine can run: the one asked for, or all but the reference.
 *
 * @throws BitloomError `kernel-native-absent` when the native one is asked for and there is none
 */
function chooseBackends(asked, log) {
  if (asked === 'wasm') return ['wasm'];
  try {
    createKernels({ backend: 'native' }).close();
  } catch (error) {
    if (error.code !== 'kernel-native-absent' || asked === 'native') throw error;
    log('no native backend here: WebAssembly only');
    return ['wasm'];
  }
  return asked === 'native' ? ['native'] : ['wasm', 'native'];
}

/** @param {{ threads: number[], seconds?: number, backend?: string }} options */
export async function openContext({ threads, seconds, backend }) {
  const open = new Map();
  const once = async (key, make) => {
    if (!open.has(key)) open.set(key, await make());
    return open.get(key);
  };
  const log = (text) => process.stderr.write(`bench: ${text}\n`);
  const install = (folder, make) =>
    once(folder, () => {
      try {
        return { value: make(installPeer(folder)), close() {} };
      } catch (error) {
        log(`${folder} is left out: ${error.message}`);
        return { value: undefined, close() {} };
      }
    }).then(({ value }) => value);
  return {
    threads,
    seconds,
    backends: chooseBackends(backend, log),
    log,
    limits: () => once('limits', () => openLimits(Math.max(...threads))),
    /** Kernels with all their threads at work. */
    kernels: (name, count) =>
      once(`kernels ${name} ${count}`, async () => {
        const kernels = createKernels({ backend: name, threads: count });
        while (kernels.threads < count) await new Promise((resolve) => setTimeout(resolve, 2));
        return kernels;
      }),
    /** Kernels of one's own, to be closed. */
    newKernels: (name, count) => createKernels({ backend: name, threads: count }),
    /** ONNX Runtime; undefined, after a word, where it cannot be installed. */
    onnxRuntime: () => install('onnxruntime-node', openOnnxRuntime),
    /** Versions of node-llama-cpp; undefined, after a word, where it cannot be installed. */
    llamaCpp: () => install('node-llama-cpp', (versions) => versions),
    async close() {
      for (const resource of open.values()) await resource.close();
    },
  };
}
