/**
 * A picture of what element formats can say: one lane per format, one tick per distinct value, all on one axis. The
 * result is a complete SVG document without scripts or outside references, equal bytes for equal input. It brings its
 * own background and colours for light and dark, so it can stand in a page, in an image element or alone.
 * It draws code points and knows nothing of scales.
 */
import { BitloomError, type ElementFormat } from '@bitloom/ir';
import { codeCount, decodeElement } from '../elements/decode-element.js';
import { formatRange } from '../elements/element-formats.js';
import { type Axis, linearAxis, symlogAxis } from './value-axis.js';
import { escapeXml, numberLabel } from './value-labels.js';

/** How {@link codePointsSvg} draws. */
export interface CodePointsOptions {
  /**
   * `linear`: distances are differences. `symlog`: logarithmic on both sides of zero and linear close to it, for
   * formats whose steps grow with the value. Default `linear`.
   */
  readonly axis?: 'linear' | 'symlog';
  /** `symlog` only: magnitude below which the axis is linear; by default the smallest positive value drawn. */
  readonly linearBelow?: number;
  /** Width in pixels, 520 or more; default 800. The height follows from the number of formats. */
  readonly width?: number;
  /** Name of the picture for readers that cannot see it; by default it lists the formats. */
  readonly title?: string;
  /**
   * Begins the ids inside of the document, so that several can stand in one page; by default from the format names.
   * Whatever is no letter, digit, `-` or `_` becomes `_`.
   */
  readonly id?: string;
}

/** Most values of one format that a lane can show apart. */
const MOST_VALUES = 4096;

const LABEL_WIDTH = 200;
const MARGIN = 14;
const LANE_HEIGHT = 58;
const TICK_TOP = 14;
const TICK_BOTTOM = 42;
const FOOTER_HEIGHT = 50;
/** Room between the ends of the axis and the edge of the plot. */
const PLOT_INSET = 8;

/** A lane: what a format can say. */
interface Lane {
  readonly format: ElementFormat;
  /** Distinct finite values, ascending; both zeros are one. */
  readonly values: readonly number[];
  readonly smallestNormal: number;
  /** What the codes that are no finite numbers mean, e.g. `±∞, NaN`. */
  readonly specials: string;
}

/** Kinds of ticks, in order of drawing, with what the legend calls them. */
const KINDS = ['normal', 'subnormal', 'zero'] as const;
type Kind = (typeof KINDS)[number];

/**
 * Draws the code points of one format or of several, from top to bottom.
 *
 * @returns an SVG document.
 * @throws BitloomError `picture-formats` without a format, or for one of more than 4096 values; `picture-option` for a
 * width or a threshold that makes no sense.
 */
export function codePointsSvg(
  formats: ElementFormat | readonly ElementFormat[],
  options: CodePointsOptions = {},
): string {
  const list = 'kind' in formats ? [formats] : formats;
  const { width = 800 } = options;
  checkOption('width', width, width >= 520 && width <= 10000, 'from 520 to 10000 pixels');
  if (list.length === 0) throw badFormats('at least one format', 'none');
  const lanes = list.map(laneOf);
  const plot = { left: LABEL_WIDTH + PLOT_INSET, right: width - MARGIN - PLOT_INSET };
  const axis = axisOf(lanes, options, plot.left, plot.right);
  const bottom = MARGIN + lanes.length * LANE_HEIGHT;
  const height = bottom + FOOTER_HEIGHT;
  const names = list.map(({ name }) => name);
  const id = (options.id ?? `code-points-${names.join('-')}`).replace(/[^A-Za-z0-9_-]+/g, '_');
  const kinds = KINDS.filter((kind) => lanes.some((lane) => countOf(lane, kind) > 0));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" class="code-points" role="img" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" aria-labelledby="${id}-title ${id}-desc">`,
    `<title id="${id}-title">${escapeXml(options.title ?? `Code points of ${names.join(', ')}`)}</title>`,
    `<desc id="${id}-desc">${escapeXml(lanes.map(describeLane).join(' '))}</desc>`,
    styleElement(),
    `<rect class="page" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="6"/>`,
    ...axis.marks.map(
      ({ at, label }) =>
        `<path class="grid" d="M${at} ${MARGIN}V${bottom + 4}"/><text class="small" x="${at}" y="${bottom + 17}" text-anchor="middle">${label}</text>`,
    ),
    ...lanes.flatMap((lane, i) => drawLane(lane, axis, MARGIN + i * LANE_HEIGHT, plot.left, plot.right)),
    ...drawLegend(kinds, height - 12),
    `<text class="small" x="${width - MARGIN}" y="${height - 12}" text-anchor="end">${escapeXml(axis.caption)}</text>`,
    '</svg>',
    '',
  ].join('\n');
}

/**
 * Colours are chosen for 4.5 to 1 against the background that comes with them. Rules name this picture's class, since
 * a style inside of a page is a style of the page.
 */
function styleElement(): string {
  return [
    '<style>',
    '.code-points{--page:#ffffff;--edge:#d0d7de;--ink:#1f2328;--soft:#59636e;--line:#e4e8ec;--normal:#0b62c4;--subnormal:#b5460f;--zero:#1f2328;font-family:system-ui,-apple-system,"Segoe UI",sans-serif}',
    '@media (prefers-color-scheme:dark){.code-points{--page:#14181d;--edge:#3d444d;--ink:#e6edf3;--soft:#9aa7b4;--line:#262d35;--normal:#6cb2ff;--subnormal:#ff9d5c;--zero:#e6edf3}}',
    '.code-points .page{fill:var(--page);stroke:var(--edge)}',
    '.code-points .grid{stroke:var(--line);fill:none}',
    '.code-points .base{stroke:var(--edge);fill:none}',
    '.code-points .name{fill:var(--ink);font-size:13px;font-weight:600}',
    '.code-points .small{fill:var(--soft);font-size:12px}',
    ...KINDS.map((kind) => `.code-points .${kind}{stroke:var(--${kind});fill:none}`),
    '</style>',
  ].join('\n');
}

function laneOf(format: ElementFormat): Lane {
  const count = codeCount(format);
  if (count > MOST_VALUES)
    throw badFormats(`formats of at most ${MOST_VALUES} codes`, `${format.name}: ${count}`);
  const distinct = new Set<number>();
  let hasNan = false;
  let hasInfinity = false;
  for (let code = 0; code < count; code += 1) {
    const value = decodeElement(code, format);
    // A set takes −0 for 0.
    if (Number.isFinite(value)) distinct.add(value);
    else if (Number.isNaN(value)) hasNan = true;
    else hasInfinity = true;
  }
  if (distinct.size === 0) throw badFormats('formats with finite values', format.name);
  const specials = [hasInfinity ? (format.signed ? '±∞' : '∞') : '', hasNan ? 'NaN' : ''];
  return {
    format,
    values: [...distinct].sort((a, b) => a - b),
    smallestNormal: format.kind === 'float' ? formatRange(format).smallestNormal : 0,
    specials: specials.filter((name) => name !== '').join(', '),
  };
}

function kindOf(value: number, lane: Lane): Kind {
  if (value === 0) return 'zero';
  return Math.abs(value) < lane.smallestNormal ? 'subnormal' : 'normal';
}

function countOf(lane: Lane, kind: Kind): number {
  return lane.values.filter((value) => kindOf(value, lane) === kind).length;
}

function axisOf(lanes: readonly Lane[], options: CodePointsOptions, left: number, right: number): Axis {
  const min = Math.min(...lanes.map(({ values }) => values[0]));
  const max = Math.max(...lanes.map(({ values }) => values[values.length - 1]));
  if (options.axis !== 'symlog') return linearAxis(min, max, left, right);
  const smallest = Math.min(
    ...lanes.flatMap(({ values }) => values.map(Math.abs)).filter((value) => value > 0),
  );
  // A format of nothing but zero has no smallest value; any threshold will do.
  const linearBelow = options.linearBelow ?? (Number.isFinite(smallest) ? smallest : 1);
  checkOption(
    'linearBelow',
    linearBelow,
    linearBelow > 0 && Number.isFinite(linearBelow),
    'a positive number',
  );
  return symlogAxis(min, max, linearBelow, left, right);
}

function drawLane(lane: Lane, axis: Axis, top: number, left: number, right: number): string[] {
  const { format, values } = lane;
  const lines = [
    `${format.bits} ${plural(format.bits, 'bit')} · ${values.length} ${plural(values.length, 'value')}`,
  ];
  if (lane.specials !== '') lines[0] += ` · ${lane.specials}`;
  lines.push(rangeText(lane));
  const name = format.name.length > 26 ? `${format.name.slice(0, 25)}…` : format.name;
  const out = [
    '<g>',
    `<text class="name" x="${MARGIN}" y="${top + 18}">${escapeXml(name)}</text>`,
    ...lines.map(
      (line, i) => `<text class="small" x="${MARGIN}" y="${top + 33 + i * 14}">${escapeXml(line)}</text>`,
    ),
    `<path class="base" d="M${left - PLOT_INSET} ${top + TICK_BOTTOM}H${right + PLOT_INSET}"/>`,
  ];
  for (const kind of KINDS) {
    const ticks = values.filter((value) => kindOf(value, lane) === kind);
    if (ticks.length === 0) continue;
    const thickness = kind === 'zero' || values.length <= 32 ? 2 : 1;
    // Zero stands out upwards, subnormals stay a little lower, so that kinds differ without colour too.
    const start = top + TICK_TOP + { normal: 5, subnormal: 11, zero: 0 }[kind];
    const path = ticks.map((value) => `M${axis.place(value)} ${start}V${top + TICK_BOTTOM}`).join('');
    out.push(`<path class="${kind}" stroke-width="${thickness}" d="${path}"/>`);
  }
  out.push('</g>');
  return out;
}

function drawLegend(kinds: readonly Kind[], y: number): string[] {
  if (kinds.length < 2) return [];
  const entries = kinds.map((kind, i) => {
    const x = MARGIN + i * 96;
    return `<path class="${kind}" stroke-width="2" d="M${x + 2} ${y - 9}V${y + 1}"/><text class="small" x="${x + 9}" y="${y}">${kind}</text>`;
  });
  return ['<g class="legend">', ...entries, '</g>'];
}

/** Lowest and highest value, and the smallest step from zero where it is not the only one. */
function rangeText({ values }: Lane): string {
  const range = `${numberLabel(values[0])} to ${numberLabel(values[values.length - 1])}`;
  const smallest = values.find((value) => value > 0);
  return values[0] < 0 && smallest !== undefined ? `${range}, least ${numberLabel(smallest)}` : range;
}

function describeLane(lane: Lane): string {
  const { format, values, specials } = lane;
  const subnormals = countOf(lane, 'subnormal');
  return `${format.name}: ${format.bits} ${plural(format.bits, 'bit')}, ${values.length} distinct finite ${plural(values.length, 'value')}${subnormals > 0 ? `, ${subnormals} of them subnormal` : ''}, from ${rangeText(lane)}${specials === '' ? '' : `; also ${specials}`}.`;
}

function plural(count: number, noun: string): string {
  return count === 1 ? noun : `${noun}s`;
}

function checkOption(name: string, value: number, isSane: boolean, expected: string): void {
  if (isSane) return;
  throw new BitloomError({
    code: 'picture-option',
    message: 'an option of a picture makes no sense',
    where: name,
    expected,
    got: String(value),
  });
}

function badFormats(expected: string, got: string): BitloomError {
  return new BitloomError({
    code: 'picture-formats',
    message: 'these formats cannot be drawn as code points',
    expected,
    got,
    hint: 'draw formats of 8 bits or fewer',
  });
}
