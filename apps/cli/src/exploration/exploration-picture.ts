/** All designs of a search as a picture: DSPs against decode speed, their own front drawn as a line. */
import { type Exploration, paretoFront } from '@bitloom/exploration';
import { escapeHtml } from '../report/html.js';

const [WIDTH, HEIGHT] = [720, 420];
const MARGIN = { left: 60, right: 20, top: 20, bottom: 48 } as const;
/** Marks on an axis, about. */
const MARKS = 6;

/** Round numbers from 0 that cover `most`. */
function marks(most: number): number[] {
  const rough = Math.max(most, 1e-9) / MARKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((digit) => digit * power >= rough) ?? 10) * power;
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, i) => Number((i * step).toPrecision(6)));
}

/** @returns an SVG document; it follows the light or dark of who shows it */
export function explorationPicture({ designs, front }: Exploration): string {
  const measured = designs.flatMap(({ device, resources, outcome }) =>
    outcome.measures === undefined
      ? []
      : [{ name: device.name, dsp: resources.dsp, speed: outcome.measures.tokensPerSecond }],
  );
  const xs = marks(Math.max(...measured.map(({ dsp }) => dsp)));
  const ys = marks(Math.max(...measured.map(({ speed }) => speed)));
  const x = (dsp: number): number =>
    MARGIN.left + (dsp / xs[xs.length - 1]) * (WIDTH - MARGIN.left - MARGIN.right);
  const y = (speed: number): number =>
    HEIGHT - MARGIN.bottom - (speed / ys[ys.length - 1]) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const place = (dsp: number, speed: number): string => `${x(dsp).toFixed(1)},${y(speed).toFixed(1)}`;
  const isOnFront = new Set(front.map(({ device }) => device.name));
  // Other objectives put designs on the front that these two axes would not.
  const outline = paretoFront(measured.map(({ dsp, speed }) => [dsp, -speed])).map((i) => measured[i]);
  const line = outline.sort((a, b) => a.dsp - b.dsp).map(({ dsp, speed }) => place(dsp, speed));
  const dots = measured.map(({ name, dsp, speed }) => {
    const [cx, cy] = place(dsp, speed).split(',');
    const kind = isOnFront.has(name) ? 'front' : 'other';
    const title = `${name}: ${dsp} DSP, ${speed.toFixed(2)} token/s`;
    return `<circle class="${kind}" cx="${cx}" cy="${cy}" r="4"><title>${escapeHtml(title)}</title></circle>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="Decode speed against DSPs of ${measured.length} designs">`,
    '<style>text{font:12px system-ui,sans-serif;fill:#333}.grid{stroke:#ddd}.other{fill:#aaa}.front{fill:#b3541e}polyline{fill:none;stroke:#b3541e;stroke-width:1.5}@media(prefers-color-scheme:dark){text{fill:#ddd}.grid{stroke:#444}.other{fill:#777}.front{fill:#f0a06a}polyline{stroke:#f0a06a}}</style>',
    ...xs.map(
      (mark) =>
        `<line class="grid" x1="${x(mark)}" x2="${x(mark)}" y1="${MARGIN.top}" y2="${HEIGHT - MARGIN.bottom}"/><text x="${x(mark)}" y="${HEIGHT - MARGIN.bottom + 18}" text-anchor="middle">${mark}</text>`,
    ),
    ...ys.map(
      (mark) =>
        `<line class="grid" x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${y(mark)}" y2="${y(mark)}"/><text x="${MARGIN.left - 8}" y="${y(mark) + 4}" text-anchor="end">${mark}</text>`,
    ),
    `<text x="${(WIDTH + MARGIN.left) / 2}" y="${HEIGHT - 8}" text-anchor="middle">DSP</text>`,
    `<text transform="translate(16 ${HEIGHT / 2}) rotate(-90)" text-anchor="middle">decode token/s</text>`,
    `<polyline points="${line.join(' ')}"/>`,
    ...dots,
    '</svg>\n',
  ].join('\n');
}
