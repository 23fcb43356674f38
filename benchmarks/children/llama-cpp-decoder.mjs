/** The peer's side of decode and prefill: the same file in node-llama-cpp on the CPU, everything else as it comes. */
import { answer } from '../lib/child.mjs';
import { openPeer } from '../peers/node-llama-cpp/peer.mjs';

let model;

const seconds = (since) => (performance.now() - since) / 1000;

answer({
  async open({ path, threads, capacity, batch }) {
    const peer = await openPeer();
    model = await peer.open(path, { contextSize: capacity, batchSize: batch, threads });
    return { release: peer.release, features: peer.features };
  },
  async logits(prompt) {
    await model.reset();
    return model.logits(prompt);
  },
  async prefill(prompt) {
    await model.reset();
    const start = performance.now();
    for await (const token of model.greedy(prompt)) return { seconds: [seconds(start)], tokens: [token] };
    throw new Error('no token after the prompt');
  },
  async decode(prompt, parts, length) {
    await model.reset();
    const tokens = [];
    const times = [];
    let start = 0;
    for await (const token of model.greedy(prompt)) {
      tokens.push(token);
      if (tokens.length % length !== 1) continue;
      if (tokens.length > 1) times.push(seconds(start) / length);
      if (times.length === parts) return { seconds: times, tokens };
      start = performance.now();
    }
    throw new Error('the text ended early');
  },
});
