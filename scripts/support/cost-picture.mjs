/** The picture of docs/benchmarks/mapping-cost.md: every cut as a point, simulated cycles across, analytic ones up. */

const [WIDTH, HEIGHT] = [720, 480];
const MARGIN = { left: 64, right: 20, top: 34, bottom: 48 };
const PHASES = ['decode', 'prefill'];

/**
 * @param {readonly { simulated: number, analytic: number, phase: string }[]} points cycles
 * @returns {string} an SVG document; it follows the light or dark of who shows it
 */
export function costPicture(points) {
  const logs = points.flatMap(({ simulated, analytic }) => [Math.log10(simulated), Math.log10(analytic)]);
  const [least, most] = [Math.floor(Math.min(...logs)), Math.ceil(Math.max(...logs))];
  const along = (value) => (Math.log10(value) - least) / (most - least);
  const x = (value) => MARGIN.left + along(value) * (WIDTH - MARGIN.left - MARGIN.right);
  const y = (value) => HEIGHT - MARGIN.bottom - along(value) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const marks = Array.from({ length: most - least + 1 }, (_, i) => 10 ** (least + i));
  const [bottom, right] = [HEIGHT - MARGIN.bottom, WIDTH - MARGIN.right];
  // Many cuts lie on the same pixel.
  const dots = new Set(
    points.map(
      ({ simulated, analytic, phase }) =>
        `<circle class="${phase}" cx="${x(simulated).toFixed(1)}" cy="${y(analytic).toFixed(1)}" r="2.5"/>`,
    ),
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="Analytic against simulated cycles of ${points.length} cuts">`,
    '<style>text{font:12px system-ui,sans-serif;fill:#333}.grid{stroke:#ddd}.equal{stroke:#888;stroke-dasharray:4 3}.decode{fill:#b3541e}.prefill{fill:#2f6f9f}@media(prefers-color-scheme:dark){text{fill:#ddd}.grid{stroke:#444}.decode{fill:#f0a06a}.prefill{fill:#7fb8e6}}</style>',
    ...marks.flatMap((mark) => [
      `<line class="grid" x1="${x(mark)}" x2="${x(mark)}" y1="${MARGIN.top}" y2="${bottom}"/>`,
      `<text x="${x(mark)}" y="${bottom + 18}" text-anchor="middle">10<tspan dy="-5" font-size="9">${Math.log10(mark)}</tspan></text>`,
      `<line class="grid" x1="${MARGIN.left}" x2="${right}" y1="${y(mark)}" y2="${y(mark)}"/>`,
      `<text x="${MARGIN.left - 8}" y="${y(mark) + 4}" text-anchor="end">10<tspan dy="-5" font-size="9">${Math.log10(mark)}</tspan></text>`,
    ]),
    `<line class="equal" x1="${x(marks[0])}" y1="${y(marks[0])}" x2="${right}" y2="${MARGIN.top}"/>`,
    ...PHASES.map(
      (phase, i) =>
        `<circle class="${phase}" cx="${MARGIN.left + 8 + 80 * i}" cy="16" r="4"/><text x="${MARGIN.left + 18 + 80 * i}" y="20">${phase}</text>`,
    ),
    `<text x="${(WIDTH + MARGIN.left) / 2}" y="${HEIGHT - 8}" text-anchor="middle">simulated cycles</text>`,
    `<text transform="translate(16 ${HEIGHT / 2}) rotate(-90)" text-anchor="middle">analytic cycles</text>`,
    ...dots,
    '</svg>\n',
  ].join('\n');
}
