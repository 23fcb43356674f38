/**
 * The common shape of a case about kernels: a result in the memory of each backend, compared with the peer's before both
 * are timed.
 *
 * Not for: kernels without a memory of theirs, or sides in processes of their own (`decoders.mjs`).
 */
import { requireClose } from './data.mjs';
import { callable } from './sample.mjs';

/**
 * What `open` of a case gives.
 *
 * @param {object} sides
 *   `threads`; `work` of one call; `make(kernels)` allocates operands and gives `{ run, result }`, whose `result()` is a
 *   typed array; `peer`: `{ name, run, result, restMs?, close? }` or undefined, and `check(got, expected)`, which throws where ours
 *   differs from its result; `definition`: what the result begins with, bit for bit; `limit`: a contender
 */
export async function compareKernels(context, { threads, work, make, peer, check, definition, limit }) {
  const marks = [];
  const close = () => {
    for (const [arena, mark] of marks) arena.release(mark);
    // A peer of ours lies below them in the same memory.
    peer?.close?.();
  };
  const consumed = ({ run, result }) =>
    callable(() => {
      run();
      return Number(result()[0]);
    }, work);
  try {
    peer?.run();
    const ours = {};
    for (const backend of context.backends) {
      const kernels = await context.kernels(backend, threads);
      marks.push([kernels.arena, kernels.arena.mark()]);
      const side = make(kernels);
      side.run();
      // Kernels are tested when they are first used.
      for (const kernel of kernels.fallbacks) context.log(`${kernel} of ${backend} runs on the reference`);
      if (definition !== undefined) requireBegins(backend, side.result(), definition);
      if (peer !== undefined) check?.(side.result(), peer.result());
      ours[backend] = consumed(side);
    }
    return {
      ours,
      ...(peer && { peer: { ...consumed(peer), name: peer.name, restMs: peer.restMs } }),
      limit,
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

function requireBegins(backend, got, expected) {
  requireClose(`${backend} beside the reference`, got.subarray(0, expected.length), expected);
}

/** A kernel of ours as the peer of another one: what `make` gives, its memory released by `close`. */
export function ownPeer(name, kernels, make) {
  const mark = kernels.arena.mark();
  return { ...make(kernels), name, close: () => kernels.arena.release(mark) };
}
