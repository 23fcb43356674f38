/**
 * Page script: the timeline on a canvas, from top to bottom an axis of time, the units of each core, and how busy each
 * memory was. The area of a colour is its share of time, for single blocks as for columns of many. The function is put
 * into the page as text: it may use nothing but its own body, its arguments and the browser.
 */
import type { TimelineData } from '../timeline/timeline-data.js';
import type { binSpans } from './bin-spans.js';
import type { LaneSpans, Timeline } from './read-spans.js';

/** A stripe of the drawing. */
export interface Stripe {
  readonly kind: 'core' | 'lane' | 'memory' | 'channels';
  /** Of the lane, memory or band of channels, or the number of the core. */
  readonly index: number;
  readonly top: number;
  readonly height: number;
}

export interface Scene {
  readonly data: TimelineData;
  readonly timeline: Timeline;
  /** Use of the channels of each band, see `ChannelBand`. */
  readonly bands: readonly Uint8Array[];
  readonly stripes: readonly Stripe[];
  /** Pixels left of the plot, of the axis above it, and of all. */
  readonly gutter: number;
  readonly axis: number;
  readonly width: number;
  readonly height: number;
  /** Pixels of the screen for one of the page. */
  readonly ratio: number;
  /** Cycles shown, and the cycle that the axis calls 0. */
  readonly from: number;
  readonly to: number;
  readonly zero: number;
  /** Spans of the whole timeline, -1 for none. */
  readonly hovered: number;
  readonly selected: number;
  /** Cycles that are being marked to zoom to. */
  readonly marked: readonly [number, number] | undefined;
  readonly color: (name: string) => string;
  readonly opColor: (op: string) => string;
}

export interface DrawTools {
  readonly binSpans: typeof binSpans;
  /** First span of a lane that ends after a cycle. */
  readonly firstAfter: (lane: LaneSpans, cycle: number) => number;
}

export function drawTimeline(to: CanvasRenderingContext2D, scene: Scene, tools: DrawTools): void {
  const { data, timeline, gutter, axis, width, height, color, opColor } = scene;
  const plot = width - gutter;
  const perPixel = (scene.to - scene.from) / plot;
  const toX = (cycle: number): number => gutter + (cycle - scene.from) / perPixel;
  /** Blocks and waits from this many pixels on are drawn one by one. */
  const SINGLE = 2;
  const causeColors = data.causes.map((cause) =>
    cause === 'none' ? color('--c-idle') : color(`--c-stall-${cause}`),
  );
  /** How strong waits are painted, and what held up an instruction in its unit. */
  const [WAIT, HELD] = [0.35, 0.6];
  /** Units that compute are held up by ports, units that move by the memory. */
  const heldColor = (index: number): string =>
    color(
      ['matrix', 'vector'].includes(data.lanes[index].unit) ? '--c-stall-bufferPort' : '--c-stall-memory',
    );
  const labelColors = timeline.labels.map(({ op }) => opColor(op));

  const [lanePixel, unknownPixel] = [solid(color('--lane'), 1), solid(color('--soft'), 1)];
  const causePixels = causeColors.map((text) => solid(text, WAIT));
  const pixelOf = new Map(labelColors.map((text) => [text, 0]));
  for (const text of pixelOf.keys()) pixelOf.set(text, solid(text, 1));
  const labelPixels = labelColors.map((text) => pixelOf.get(text) ?? unknownPixel);

  to.clearRect(0, 0, width, height);
  to.font = '12px system-ui, sans-serif';
  to.textBaseline = 'middle';
  drawAxis();
  for (const stripe of scene.stripes) {
    if (stripe.kind === 'core') drawCore(stripe);
    else if (stripe.kind === 'lane') drawLane(stripe);
    else if (stripe.kind === 'memory') drawMemory(stripe);
    else drawChannels(stripe);
  }
  outline(scene.hovered, 1.5);
  outline(scene.selected, 2.5);
  drawBlocker();
  if (scene.marked !== undefined) {
    const [left, right] = [toX(scene.marked[0]), toX(scene.marked[1])].sort((a, b) => a - b);
    to.fillStyle = color('--accent');
    to.globalAlpha = 0.25;
    to.fillRect(left, 0, right - left, height);
    to.globalAlpha = 1;
  }

  function drawAxis(): void {
    const seconds = (scene.to - scene.from) / data.clockHz;
    const rough = seconds / Math.max(4, Math.floor(plot / 100));
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((factor) => factor * power).find((value) => value >= rough) ?? rough;
    const units: readonly (readonly [number, string])[] = [
      [1, 's'],
      [1e-3, 'ms'],
      [1e-6, 'µs'],
      [1e-9, 'ns'],
    ];
    const start = (scene.from - scene.zero) / data.clockHz;
    const largest = Math.max(Math.abs(start), Math.abs(start + seconds));
    const [scale, unit] = units.find(([least]) => largest >= least) ?? [1e-9, 'ns'];
    const digits = Math.max(0, Math.ceil(-Math.log10(step / scale) - 1e-9));
    to.fillStyle = color('--soft');
    to.strokeStyle = color('--line');
    to.lineWidth = 1;
    to.textAlign = 'center';
    for (let i = Math.ceil(start / step - 1e-9); i * step <= start + seconds; i++) {
      const x = Math.round(toX(scene.zero + i * step * data.clockHz)) + 0.5;
      to.beginPath();
      to.moveTo(x, axis - 7);
      to.lineTo(x, height);
      to.stroke();
      const text = i === 0 ? '0' : `${((i * step) / scale).toFixed(digits)} ${unit}`;
      const half = to.measureText(text).width / 2;
      if (x - half > gutter && x + half < width) to.fillText(text, x, 9);
    }
  }

  function drawCore({ index, top, height: tall }: Stripe): void {
    to.fillStyle = color('--soft');
    to.textAlign = 'left';
    to.font = '600 11px system-ui, sans-serif';
    to.fillText(`core ${index}`, 0, top + tall / 2);
    to.font = '12px system-ui, sans-serif';
  }

  function clipped({ top, height: tall }: Stripe, paint: () => void): void {
    to.save();
    to.beginPath();
    to.rect(gutter, top, plot, tall);
    to.clip();
    paint();
    to.restore();
  }

  function drawLane(stripe: Stripe): void {
    const { top, height: tall, index } = stripe;
    const lane = timeline.lanes[index];
    to.fillStyle = color('--ink');
    to.textAlign = 'left';
    to.fillText(data.lanes[index].unit, 0, top + tall / 2);
    const first = tools.firstAfter(lane, scene.from);
    drawBins(lane, stripe, first);
    clipped(stripe, () => drawBlocks(lane, stripe, first));
  }

  /** Parts of a column on each other: work from below, then what held the instruction up, then waits by cause. */
  function stack(x: number, wide: number, top: number, tall: number, parts: Part[]): void {
    let base = top + tall;
    for (const { share, fill, alpha } of parts) {
      const high = Math.min(base - top, share * tall);
      if (high < 0.4) continue;
      to.globalAlpha = alpha;
      to.fillStyle = fill;
      to.fillRect(x, base - high, wide, high);
      base -= high;
    }
    to.globalAlpha = 1;
  }

  interface Part {
    readonly share: number;
    readonly fill: string;
    readonly alpha: number;
  }

  /** A colour over the ground of a lane, as a pixel. */
  function solid(text: string, alpha: number): number {
    const ground = rgb(color('--lane'));
    const [red, green, blue] = rgb(text).map((value, i) => value * alpha + ground[i] * (1 - alpha));
    return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  }

  /** Red, green and blue of a colour written as `#rrggbb`. */
  function rgb(text: string): readonly number[] {
    return [1, 3, 5].map((at) => Number.parseInt(text.slice(at, at + 2), 16) || 0);
  }

  /** Sums of what is too thin to be drawn alone, a column for each pixel of the screen, written pixel by pixel. */
  function drawBins(lane: LaneSpans, stripe: Stripe, first: number): void {
    const { ratio } = scene;
    const columns = Math.round(plot * ratio);
    const rows = Math.round(stripe.height * ratio);
    const perColumn = (scene.to - scene.from) / columns;
    const causes = data.causes.length;
    const least = SINGLE * perPixel;
    const bins = tools.binSpans(lane, first, scene.from, scene.to, columns, causes, least);
    const picture = to.createImageData(columns, rows);
    const pixels = new Uint32Array(picture.data.buffer);
    const held = solid(heldColor(stripe.index), HELD);
    for (let column = 0; column < columns; column++) {
      let row = rows - 1;
      let sum = 0;
      const add = (cycles: number, value: number): void => {
        if (cycles <= 0) return;
        sum += cycles / perColumn;
        const stop = Math.max(0, rows - Math.round(Math.min(1, sum) * rows));
        for (; row >= stop; row--) pixels[row * columns + column] = value;
      };
      const leader = bins.leader[column];
      add(bins.busy[column], leader < 0 ? unknownPixel : labelPixels[leader]);
      add(bins.stalled[column], held);
      for (let cause = 1; cause < causes; cause++) {
        add(bins.waits[cause * columns + column], causePixels[cause]);
      }
      for (; row >= 0; row--) pixels[row * columns + column] = lanePixel;
    }
    to.putImageData(picture, Math.round(gutter * ratio), Math.round(stripe.top * ratio));
  }

  function drawBlocks(lane: LaneSpans, { top, height: tall, index }: Stripe, first: number): void {
    const held = heldColor(index);
    for (let i = first; i < lane.start.length; i++) {
      const [start, end] = [lane.start[i], lane.end[i]];
      const gap = i === 0 ? lane.waited[i] : Math.min(lane.waited[i], start - lane.end[i - 1]);
      if (start - gap >= scene.to) break;
      const cause = lane.cause[i];
      if (gap >= SINGLE * perPixel && cause > 0) {
        stack(toX(start - gap), gap / perPixel, top, tall, [
          { share: 1, fill: causeColors[cause], alpha: WAIT },
        ]);
      }
      const length = end - start;
      if (length < SINGLE * perPixel) continue;
      const wide = length / perPixel;
      stack(toX(start), wide > 4 ? wide - 1 : wide, top, tall, [
        { share: (lane.occupied[i] - lane.stalled[i]) / length, fill: labelColors[lane.label[i]], alpha: 1 },
        { share: lane.stalled[i] / length, fill: held, alpha: HELD },
        { share: (lane.waited[i] - gap) / length, fill: causeColors[cause], alpha: WAIT },
      ]);
      // A name where there is room for it.
      const text = timeline.labels[lane.label[i]].op;
      const left = Math.max(gutter, toX(start)) + 5;
      if (Math.min(width, toX(end)) - left > to.measureText(text).width + 5) {
        to.fillStyle = color('--on-block');
        to.textAlign = 'left';
        to.fillText(text, left, top + tall / 2 + 1);
      }
    }
  }

  function drawMemory(stripe: Stripe): void {
    const { top, height: tall, index } = stripe;
    const { name, bucketCycles, permille } = data.memories[index];
    to.fillStyle = color('--ink');
    to.textAlign = 'left';
    to.fillText(name, 0, top + tall / 2 - 7);
    to.fillStyle = color('--soft');
    to.fillText('of peak', 0, top + tall / 2 + 8);
    to.fillStyle = color('--lane');
    to.fillRect(gutter, top, plot, tall);
    clipped(stripe, () => {
      to.fillStyle = color('--c-bytes-weights');
      for (let x = 0; x < plot; x++) {
        const left = scene.from + x * perPixel;
        // Mean over the buckets under this pixel.
        const low = Math.floor(left / bucketCycles);
        const high = Math.max(low, Math.ceil((left + perPixel) / bucketCycles) - 1);
        let sum = 0;
        for (let i = low; i <= high; i++) sum += permille[i] ?? 0;
        const share = sum / (high - low + 1) / 1000;
        to.fillRect(gutter + x, top + tall * (1 - Math.min(1, share)), 1, tall);
      }
    });
    to.strokeStyle = color('--line');
    to.strokeRect(gutter + 0.5, top + 0.5, plot - 1, tall - 1);
  }

  /** A line per channel, the stronger the nearer to the channel's peak; means over what is under a pixel. */
  function drawChannels(stripe: Stripe): void {
    const { top, height: tall, index } = stripe;
    const { channels, bucketCycles } = data.channels[index];
    const levels = scene.bands[index];
    to.fillStyle = color('--soft');
    to.textAlign = 'left';
    to.fillText('channels', 0, top + tall / 2 - 7);
    to.fillText(`0 to ${channels - 1}`, 0, top + tall / 2 + 8);
    const columns = Math.round(plot * scene.ratio);
    const rows = Math.round(tall * scene.ratio);
    const perColumn = (scene.to - scene.from) / columns;
    const buckets = levels.length / channels;
    /** Level of a channel at its peak; shades between nothing and that. */
    const FULL = 250;
    const SHADES = 64;
    const shades = Array.from({ length: SHADES + 1 }, (_, i) =>
      solid(color('--c-bytes-weights'), i / SHADES),
    );
    const picture = to.createImageData(columns, rows);
    const pixels = new Uint32Array(picture.data.buffer);
    const sums = new Float64Array(channels);
    const lineOf = Int32Array.from({ length: rows }, (_, row) => Math.floor((row * channels) / rows));
    for (let column = 0; column < columns; column++) {
      const left = scene.from + column * perColumn;
      const low = Math.max(0, Math.floor(left / bucketCycles));
      const high = Math.max(low, Math.ceil((left + perColumn) / bucketCycles) - 1);
      sums.fill(0);
      for (let bucket = low; bucket <= Math.min(high, buckets - 1); bucket++) {
        for (let c = 0; c < channels; c++) sums[c] += levels[bucket * channels + c];
      }
      for (let row = 0; row < rows; row++) {
        const share = sums[lineOf[row]] / (high - low + 1) / FULL;
        pixels[row * columns + column] = shades[Math.ceil(Math.min(1, share) * SHADES)];
      }
    }
    to.putImageData(picture, Math.round(gutter * scene.ratio), Math.round(top * scene.ratio));
    to.strokeStyle = color('--line');
    to.strokeRect(gutter + 0.5, top + 0.5, plot - 1, tall - 1);
  }

  /** Where a span stands, in pixels. */
  function place(span: number): { left: number; right: number; stripe: Stripe } | undefined {
    if (span < 0) return undefined;
    const index = timeline.laneOf[span];
    const stripe = scene.stripes.find((one) => one.kind === 'lane' && one.index === index);
    if (stripe === undefined) return undefined;
    const lane = timeline.lanes[index];
    const i = timeline.placeOf[span];
    return { left: toX(lane.start[i]), right: toX(lane.end[i]), stripe };
  }

  function outline(span: number, line: number): void {
    const at = place(span);
    if (at === undefined) return;
    const right = Math.max(at.left + 3, at.right);
    if (right < gutter || at.left > width) return;
    const left = Math.max(gutter - 2, at.left);
    to.strokeStyle = color('--ink');
    to.lineWidth = line;
    to.strokeRect(left, at.stripe.top - 1, Math.min(width + 2, right) - left, at.stripe.height + 2);
    to.lineWidth = 1;
  }

  /** A line from what the chosen span waited for. */
  function drawBlocker(): void {
    const chosen = place(scene.selected);
    if (chosen === undefined) return;
    const lane = timeline.lanes[timeline.laneOf[scene.selected]];
    const blocker = lane.blocker[timeline.placeOf[scene.selected]];
    const from = place(blocker);
    if (from === undefined) return;
    outline(blocker, 1);
    to.save();
    to.beginPath();
    to.rect(gutter, axis, plot, height - axis);
    to.clip();
    to.strokeStyle = color('--ink');
    to.lineWidth = 1.5;
    to.setLineDash([4, 3]);
    to.beginPath();
    to.moveTo(Math.min(from.right, chosen.left), from.stripe.top + from.stripe.height / 2);
    to.lineTo(chosen.left, chosen.stripe.top + chosen.stripe.height / 2);
    to.stroke();
    to.restore();
  }
}
