/** The script of the report page as text: each part as it stands in its file, handed to the one that starts them. */
import { binSpans } from './bin-spans.js';
import { describeSpan } from './describe-span.js';
import { drawTimeline } from './draw-timeline.js';
import { layOut } from './lay-out.js';
import { readSpans } from './read-spans.js';
import { startPage } from './start-page.js';
import { timelineView } from './timeline-view.js';

const PARTS = { binSpans, describeSpan, drawTimeline, layOut, readSpans, timelineView } as const;

/** @returns statements without an HTML comment or an end tag in them */
export function pageScript(): string {
  const parts = Object.entries(PARTS).map(([name, part]) => `${name}:${part.toString()}`);
  return `(${startPage.toString()})(document,{${parts.join(',\n')}});`;
}
