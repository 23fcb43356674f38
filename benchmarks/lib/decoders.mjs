/**
 * The model of decode and prefill, and both sides of a case on it. A file of each type is made once and kept in
 * benchmarks/.cache.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readGguf, zooEntry } from '@bitloom/models';
import { openFile } from '@bitloom/models/node';
import { startChild } from './child.mjs';
import { randomWords } from './data.mjs';

/** Its shape, of the zoo. */
export const SHAPE = 'tinyllama-1.1b';
const SEED = 1;
/** Types of the weights, as `bitloom export` names them. */
export const TYPES = ['q4_0', 'q8_0'];
/** Tokens a sequence has room for. */
export const CAPACITY = 640;
/** Samples at least: they take seconds each. */
export const ROUNDS = 2;
/** Tokens the peer takes at once. */
const BATCH = 512;
/**
 * How alike the logits of both sides are at least, as the cosine of the angle between them. Both round activations to
 * eight bits, we by rows and llama.cpp by blocks of 32.
 */
const LEAST_COSINE = 0.98;

const cache = fileURLToPath(new URL('../.cache/', import.meta.url));
/** The file of a type. */
export const pathOf = (type) => `${cache}${SHAPE}-${type}-seed${SEED}.gguf`;

/** Makes the files that are missing, at once, each in a process of its own. */
export async function writeModels(log) {
  const missing = TYPES.filter((type) => !existsSync(pathOf(type)));
  if (missing.length === 0) return;
  log(`writing a random ${SHAPE} as ${missing.join(' and ')} into benchmarks/.cache, once; a minute or two`);
  mkdirSync(cache, { recursive: true });
  await Promise.all(
    missing.map(async (type) => {
      const child = startChild('write-gguf.mjs');
      try {
        await child.call('write', { shape: SHAPE, type, seed: SEED, path: pathOf(type) });
      } finally {
        await child.close();
      }
    }),
  );
}

/** Bytes of weights that one token reads, and operations of its products, the head apart, because a prompt needs it once. */
export async function costOf(type) {
  const file = await readGguf(openFile(pathOf(type)));
  const tensors = [...file.tensors].filter(([name]) => name !== 'token_embd.weight');
  const bytes = tensors.reduce((sum, [, { byteLength }]) => sum + byteLength, 0);
  file.close();
  const { width, layers, heads, kvHeads, headDim, hiddenWidth } = zooEntry(SHAPE).config;
  const attention = width * headDim * (2 * heads + 2 * kvHeads);
  return { bytes, operations: 2 * layers * (attention + 3 * width * hiddenWidth) };
}

/** Tokens that stand for a text of some length, the first one that of its beginning. */
export function promptOf(length) {
  const random = randomWords(SEED);
  return [1, ...Array.from({ length: length - 1 }, () => 3 + (random() % 31997))];
}

function cosine(a, b) {
  const dot = (x, y) => x.reduce((sum, value, i) => sum + value * y[i], 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

/**
 * Both sides of a case, opened and compared.
 *
 * @param versions of the peer, undefined where it is not there
 * @returns `{ ours, peer, close }`: children by backend, and the peer's
 */
export async function openSides({ type, threads, backends, versions, log }) {
  const children = [];
  const open = async (file, settings) => {
    const child = startChild(file);
    children.push(child);
    return [
      child,
      await child.call('open', { path: pathOf(type), threads, capacity: CAPACITY, ...settings }),
    ];
  };
  const close = () => Promise.all(children.map((child) => child.close()));
  try {
    const ours = {};
    for (const backend of backends) {
      const [child, { fallbacks }] = await open('bitloom-decoder.mjs', { backend });
      if (fallbacks.length > 0) log(`${backend} falls back: ${fallbacks.join(', ')}`);
      ours[backend] = child;
    }
    if (versions === undefined) return { ours, close };
    const [peer, { release }] = await open('llama-cpp-decoder.mjs', { batch: BATCH });
    const prompt = promptOf(32);
    const expected = await peer.call('logits', prompt);
    for (const [backend, child] of Object.entries(ours)) {
      const likeness = cosine(await child.call('logits', prompt), expected);
      log(`${type}, ${backend}: logits beside llama.cpp's at a cosine of ${likeness.toFixed(5)}`);
      if (!(likeness >= LEAST_COSINE)) throw new Error(`logits differ from llama.cpp's: cosine ${likeness}`);
    }
    return {
      ours,
      peer,
      peerName: `node-llama-cpp ${versions['node-llama-cpp']} (llama.cpp ${release})`,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A contender in a child: `call` gives the seconds of its samples per call, and tokens, which are summed. */
export function remote(child, call, work, name) {
  let sum = 0;
  return {
    name,
    work,
    isWarm: true,
    checksum: () => sum,
    async sample() {
      const { seconds, tokens } = await child.call(...call);
      sum += tokens.reduce((a, b) => a + b, 0);
      return seconds;
    },
  };
}
