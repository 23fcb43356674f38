/**
 * Page script: the stripes of the timeline from top to bottom. The function is put into the page as text: it may use
 * nothing but its own body.
 */
import type { TimelineData } from '../timeline/timeline-data.js';
import type { Stripe } from './draw-timeline.js';

/** @param axis pixels above the first stripe */
export function layOut({ lanes, memories, channels }: TimelineData, axis: number): Stripe[] {
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
  memories.forEach(({ name }, index) => {
    out.push({ kind: 'memory', index, top: top + 6, height: 44 });
    top += 52;
    const band = channels.findIndex((one) => one.name === name);
    if (band < 0) return;
    // A line per channel, in all neither too thin to see nor longer than a screen.
    const count = channels[band].channels;
    const height = Math.max(24, Math.min(192, 4 * count));
    out.push({ kind: 'channels', index: band, top, height });
    top += height + 6;
  });
  return out;
}
