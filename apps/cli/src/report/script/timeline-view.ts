/**
 * Page script: the timeline that people move through: what is shown, what is chosen, and the answers to pointer, wheel
 * and keys. The function is put into the page as text: it may use nothing but its own body, its arguments and the
 * browser.
 */
import type { TimelineData } from '../timeline/timeline-data.js';
import type { binSpans } from './bin-spans.js';
import type { Facts } from './describe-span.js';
import type { DrawTools, drawTimeline } from './draw-timeline.js';
import type { layOut } from './lay-out.js';
import type { LaneSpans, Timeline } from './read-spans.js';

export interface ViewTools {
  readonly drawTimeline: typeof drawTimeline;
  readonly binSpans: typeof binSpans;
  readonly layOut: typeof layOut;
  readonly describeSpan: (data: TimelineData, timeline: Timeline, span: number, zero: number) => Facts;
}

/** What was packed. */
export interface TimelineSource {
  readonly timeline: Timeline;
  /** Use of the channels of each band. */
  readonly bands: readonly Uint8Array[];
}

export interface TimelineView {
  /** Shows a phase, whose start is time 0. */
  show(from: number, to: number): void;
}

export function timelineView(
  page: Document,
  canvas: HTMLCanvasElement,
  data: TimelineData,
  { timeline, bands }: TimelineSource,
  tools: ViewTools,
): TimelineView {
  const painter = canvas.getContext('2d');
  const axis = 26;
  const stripes = tools.layOut(data, axis);
  const bottom = stripes.at(-1);
  const height = (bottom === undefined ? axis : bottom.top + bottom.height) + 6;
  let gutter = 72;
  let width = 600;
  let home: [number, number] = [data.from, data.to];
  let view: [number, number] = [data.from, data.to];
  let hovered = -1;
  let selected = -1;
  let marked: [number, number] | undefined;
  let frame = 0;
  let colors = new Map<string, string>();

  const color = (name: string): string => {
    const known = colors.get(name);
    if (known !== undefined) return known;
    const value = getComputedStyle(page.body).getPropertyValue(name).trim();
    colors.set(name, value);
    return value;
  };
  // Ops in the order of their work, so that the heaviest have the clearest colours.
  const work = new Map<string, number>();
  for (const lane of timeline.lanes) {
    lane.label.forEach((label, i) => {
      const { op } = timeline.labels[label];
      work.set(op, (work.get(op) ?? 0) + lane.occupied[i]);
    });
  }
  const ops = [...work.keys()].sort((a, b) => (work.get(b) ?? 0) - (work.get(a) ?? 0));
  const opColor = (op: string): string => color(`--op-${ops.indexOf(op) % 10}`);

  /** First span of a lane that ends after `cycle`. */
  const firstAfter = (lane: LaneSpans, cycle: number): number => {
    let [low, high] = [0, lane.end.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (lane.end[middle] > cycle) high = middle;
      else low = middle + 1;
    }
    return low;
  };
  const drawTools: DrawTools = { binSpans: tools.binSpans, firstAfter };
  const seconds = (cycles: number): string => {
    const value = cycles / data.clockHz;
    const units: readonly (readonly [number, string])[] = [
      [1, 's'],
      [1e-3, 'ms'],
      [1e-6, 'µs'],
      [1e-9, 'ns'],
    ];
    const [scale, name] = units.find(([least]) => Math.abs(value) >= least) ?? [1, 's'];
    return `${Number((value / scale).toPrecision(4))} ${name}`;
  };

  const redraw = (): void => {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(draw);
  };

  function draw(): void {
    width = canvas.clientWidth;
    gutter = width < 520 ? 62 : 72;
    // Without a width there is nothing to see; a resize draws again.
    if (painter === null || width <= gutter + 20) return;
    const ratio = devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.style.height = `${height}px`;
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    painter.setTransform(ratio, 0, 0, ratio, 0, 0);
    const scene = {
      ...{
        data,
        timeline,
        bands,
        stripes,
        gutter,
        axis,
        width,
        height,
        hovered,
        selected,
        marked,
        color,
        opColor,
      },
      ratio,
      from: view[0],
      to: view[1],
      zero: home[0],
    };
    tools.drawTimeline(painter, scene, drawTools);
    const shown = page.querySelector('#window');
    if (shown !== null) {
      shown.textContent = `${seconds(view[1] - view[0])} shown, from ${seconds(Math.max(0, view[0] - home[0]))} on`;
    }
  }

  function look(from: number, to: number): void {
    const span = Math.min(data.to - data.from, Math.max(16, to - from));
    const start = Math.min(Math.max(data.from, from), data.to - span);
    view = [start, start + span];
    redraw();
  }
  const zoom = (factor: number, around = (view[0] + view[1]) / 2): void =>
    look(around - (around - view[0]) * factor, around + (view[1] - around) * factor);
  const pan = (share: number): void => {
    const shift = (view[1] - view[0]) * share;
    look(view[0] + shift, view[1] + shift);
  };
  const toCycle = (x: number): number =>
    view[0] + ((x - gutter) / Math.max(1, width - gutter)) * (view[1] - view[0]);

  const numbers = timeline.lanes.map((lane) => new Int32Array(lane.start.length));
  timeline.placeOf.forEach((place, span) => {
    numbers[timeline.laneOf[span]][place] = span;
  });

  /** The span under a point, -1 without one; a point in the wait before a block belongs to the block. */
  function spanAt(clientX: number, clientY: number): number {
    const box = canvas.getBoundingClientRect();
    const [x, y] = [clientX - box.left, clientY - box.top];
    const stripe = stripes.find(({ top, height: tall }) => y >= top - 2 && y < top + tall + 3);
    if (stripe?.kind !== 'lane' || x < gutter) return -1;
    return nearest(stripe.index, toCycle(x), ((view[1] - view[0]) / (width - gutter)) * 4);
  }

  function nearest(index: number, cycle: number, reach: number): number {
    const lane = timeline.lanes[index];
    const next = firstAfter(lane, cycle);
    const distance = (i: number): number =>
      Math.max(0, lane.start[i] - lane.waited[i] - cycle, cycle - lane.end[i]);
    const best = [next, next - 1]
      .filter((i) => i >= 0 && i < lane.start.length)
      .sort((a, b) => distance(a) - distance(b))[0];
    return best === undefined || distance(best) > reach ? -1 : numbers[index][best];
  }

  function facts(box: Element, span: number): void {
    box.replaceChildren(
      ...tools.describeSpan(data, timeline, span, home[0]).flatMap(([term, text]) => {
        const [name, value] = [page.createElement('dt'), page.createElement('dd')];
        name.textContent = term;
        value.textContent = text;
        return [name, value];
      }),
    );
  }

  function select(span: number, follow: boolean): void {
    selected = span;
    const panel = page.querySelector<HTMLElement>('#kept');
    const list = page.querySelector('#facts');
    if (panel !== null && list !== null) {
      panel.hidden = span < 0;
      if (span >= 0) facts(list, span);
      for (const button of panel.querySelectorAll<HTMLButtonElement>('[data-go]')) {
        button.disabled = span < 0 || neighbour(button.dataset.go ?? '', span) < 0;
      }
    }
    if (span >= 0 && follow) {
      const lane = timeline.lanes[timeline.laneOf[span]];
      const i = timeline.placeOf[span];
      if (lane.end[i] < view[0] || lane.start[i] > view[1]) {
        const half = (view[1] - view[0]) / 2;
        look(lane.start[i] - half, lane.start[i] + half);
      }
    }
    redraw();
  }

  /** A span beside one: the previous or next of its unit, what it waited for, or itself. */
  function neighbour(way: string, span: number): number {
    const index = timeline.laneOf[span];
    const place = timeline.placeOf[span];
    const ways: Record<string, number | undefined> = {
      previous: numbers[index][place - 1],
      next: numbers[index][place + 1],
      blocker: timeline.lanes[index].blocker[place],
      closer: span,
    };
    return ways[way] ?? -1;
  }

  function go(way: string): void {
    if (selected < 0) {
      // Nothing is chosen yet: begin with the first block of the first unit that is in view.
      const found = timeline.lanes.findIndex((lane) => lane.start[firstAfter(lane, view[0])] < view[1]);
      if (found >= 0) select(numbers[found][firstAfter(timeline.lanes[found], view[0])], true);
      return;
    }
    const span = neighbour(way, selected);
    if (span < 0) return;
    if (way === 'closer') {
      const lane = timeline.lanes[timeline.laneOf[span]];
      const i = timeline.placeOf[span];
      const length = lane.end[i] - lane.start[i] + lane.waited[i];
      look(lane.start[i] - lane.waited[i] - 2 * length, lane.end[i] + 2 * length);
    }
    select(span, true);
  }

  /** From the chosen block to the unit above or below at the same time. */
  function step(down: number): void {
    if (selected < 0) {
      go('next');
      return;
    }
    const index = timeline.laneOf[selected] + down;
    if (index < 0 || index >= timeline.lanes.length) return;
    const from = timeline.lanes[timeline.laneOf[selected]];
    const span = nearest(index, from.start[timeline.placeOf[selected]], Number.POSITIVE_INFINITY);
    if (span >= 0) select(span, true);
  }

  const tip = page.querySelector<HTMLElement>('#tip');
  function point(clientX: number, clientY: number): void {
    const found = spanAt(clientX, clientY);
    if (found !== hovered) redraw();
    hovered = found;
    const list = tip?.querySelector('dl');
    if (tip === null || list === null || list === undefined) return;
    const use = found < 0 ? useAt(clientX, clientY) : undefined;
    tip.hidden = found < 0 && use === undefined;
    if (tip.hidden) return;
    if (use === undefined) facts(list, found);
    else list.replaceChildren(use);
    tip.style.left = `${Math.max(4, Math.min(clientX + 14, innerWidth - tip.offsetWidth - 4))}px`;
    tip.style.top = `${Math.max(4, Math.min(clientY + 16, innerHeight - tip.offsetHeight - 4))}px`;
  }
  /** How much of its peak a memory or a channel moved at a point, as text. */
  function useAt(clientX: number, clientY: number): string | undefined {
    const box = canvas.getBoundingClientRect();
    const y = clientY - box.top;
    const stripe = stripes.find(({ top, height: tall }) => y >= top && y < top + tall);
    if (stripe === undefined || clientX - box.left < gutter) return undefined;
    const cycle = toCycle(clientX - box.left);
    if (stripe.kind === 'channels') {
      const { name, channels, bucketCycles } = data.channels[stripe.index];
      const channel = Math.min(channels - 1, Math.floor(((y - stripe.top) / stripe.height) * channels));
      const first = Math.floor(cycle / bucketCycles) * channels;
      const levels = Array.from(bands[stripe.index].subarray(first, first + channels));
      const mean = levels.reduce((sum, level) => sum + level, 0) / channels;
      // 250 is the peak of a channel.
      const percent = (level: number): string => ((level ?? 0) / 2.5).toFixed(1);
      return `${name} channel ${channel}: ${percent(levels[channel])} % of its peak; all channels ${percent(mean)} %`;
    }
    if (stripe.kind !== 'memory') return undefined;
    const { name, bucketCycles, permille } = data.memories[stripe.index];
    const share = permille[Math.floor(cycle / bucketCycles)] ?? 0;
    return `${name}: ${(share / 10).toFixed(1)} % of its peak`;
  }
  function leave(): void {
    if (tip !== null) tip.hidden = true;
    if (hovered >= 0) redraw();
    hovered = -1;
  }

  const offset = (event: MouseEvent): number => event.clientX - canvas.getBoundingClientRect().left;
  let drag: { x: number; view: [number, number]; moved: boolean; marks: boolean } | undefined;
  const touches = new Map<number, number>();
  let pinch = 0;
  canvas.addEventListener('pointerdown', (down) => {
    touches.set(down.pointerId, offset(down));
    const marks = down.shiftKey || down.clientY - canvas.getBoundingClientRect().top < axis;
    drag = { x: offset(down), view: [view[0], view[1]], moved: false, marks };
    canvas.setPointerCapture(down.pointerId);
    leave();
  });
  canvas.addEventListener('pointermove', (move) => {
    const x = offset(move);
    if (touches.has(move.pointerId)) touches.set(move.pointerId, x);
    if (touches.size === 2) {
      const [a, b] = [...touches.values()];
      const apart = Math.max(10, Math.abs(a - b));
      if (pinch > 0) zoom(pinch / apart, toCycle((a + b) / 2));
      pinch = apart;
      drag = undefined;
      return;
    }
    if (drag === undefined) {
      if (move.pointerType !== 'touch') point(move.clientX, move.clientY);
      return;
    }
    drag.moved ||= Math.abs(drag.x - x) > 3;
    if (!drag.moved) return;
    if (drag.marks) {
      marked = [toCycle(Math.max(gutter, drag.x)), toCycle(Math.max(gutter, x))];
      redraw();
      return;
    }
    const shift = ((drag.x - x) / (width - gutter)) * (drag.view[1] - drag.view[0]);
    look(drag.view[0] + shift, drag.view[1] + shift);
  });
  const lift = (up: PointerEvent): void => {
    touches.delete(up.pointerId);
    if (touches.size < 2) pinch = 0;
    const clicked = drag !== undefined && !drag.moved;
    drag = undefined;
    if (marked !== undefined) {
      const [from, to] = [...marked].sort((a, b) => a - b);
      marked = undefined;
      look(from, to);
    } else if (clicked && up.type === 'pointerup') {
      select(spanAt(up.clientX, up.clientY), false);
    }
  };
  canvas.addEventListener('pointerup', lift);
  canvas.addEventListener('pointercancel', lift);
  canvas.addEventListener('pointerleave', leave);
  canvas.addEventListener('dblclick', (click) => zoom(0.3, toCycle(offset(click))));
  canvas.addEventListener(
    'wheel',
    (wheel) => {
      const isWhole = view[1] - view[0] >= data.to - data.from;
      // At the widest view the wheel that would zoom out scrolls the page.
      if (isWhole && wheel.deltaY > 0) return;
      wheel.preventDefault();
      leave();
      if (Math.abs(wheel.deltaX) > Math.abs(wheel.deltaY)) pan(wheel.deltaX / 600);
      else zoom(2 ** (wheel.deltaY / 240), toCycle(Math.max(gutter, offset(wheel))));
    },
    { passive: false },
  );
  const keys: Record<string, () => void> = {
    ArrowLeft: () => pan(-0.2),
    ArrowRight: () => pan(0.2),
    ArrowUp: () => step(-1),
    ArrowDown: () => step(1),
    '+': () => zoom(0.5),
    '=': () => zoom(0.5),
    '-': () => zoom(2),
    '0': () => look(home[0], home[1]),
    n: () => go('next'),
    p: () => go('previous'),
    w: () => go('blocker'),
    Enter: () => go('closer'),
    Escape: () => select(-1, false),
  };
  canvas.addEventListener('keydown', (key) => {
    const run = keys[key.key];
    if (run === undefined || key.ctrlKey || key.metaKey || key.altKey) return;
    key.preventDefault();
    run();
  });
  const zooms: Record<string, () => void> = {
    in: () => zoom(0.4),
    out: () => zoom(2.5),
    fit: () => look(home[0], home[1]),
    left: () => pan(-0.4),
    right: () => pan(0.4),
  };
  for (const button of page.querySelectorAll<HTMLButtonElement>('[data-zoom]')) {
    button.addEventListener('click', () => zooms[button.dataset.zoom ?? 'fit']?.());
  }
  for (const button of page.querySelectorAll<HTMLButtonElement>('[data-go]')) {
    button.addEventListener('click', () => go(button.dataset.go ?? ''));
  }

  function paintLegend(): void {
    colors = new Map();
    page.querySelector('#ops-legend')?.replaceChildren(
      ...ops.map((op) => {
        const entry = page.createElement('span');
        const mark = page.createElement('i');
        mark.style.background = opColor(op);
        entry.append(mark, op);
        return entry;
      }),
    );
    redraw();
  }
  paintLegend();
  new ResizeObserver(redraw).observe(canvas);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', paintLegend);
  return {
    show(from, to) {
      home = [from, to];
      if (selected >= 0) select(selected, false);
      look(from, to);
    },
  };
}
