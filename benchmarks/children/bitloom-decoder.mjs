/**
 * Our side of decode and prefill: a GGUF file in our interpreter on the host, from its stored codes, as `bitloom run` opens
 * it.
 */
import { quantizeModel } from '@bitloom/compression';
import { createKernels } from '@bitloom/kernels';
import { openModel } from '@bitloom/models/node';
import { createHostEngine, greedyToken } from '@bitloom/runtime';
import { answer } from '../lib/child.mjs';

let engine;

const seconds = (since) => (performance.now() - since) / 1000;

answer({
  async open({ path, backend, threads, capacity }) {
    const kernels = createKernels({ backend, threads });
    const model = await openModel(path, { context: capacity });
    engine = createHostEngine(quantizeModel(model, 'stored'), { kernels, capacity });
    model.close();
    while (kernels.threads < threads) await new Promise((resolve) => setTimeout(resolve, 2));
    engine.prefill([1]);
    return { fallbacks: kernels.fallbacks };
  },
  /** Logits after a prompt. */
  logits(prompt) {
    engine.reset();
    return Float32Array.from(engine.prefill(prompt));
  },
  /** Seconds until the first token after a prompt is known, and the token. */
  prefill(prompt) {
    engine.reset();
    const start = performance.now();
    const token = greedyToken(engine.prefill(prompt));
    return { seconds: [seconds(start)], tokens: [token] };
  },
  /** Seconds per token of each of `parts` parts of the greedy text after a prompt. */
  decode(prompt, parts, length) {
    engine.reset();
    const tokens = [greedyToken(engine.prefill(prompt))];
    const times = [];
    for (let part = 0; part < parts; part += 1) {
      const start = performance.now();
      for (let i = 0; i < length; i += 1) tokens.push(greedyToken(engine.decode(tokens[tokens.length - 1])));
      times.push(seconds(start) / length);
    }
    return { seconds: times, tokens };
  },
});
