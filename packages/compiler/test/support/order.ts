/**
 * What tokens order: an oracle for the token pass that shares no code with it. Each queue runs its instructions in
 * order; a token is first in, first out between two queues; an instruction starts after what released the tokens it
 * takes has ended.
 */
import type { QueueName } from '@bitloom/ir';
import type { Touch } from '../../src/draft.js';

export interface Executed {
  readonly queue: QueueName;
  readonly wait: readonly QueueName[];
  readonly release: readonly QueueName[];
  readonly touches: readonly Touch[];
  /** Draft it comes from: accesses of one draft need no order among themselves. */
  readonly block: number;
}

export interface Ordering {
  /** Pairs of executions on the same bytes that nothing orders. */
  readonly unordered: readonly [number, number][];
  /** Tokens that nobody took. */
  readonly left: number;
}

/** @throws Error when a wait stands before its release */
export function orderOf(executed: readonly Executed[]): Ordering {
  // before[i]: executions that have ended when i starts. Sets are fine at the size of a test.
  const before: Set<number>[] = [];
  const tokens = new Map<string, number[]>();
  const lastOf = new Map<QueueName, number>();
  executed.forEach((step, i) => {
    const known = new Set<number>();
    // Behind another of its queue it starts later, not after its end: only what that one knew is known.
    const previous = lastOf.get(step.queue);
    if (previous !== undefined) for (const j of before[previous]) known.add(j);
    for (const from of step.wait) {
      const producer = tokens.get(`${from}>${step.queue}`)?.shift();
      if (producer === undefined)
        throw new Error(`execution ${i} waits for a token of ${from} that does not come`);
      // A token is released once everything before it on its queue has ended.
      known.add(producer);
      for (const j of before[producer]) known.add(j);
      for (let j = 0; j < producer; j++) if (executed[j].queue === from) known.add(j);
    }
    before.push(known);
    for (const to of step.release) {
      const list = tokens.get(`${step.queue}>${to}`) ?? [];
      list.push(i);
      tokens.set(`${step.queue}>${to}`, list);
    }
    lastOf.set(step.queue, i);
  });
  const unordered: [number, number][] = [];
  executed.forEach((b, j) => {
    for (let i = 0; i < j; i++) {
      const a = executed[i];
      if (a.queue === b.queue || a.block === b.block || before[j].has(i)) continue;
      if (a.touches.some((x) => b.touches.some((y) => conflict(x, y)))) unordered.push([i, j]);
    }
  });
  return { unordered, left: [...tokens.values()].reduce((sum, list) => sum + list.length, 0) };
}

function conflict(a: Touch, b: Touch): boolean {
  const isEmpty = a.start === a.end || b.start === b.end;
  return !isEmpty && (a.write || b.write) && a.space === b.space && a.start < b.end && b.start < a.end;
}
