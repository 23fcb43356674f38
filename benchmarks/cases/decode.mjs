/**
 * Greedy decoding of a random Llama of 1.1 billion parameters against node-llama-cpp: 64 tokens after a prompt of 32,
 * timed in parts of 16. The limit is the time in which the memory could deliver the weights once.
 */
import { costOf, openSides, promptOf, remote, TYPES, writeModels } from '../lib/decoders.mjs';

export const seconds = 120;

const PROMPT = 32;
const PARTS = 4;
const PART = 16;

export async function cases(context) {
  await writeModels(context.log);
  const { threads, backends, log } = context;
  const versions = await context.llamaCpp();
  return TYPES.flatMap((type) =>
    threads.map((count) => ({
      name: `decode 1.1B ${type.toUpperCase()}, ${count} T`,
      unit: 'tokens/s',
      threads: count,
      async open() {
        const { ours, peer, peerName, close } = await openSides({
          type,
          threads: count,
          backends,
          versions,
          log,
        });
        const call = ['decode', promptOf(PROMPT), PARTS, PART];
        const { bytes } = await costOf(type);
        const read = (await context.limits()).read(count);
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
    })),
  );
}
