/**
 * Greedy decoding of a random Llama of 1.1 billion parameters against node-llama-cpp: 64 tokens after a prompt of 32,
 * timed in parts of 16. The limit is the time in which the memory could deliver the weights once.
 *
 * `bitloom run` stands beside it with the same model, whose rate and memory it must keep: at most 1.15 of the file and 120
 * MB, and what the cache takes. It also runs stories260K, float32 on one thread; aim 3000 tokens/s.
 */
import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { zooEntry } from '@bitloom/models';
import { bitloom } from '../lib/command.mjs';
import {
  CAPACITY,
  costOf,
  openSides,
  pathOf,
  promptOf,
  ROUNDS,
  remote,
  SHAPE,
  TYPES,
  writeModels,
} from '../lib/decoders.mjs';

export const seconds = 120;

const PROMPT = 32;
const PARTS = 4;
const PART = 16;
/** Text of some dozen tokens, and how many follow. */
const COMMAND = ['--prompt', 'tell me a story', '--max-tokens', '65', '--context', String(CAPACITY)];
const root = fileURLToPath(new URL('../..', import.meta.url));

function decodeCase(context, versions, type, threads) {
  const { backends, log } = context;
  return {
    name: `decode 1.1B ${type.toUpperCase()}, ${threads} T`,
    unit: 'tokens/s',
    threads,
    rounds: ROUNDS,
    async open() {
      const { ours, peer, peerName, close } = await openSides({ type, threads, backends, versions, log });
      const call = ['decode', promptOf(PROMPT), PARTS, PART];
      const { bytes } = await costOf(type);
      const read = (await context.limits()).read(threads);
      return {
        ours: Object.fromEntries(
          Object.entries(ours).map(([backend, child]) => [backend, remote(child, call, 1)]),
        ),
        ...(peer && { peer: remote(peer, call, 1, peerName) }),
        limit: { ...read, work: read.work / bytes },
        pauseMs: 20,
        close,
      };
    },
  };
}

/**
 * Contenders that run a command, each backend's.
 *
 * @param sample takes what one run gave and the name of its backend; gives the seconds of one unit of work
 */
function commands(context, args, sample) {
  const contender = (backend) => ({
    work: 1,
    isWarm: true,
    sample: () => sample(bitloom(['run', ...args, '--kernels', backend]), backend),
  });
  return Object.fromEntries(context.backends.map((backend) => [backend, contender(backend)]));
}

const secondsPerToken = ({ document }) => 1 / document.host.decodeTokensPerSecond;

/** Bytes of keys and values of a sequence, one byte each. */
function cacheBytes(tokens) {
  const { layers, kvHeads, headDim } = zooEntry(SHAPE).config;
  return 2 * layers * kvHeads * headDim * tokens;
}

/** `bitloom run` on the same file. */
function runCases(context, type) {
  const threads = Math.max(...context.threads);
  const path = pathOf(type);
  const args = [path, ...COMMAND, '--threads', String(threads)];
  const common = { threads, weight: 0, rounds: 1 };
  const name = `bitloom run 1.1B ${type.toUpperCase()}, ${threads} T`;
  const memory = new Map();
  const remember = (run, backend) => {
    memory.set(backend, run.mebibytes);
    return secondsPerToken(run);
  };
  const remembered = (backend) => ({ work: 1, isWarm: true, sample: () => memory.get(backend) });
  return [
    { ...common, name, unit: 'tokens/s', open: async () => ({ ours: commands(context, args, remember) }) },
    {
      ...common,
      name: `${name}, memory at most`,
      unit: 'MiB',
      aim: Math.round((1.15 * statSync(path).size + 120e6 + cacheBytes(CAPACITY)) / 2 ** 20),
      // Of the runs of the case before.
      open: async () => ({
        ours: Object.fromEntries(context.backends.map((backend) => [backend, remembered(backend)])),
      }),
    },
  ];
}

function storiesCase(context, path) {
  const args = [path, '--max-tokens', '400', '--prompt', 'Once upon a time', '--threads', '1'];
  return {
    name: 'bitloom run stories260K float32, 1 T',
    unit: 'tokens/s',
    threads: 1,
    weight: 0,
    rounds: 3,
    aim: 3000,
    open: async () => ({
      ours: commands(context, args, secondsPerToken),
    }),
  };
}

export async function cases(context) {
  await writeModels(context.log);
  const versions = await context.llamaCpp();
  const stories = resolve(root, process.env.BITLOOM_DATA ?? '../shared/data', 'stories260K/stories260K.bin');
  return [
    ...TYPES.flatMap((type) =>
      context.threads.map((threads) => decodeCase(context, versions, type, threads)),
    ),
    ...TYPES.flatMap((type) => runCases(context, type)),
    ...(existsSync(stories) ? [storiesCase(context, stories)] : []),
  ];
}
