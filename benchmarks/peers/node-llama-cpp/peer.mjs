/** node-llama-cpp on the CPU. Not for: installing it (`../../lib/peers.mjs`). */
import { importLlamaCpp } from '../../lib/peers.mjs';

/** Settings of a context whose arithmetic differs from ours in nothing but the products: a float32 cache. */
export const EXACT_CONTEXT = {
  contextSize: 256,
  threads: 1,
  flashAttention: false,
  experimentalKvCacheKeyType: 'F32',
  experimentalKvCacheValueType: 'F32',
};

/** The library with its backend. */
export async function openPeer() {
  const { getLlama, LlamaLogLevel } = await importLlamaCpp();
  const llama = await getLlama({
    gpu: false,
    build: 'never',
    skipDownload: true,
    progressLogs: false,
    logLevel: LlamaLogLevel.error,
    // Threads of a context are then what it asks for.
    maxThreads: 0,
  });
  return {
    release: llama.llamaCppRelease.release,
    /** Instructions the binary uses here. */
    features: [...llama.systemInfo.matchAll(/(\w+) = 1/g)].map(([, name]) => name).join(' '),
    open: (path, settings = EXACT_CONTEXT) => openModel(llama, path, settings),
    close: () => llama.dispose(),
  };
}

async function openModel(llama, modelPath, settings) {
  const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
  const context = await model.createContext(settings);
  const sequence = context.getSequence();
  return {
    bosId: model.tokens.bos,
    /** Ids of a text, without the token that begins it. */
    encode: (text) => [...model.tokenize(text, false)],
    reset: () => sequence.clearHistory(),
    /** Appends tokens, then greedy ones, as they are asked for. */
    greedy: (tokens) => sequence.evaluate(tokens, { temperature: 0, yieldEogToken: true }),
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
