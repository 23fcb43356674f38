/**
 * Page script: what starts the others: the choice of phase, and the timeline once it is unpacked. The functions are put
 * into the page as text and given to each other as arguments, so that none needs a name outside of itself.
 */
import type { TimelineData } from '../timeline/timeline-data.js';
import type { Timeline } from './read-spans.js';
import type { TimelineView, timelineView, ViewTools } from './timeline-view.js';

export interface PageTools extends ViewTools {
  readonly readSpans: (bytes: Uint8Array, spans: number, lanes: number) => Timeline | undefined;
  readonly timelineView: typeof timelineView;
}

export function startPage(page: Document, tools: PageTools): void {
  const { body } = page;
  const choices = [...page.querySelectorAll<HTMLButtonElement>('[data-choose]')];
  const canvas = page.querySelector<HTMLCanvasElement>('#timeline');
  const source = page.querySelector('#timeline-data');
  let view: TimelineView | undefined;
  let chosen: HTMLButtonElement | undefined;

  const choose = (button: HTMLButtonElement): void => {
    chosen = button;
    body.dataset.show = button.dataset.choose;
    for (const other of choices) other.setAttribute('aria-pressed', String(other === button));
    const [from, to] = [Number(button.dataset.from), Number(button.dataset.to)];
    // A phase that is not recorded leaves the timeline as it is.
    if (to > from) view?.show(from, to);
  };
  for (const button of choices) button.addEventListener('click', () => choose(button));
  const initial = choices.find((button) => button.dataset.choose === body.dataset.show) ?? choices[0];
  if (initial !== undefined) choose(initial);
  if (canvas === null || source === null) return;

  const say = (text: string): void => {
    const detail = page.querySelector('#detail');
    if (detail !== null) detail.textContent = text;
  };
  const channelText = ({ channels }: TimelineData): string => {
    if (channels.length === 0) return '';
    const most = channels.map(
      ({ name, busiest, most: times }) => `${name} ${busiest} moved ${times.toFixed(2)} times the mean`,
    );
    return ` Under a memory each channel is a line, the stronger the nearer to its peak; busiest in all: ${most.join(', ')}.`;
  };
  const unpack = async (packed: string): Promise<Uint8Array> => {
    const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
    const inflated = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
    return new Uint8Array(await new Response(inflated).arrayBuffer());
  };
  const start = async (): Promise<void> => {
    const data: TimelineData = JSON.parse(source.textContent ?? '{}');
    const timeline = tools.readSpans(await unpack(data.packed), data.spans, data.lanes.length);
    if (timeline === undefined) {
      say('internal: the packed timeline ends too early; this is a bug in bitloom, please report it');
      return;
    }
    const bands = await Promise.all(data.channels.map(({ packed }) => unpack(packed)));
    view = tools.timelineView(page, canvas, data, { timeline, bands }, tools);
    if (chosen !== undefined) choose(chosen);
    say(
      `Blocks are ${data.detail}, coloured by op. The area of a colour is its share of time; pale areas are waits, coloured by cause.${channelText(data)}`,
    );
  };
  start().catch((error: unknown) => say(`The timeline cannot be shown here: ${String(error)}`));
}
