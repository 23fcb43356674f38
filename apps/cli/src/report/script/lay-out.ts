/**
 * Page script: the stripes of the timeline from top to bottom. The function is put into the page as text: it may use
 * nothing but its own body.
 */
import type { TimelineData } from '../timeline/timeline-data.js';
import type { Stripe } from './draw-timeline.js';

/** @param axis pixels above the first stripe */
export function layOut({ lanes, memories }: TimelineData, axis: number): Stripe[] {
  // A single core needs no title, and has room for taller stripes.
  const several = lanes.some(({ core }) => core !== lanes[0].core);
  const out: Stripe[] = [];
  let top = axis;
  lanes.forEach(({ core }, index) => {
    if (several && core !== lanes[index - 1]?.core) {
      out.push({ kind: 'core', index: core, top, height: 18 });
      top += 20;
    }
    const height = several ? 20 : 28;
    out.push({ kind: 'lane', index, top, height });
    top += height + 5;
  });
  memories.forEach((_, index) => {
    out.push({ kind: 'memory', index, top: top + 6, height: 44 });
    top += 52;
  });
  return out;
}
