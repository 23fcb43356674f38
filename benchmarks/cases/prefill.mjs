/**
 * A prompt of 512 tokens through a random Llama of 1.1 billion parameters against node-llama-cpp, until the first token
 * after it is known. The limit is the time its integer products would take in registers; attention and the rest come on
 * top of it.
 */
import { costOf, openSides, promptOf, ROUNDS, remote, TYPES, writeModels } from '../lib/decoders.mjs';

export const seconds = 120;

const PROMPT = 512;
/** Products of weights with this many bits. */
const LIMITS = { q4_0: 'int4', q8_0: 'int8' };

export async function cases(context) {
  await writeModels(context.log);
  const { threads, backends, log } = context;
  const versions = await context.llamaCpp();
  return TYPES.flatMap((type) =>
    threads.map((count) => ({
      name: `prefill 1.1B ${type.toUpperCase()}, ${PROMPT} tokens, ${count} T`,
      unit: 'tokens/s',
      threads: count,
      rounds: ROUNDS,
      async open() {
        const { ours, peer, peerName, close } = await openSides({
          type,
          threads: count,
          backends,
          versions,
          log,
        });
        const call = ['prefill', promptOf(PROMPT)];
        const { operations } = await costOf(type);
        const product = (await context.limits()).product(LIMITS[type], count);
        return {
          ours: Object.fromEntries(
            Object.entries(ours).map(([backend, child]) => [backend, remote(child, call, PROMPT)]),
          ),
          ...(peer && { peer: remote(peer, call, PROMPT, peerName) }),
          limit: { ...product, work: product.work / operations },
          pauseMs: 20,
          close,
        };
      },
    })),
  );
}
