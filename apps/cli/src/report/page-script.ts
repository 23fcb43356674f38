/**
 * What runs in the reader's browser: the choice of phase, and the timeline on a canvas. The function is put into the
 * page as text, so it may use nothing but its own body and the browser; data come from `#timeline-data`, colours from
 * the page's style.
 */
import type { TimelineData } from './timeline-data.js';

export function pageScript(page: Document): void {
  const { body } = page;
  const choices = [...page.querySelectorAll<HTMLButtonElement>('[data-choose]')];
  const canvas = page.querySelector<HTMLCanvasElement>('#timeline');
  const source = page.querySelector('#timeline-data');
  const timeline =
    canvas === null || source === null ? undefined : drawTimeline(canvas, source.textContent ?? '{}');

  const choose = (button: HTMLButtonElement): void => {
    body.dataset.show = button.dataset.choose;
    for (const other of choices) other.setAttribute('aria-pressed', String(other === button));
    timeline?.show(Number(button.dataset.from), Number(button.dataset.to));
  };
  for (const button of choices) button.addEventListener('click', () => choose(button));
  const initial = choices.find((button) => button.dataset.choose === body.dataset.show) ?? choices[0];
  if (initial !== undefined) choose(initial);

  /** Spans of one unit with absolute starts. */
  interface Row {
    readonly unit: string;
    readonly start: Float64Array;
    readonly end: Float64Array;
    readonly busy: Float64Array;
    readonly label: Int32Array;
    readonly waited: Float64Array;
    readonly cause: Int32Array;
    readonly count: Int32Array;
  }

  function drawTimeline(target: HTMLCanvasElement, json: string): { show(from: number, to: number): void } {
    const data: TimelineData = JSON.parse(json);
    const rows: Row[] = data.lanes.map((lane) => {
      const start = new Float64Array(lane.start.length);
      const end = new Float64Array(lane.start.length);
      let clock = 0;
      lane.start.forEach((distance, i) => {
        clock += distance;
        start[i] = clock;
        end[i] = clock + lane.length[i];
      });
      return {
        unit: lane.unit,
        start,
        end,
        busy: Float64Array.from(lane.busy),
        label: Int32Array.from(lane.label),
        waited: Float64Array.from(lane.waited),
        cause: Int32Array.from(lane.cause),
        count: Int32Array.from(lane.count),
      };
    });
    const painter = target.getContext('2d');
    const laneHeight = 40;
    const axisHeight = 26;
    const height = axisHeight + rows.length * laneHeight;
    const ops = [...new Set(data.labels.map((label) => label.op))].sort();
    const hue = (op: string): number => (ops.indexOf(op) * 137.5 + 210) % 360;
    let gutter = 64;
    let width = 600;
    let home: [number, number] = [0, data.cycles];
    let view: [number, number] = [0, data.cycles];
    let hovered: { row: number; span: number } | undefined;
    let frame = 0;

    const color = (name: string): string => getComputedStyle(body).getPropertyValue(name).trim();
    const isDark = (): boolean => matchMedia('(prefers-color-scheme: dark)').matches;
    const opColor = (op: string): string => `hsl(${hue(op).toFixed(0)} ${isDark() ? '45% 58%' : '55% 45%'})`;
    const toX = (cycle: number): number =>
      gutter + ((cycle - view[0]) / (view[1] - view[0])) * (width - gutter);
    const toCycle = (x: number): number => view[0] + ((x - gutter) / (width - gutter)) * (view[1] - view[0]);
    const UNITS: readonly (readonly [seconds: number, name: string])[] = [
      [1, 's'],
      [1e-3, 'ms'],
      [1e-6, 'µs'],
      [1e-9, 'ns'],
    ];
    const time = (cycles: number): string => {
      const seconds = cycles / data.clockHz;
      const [scale, unit] = UNITS.find(([least]) => seconds >= least) ?? [
        seconds === 0 ? 1 : 1e-9,
        seconds === 0 ? 's' : 'ns',
      ];
      return `${Number((seconds / scale).toPrecision(4))} ${unit}`;
    };
    /** A moment after the start of the phase, in as many digits as steps of `step` seconds need. */
    const moment = (seconds: number, step: number): string => {
      const [scale, unit] = UNITS.find(([least]) => Math.abs(seconds) >= least) ?? [1, 's'];
      const digits = seconds === 0 ? 0 : Math.max(0, Math.ceil(-Math.log10(step / scale) - 1e-9));
      return seconds === 0 ? '0' : `${(seconds / scale).toFixed(digits)} ${unit}`;
    };

    /** First span of a row that ends after `cycle`; rows are in order and do not overlap. */
    const firstAfter = (row: Row, cycle: number): number => {
      let [low, high] = [0, row.end.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (row.end[middle] > cycle) high = middle;
        else low = middle + 1;
      }
      return low;
    };

    const redraw = (): void => {
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(draw);
    };

    function draw(): void {
      // Without a width there is nothing to see; a resize draws again.
      if (painter === null || target.clientWidth <= gutter) return;
      const ratio = devicePixelRatio || 1;
      width = target.clientWidth;
      gutter = width < 520 ? 52 : 64;
      target.style.height = `${height}px`;
      target.width = Math.round(width * ratio);
      target.height = Math.round(height * ratio);
      painter.setTransform(ratio, 0, 0, ratio, 0, 0);
      painter.clearRect(0, 0, width, height);
      painter.font = '12px system-ui, sans-serif';
      painter.textBaseline = 'middle';
      drawAxis(painter);
      rows.forEach((row, index) => {
        drawRow(painter, row, index);
      });
      const shown = page.querySelector('#window');
      if (shown !== null)
        shown.textContent = `${time(view[1] - view[0])}, ${time(Math.max(0, view[0] - home[0]))} after the start of the phase`;
    }

    function drawAxis(to: CanvasRenderingContext2D): void {
      const span = (view[1] - view[0]) / data.clockHz;
      const rough = span / Math.max(2, Math.floor((width - gutter) / 110));
      const power = 10 ** Math.floor(Math.log10(rough));
      const step = [1, 2, 5, 10].map((factor) => factor * power).find((value) => value >= rough) ?? rough;
      to.fillStyle = color('--soft');
      to.strokeStyle = color('--line');
      to.textAlign = 'center';
      const origin = home[0] / data.clockHz;
      const from = view[0] / data.clockHz - origin;
      for (let i = Math.ceil(from / step); i * step <= from + span; i++) {
        const x = Math.round(toX((origin + i * step) * data.clockHz)) + 0.5;
        to.beginPath();
        to.moveTo(x, axisHeight - 6);
        to.lineTo(x, height);
        to.stroke();
        const text = moment(i * step, step);
        const half = to.measureText(text).width / 2;
        if (x - half > gutter && x + half < width) to.fillText(text, x, 9);
      }
    }

    function drawRow(to: CanvasRenderingContext2D, row: Row, index: number): void {
      const top = axisHeight + index * laneHeight + 4;
      const tall = laneHeight - 12;
      to.fillStyle = color('--ink');
      to.textAlign = 'left';
      to.fillText(row.unit, 0, top + tall / 2);
      to.save();
      to.beginPath();
      to.rect(gutter, top - 2, width - gutter, laneHeight - 4);
      to.clip();
      to.fillStyle = color('--c-idle');
      to.globalAlpha = 0.35;
      to.fillRect(gutter, top, width - gutter, tall);
      to.globalAlpha = 1;
      // Spans thinner than a pixel are summed: a column is as tall as its share of busy time.
      const columns = Math.ceil(width - gutter);
      const covered = new Float32Array(columns);
      const largest = new Float32Array(columns);
      const leader = new Int32Array(columns).fill(-1);
      const stripColors = data.causes.map((cause) => color(`--c-stall-${cause}`));
      const cyclesPerPixel = (view[1] - view[0]) / (width - gutter);
      for (let i = firstAfter(row, view[0]); i < row.start.length && row.start[i] < view[1]; i++) {
        const [left, right] = [toX(row.start[i]), toX(row.end[i])];
        const op = data.labels[row.label[i]].op;
        const density = row.busy[i] / Math.max(1, row.end[i] - row.start[i]);
        if (right - left >= 1.5) {
          to.fillStyle = opColor(op);
          to.globalAlpha = 0.25 + 0.75 * density;
          to.fillRect(left, top, Math.max(1, right - left - (right - left > 4 ? 1 : 0)), tall);
          to.globalAlpha = 1;
        } else {
          const column = Math.min(columns - 1, Math.max(0, Math.floor(left - gutter)));
          const share = row.busy[i] / cyclesPerPixel;
          covered[column] += share;
          if (share > largest[column]) {
            largest[column] = share;
            leader[column] = row.label[i];
          }
        }
        const waiting = row.waited[i] / cyclesPerPixel;
        const strip = stripColors[row.cause[i]];
        if (waiting >= 1 && row.count[i] === 1 && strip !== '') {
          to.fillStyle = strip;
          to.fillRect(left - waiting, top + tall - 5, waiting, 5);
        }
      }
      for (let column = 0; column < columns; column++) {
        if (leader[column] < 0) continue;
        const share = Math.min(1, covered[column]);
        to.fillStyle = opColor(data.labels[leader[column]].op);
        to.fillRect(gutter + column, top + tall * (1 - share), 1, tall * share);
      }
      if (hovered?.row === index) {
        const left = toX(row.start[hovered.span]);
        const right = Math.max(left + 2, toX(row.end[hovered.span]));
        to.strokeStyle = color('--ink');
        to.lineWidth = 2;
        to.strokeRect(left, top - 1, right - left, tall + 2);
        to.lineWidth = 1;
      }
      to.restore();
    }

    const clampView = (from: number, to: number): void => {
      const span = Math.min(data.cycles, Math.max(8, to - from));
      const start = Math.min(Math.max(0, from), data.cycles - span);
      view = [start, start + span];
      redraw();
    };
    const zoom = (factor: number, around = (view[0] + view[1]) / 2): void => {
      clampView(around - (around - view[0]) * factor, around + (view[1] - around) * factor);
    };

    function spanAt(clientX: number, clientY: number): { row: number; span: number } | undefined {
      const box = target.getBoundingClientRect();
      const index = Math.floor((clientY - box.top - axisHeight) / laneHeight);
      const row = rows[index];
      const x = clientX - box.left;
      if (row === undefined || x < gutter) return undefined;
      const cycle = toCycle(x);
      const reach = ((view[1] - view[0]) / (width - gutter)) * 4;
      const next = firstAfter(row, cycle);
      const near = [next, next - 1].filter((i) => i >= 0 && i < row.start.length);
      const distance = (i: number): number => Math.max(0, row.start[i] - cycle, cycle - row.end[i]);
      // A point in the wait before a block belongs to the block, too.
      const best = near.sort((a, b) => distance(a) - distance(b))[0];
      if (best === undefined) return undefined;
      const inWait = cycle < row.start[best] && cycle >= row.start[best] - row.waited[best];
      return distance(best) <= reach || inWait ? { row: index, span: best } : undefined;
    }

    function describe(row: Row, i: number): string[] {
      const { op, node, layer, tile, instruction } = data.labels[row.label[i]];
      const many = row.count[i] > 1;
      return [
        `${op}${layer < 0 ? '' : `, layer ${layer}`}`,
        node,
        ...(tile === '' ? [] : [`tile ${tile}`]),
        many ? `${row.count[i]} instructions on ${row.unit}` : `${instruction} on ${row.unit}`,
        `${time(row.end[i] - row.start[i])} (${row.end[i] - row.start[i]} cycles${many ? `, ${row.busy[i]} busy` : ''}) after ${time(Math.max(0, row.start[i] - home[0]))}`,
        row.waited[i] > 0
          ? `waited ${row.waited[i]} cycles, ${many ? 'mostly ' : ''}for ${data.causes[row.cause[i]]}`
          : 'did not wait',
      ];
    }

    const fill = (box: HTMLElement, lines: readonly string[]): void => {
      box.replaceChildren(
        ...lines.map((line) => {
          const part = page.createElement('div');
          part.textContent = line;
          return part;
        }),
      );
      box.hidden = false;
    };
    const tip = page.querySelector<HTMLElement>('#tip');
    const kept = page.querySelector<HTMLElement>('#kept');

    const point = (clientX: number, clientY: number): void => {
      const found = spanAt(clientX, clientY);
      if (found?.row !== hovered?.row || found?.span !== hovered?.span) redraw();
      hovered = found;
      if (tip === null) return;
      if (found === undefined) {
        tip.hidden = true;
        return;
      }
      fill(tip, describe(rows[found.row], found.span));
      tip.style.left = `${Math.max(4, Math.min(clientX + 14, innerWidth - tip.offsetWidth - 4))}px`;
      tip.style.top = `${Math.max(4, Math.min(clientY + 16, innerHeight - tip.offsetHeight - 4))}px`;
    };

    let drag: { x: number; view: [number, number]; moved: boolean } | undefined;
    target.addEventListener('pointerdown', (down) => {
      drag = { x: down.clientX, view: [view[0], view[1]], moved: false };
      target.setPointerCapture(down.pointerId);
    });
    target.addEventListener('pointermove', (move) => {
      if (drag === undefined) {
        point(move.clientX, move.clientY);
        return;
      }
      const shift = ((drag.x - move.clientX) / (width - gutter)) * (drag.view[1] - drag.view[0]);
      drag.moved ||= Math.abs(drag.x - move.clientX) > 3;
      if (drag.moved) clampView(drag.view[0] + shift, drag.view[1] + shift);
    });
    target.addEventListener('pointerup', (up) => {
      const clicked = drag !== undefined && !drag.moved;
      drag = undefined;
      if (!clicked) return;
      point(up.clientX, up.clientY);
      if (kept === null) return;
      if (hovered === undefined) kept.hidden = true;
      else fill(kept, describe(rows[hovered.row], hovered.span));
    });
    target.addEventListener('pointercancel', () => {
      drag = undefined;
    });
    target.addEventListener('pointerleave', () => {
      hovered = undefined;
      if (tip !== null) tip.hidden = true;
      redraw();
    });
    target.addEventListener('dblclick', (click) => {
      zoom(0.3, toCycle(click.clientX - target.getBoundingClientRect().left));
    });
    target.addEventListener(
      'wheel',
      (wheel) => {
        if (!wheel.ctrlKey && !wheel.metaKey) return;
        wheel.preventDefault();
        zoom(2 ** (wheel.deltaY / 200), toCycle(wheel.clientX - target.getBoundingClientRect().left));
      },
      { passive: false },
    );
    target.addEventListener('keydown', (key) => {
      const span = view[1] - view[0];
      const action: Record<string, () => void> = {
        ArrowLeft: () => clampView(view[0] - span / 5, view[1] - span / 5),
        ArrowRight: () => clampView(view[0] + span / 5, view[1] + span / 5),
        '+': () => zoom(0.5),
        '=': () => zoom(0.5),
        '-': () => zoom(2),
        '0': () => clampView(home[0], home[1]),
      };
      const run = action[key.key];
      if (run === undefined) return;
      key.preventDefault();
      run();
    });
    const zooms: Record<string, () => void> = {
      in: () => zoom(0.4),
      out: () => zoom(2.5),
      fit: () => clampView(home[0], home[1]),
    };
    for (const button of page.querySelectorAll<HTMLButtonElement>('[data-zoom]')) {
      button.addEventListener('click', () => zooms[button.dataset.zoom ?? 'fit']?.());
    }

    const paintLegend = (): void => {
      const box = page.querySelector('#ops-legend');
      box?.replaceChildren(
        ...ops.map((op) => {
          const entry = page.createElement('span');
          const mark = page.createElement('i');
          mark.style.background = opColor(op);
          entry.append(mark, op);
          return entry;
        }),
      );
    };
    const detail = page.querySelector('#detail');
    if (detail !== null) {
      detail.textContent = `Blocks are ${data.detail}, coloured by op; the strip under a lane is the wait before a block, coloured by its cause. Where blocks are thinner than a pixel, the height of a column is the share of busy time.`;
    }
    paintLegend();
    addEventListener('resize', redraw);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
      paintLegend();
      redraw();
    });
    return {
      show(from, to) {
        home = [from, to];
        clampView(from, to);
      },
    };
  }
}
