/**
 * The roofline of a card with the phases and ops of a run on it: operations per byte of memory against operations
 * per second, both logarithmic. Ceilings are the peak of the widest memory and of each matrix mode.
 */
import {
  type Device,
  type MatrixMode,
  type MemoryReport,
  peakBytesPerSecond,
  type Report,
} from '@bitloom/ir';
import { quantity } from '../terminal/quantity.js';
import { escapeHtml } from './html.js';
import { macsPerCycle, peakMacsPerCycle } from './machine-peak.js';

interface Point {
  readonly name: string;
  readonly phase: string;
  /** Operations (two per multiply-accumulate) per byte. */
  readonly intensity: number;
  readonly opsPerSecond: number;
  /** Phases are marked larger than the ops they are made of. */
  readonly whole: boolean;
}

/** Size of a drawing in its own units, which are pixels where it is shown unscaled. */
export interface ChartSize {
  readonly width: number;
  readonly height: number;
}

const MARGIN = { left: 60, right: 16, top: 16, bottom: 44 } as const;

const peak = (mode: MatrixMode, device: Device): number => 2 * macsPerCycle(mode, device) * device.clockHz;

/** Where phases and ops stand. Those without products or without memory traffic have no place on a roofline. */
export function rooflinePoints(report: Report, device: Device): Point[] {
  const bandwidth = Math.max(1, ...device.memories.map(peakBytesPerSecond));
  return report.phases.flatMap((phase) => {
    if (phase.name === 'total' || phase.cycles === 0) return [];
    const bytes = phase.memories.reduce((sum, memory: MemoryReport) => sum + memory.bytes.total, 0);
    const ops = phase.ops.map((op) => ({
      name: op.name,
      macs: op.macs,
      bytes: op.memoryBytes,
      // Cycles of an op are those of all cores together.
      // It takes no less than its bytes do, whatever it waited for.
      seconds: Math.max(
        op.memoryBytes / bandwidth,
        Math.max(0, ...Object.values(op.cycles)) / (report.clockHz * device.cores),
      ),
      whole: false,
    }));
    const all = [{ name: phase.name, macs: phase.macs, bytes, seconds: phase.seconds, whole: true }, ...ops];
    return all
      .filter(({ macs, bytes: moved, seconds }) => macs > 0 && moved > 0 && seconds > 0)
      .map(({ name, macs, bytes: moved, seconds, whole }) => ({
        name,
        phase: phase.name,
        intensity: (2 * macs) / moved,
        opsPerSecond: (2 * macs) / seconds,
        whole,
      }));
  });
}

/** Operations per byte of the widest memory at which a card's faster matrix mode is fed. */
export function machineBalance(device: Device): number {
  const bandwidth = Math.max(1, ...device.memories.map(peakBytesPerSecond));
  return (2 * peakMacsPerCycle(device) * device.clockHz) / bandwidth;
}

/** @returns an SVG element */
export function rooflineChart(report: Report, device: Device, size: ChartSize): string {
  const { width, height } = size;
  const points = rooflinePoints(report, device);
  const memory = [...device.memories].sort((a, b) => peakBytesPerSecond(b) - peakBytesPerSecond(a))[0];
  const bandwidth = memory === undefined ? 1 : peakBytesPerSecond(memory);
  const modes = [
    { name: 'matrix x matrix', value: peak(device.matrix.mm, device) },
    { name: 'matrix x vector', value: peak(device.matrix.mv, device) },
  ];
  const top = Math.max(...modes.map(({ value }) => value));
  const ridge = top / bandwidth;
  const xs = [...points.map(({ intensity }) => intensity), ridge];
  const ys = [...points.map(({ opsPerSecond }) => opsPerSecond), ...modes.map(({ value }) => value)];
  const x = logScale(Math.min(...xs) / 4, Math.max(...xs) * 4, MARGIN.left, width - MARGIN.right);
  const y = logScale(Math.min(...ys) / 3, Math.max(...ys) * 2, height - MARGIN.bottom, MARGIN.top);
  const taken: Box[] = [];
  // Where the slope comes into the frame, from below or from the left.
  const foot = Math.max(x.min, y.min / bandwidth);
  const ceilings = modes.map(({ name, value }) => {
    const label = `${name} ${quantity(value, 'op/s', 3)}`;
    return ceiling(x, y, width, value, value / bandwidth, label, taken);
  });
  return [
    `<svg class="roofline" style="max-width:${Math.round(width * 1.2)}px" viewBox="0 0 ${width} ${height}" role="img" aria-label="roofline of ${escapeHtml(device.name)}">`,
    gridLines(x, y, size),
    `<path class="roof" d="M${at(x, y, foot, foot * bandwidth)} L${at(x, y, ridge, top)}"/>`,
    ...ceilings,
    slopeLabel(x, y, foot, bandwidth, `${memory?.kind ?? 'memory'} ${quantity(bandwidth, 'B/s', 3)}`),
    ...labelled(points, x, y, width, taken),
    '</svg>',
  ].join('\n');
}

/** Room that a line of text takes; `y` is its base line. */
interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
}

/** Height of a line of text, and about the width of a letter. */
const LINE = 13;
const textWidth = (text: string): number => text.length * 6.4;

interface Scale {
  readonly min: number;
  readonly max: number;
  place(value: number): number;
}

function logScale(min: number, max: number, from: number, to: number): Scale {
  const span = Math.log10(max / min);
  return { min, max, place: (value) => from + ((to - from) * Math.log10(value / min)) / span };
}

/** Coordinates of a point; values below the frame are drawn on its edge. */
function at(x: Scale, y: Scale, intensity: number, ops: number): string {
  return `${x.place(intensity).toFixed(1)},${y.place(Math.max(ops, y.min)).toFixed(1)}`;
}

function gridLines(x: Scale, y: Scale, { width, height }: ChartSize): string {
  const bottom = height - MARGIN.bottom;
  const vertical = powers(x).map((value) => {
    const place = x.place(value).toFixed(1);
    return `<path class="grid" d="M${place},${MARGIN.top}V${bottom}"/><text x="${place}" y="${bottom + 18}" text-anchor="middle">${value}</text>`;
  });
  const horizontal = powers(y).map((value) => {
    const place = y.place(value).toFixed(1);
    return `<path class="grid" d="M${MARGIN.left},${place}H${width - MARGIN.right}"/><text x="${MARGIN.left - 8}" y="${Number(place) + 4}" text-anchor="end">${quantity(value, '', 2)}</text>`;
  });
  const axes =
    `<text class="axis" x="${(MARGIN.left + width - MARGIN.right) / 2}" y="${height - 6}" text-anchor="middle">operations per byte of memory</text>` +
    `<text class="axis" transform="translate(14 ${(MARGIN.top + bottom) / 2}) rotate(-90)" text-anchor="middle">operations per second</text>`;
  return [...vertical, ...horizontal, axes].join('\n');
}

/** Powers of ten inside of a scale. */
function powers({ min, max }: Scale): number[] {
  const first = Math.ceil(Math.log10(min));
  const count = Math.floor(Math.log10(max)) - first + 1;
  return Array.from({ length: Math.max(0, count) }, (_, i) => Number(`1e${first + i}`));
}

/** A ceiling from where the slope meets it, named at that end, away from the phases that reach it. */
function ceiling(
  x: Scale,
  y: Scale,
  width: number,
  value: number,
  from: number,
  label: string,
  taken: Box[],
): string {
  const place = y.place(value);
  const start = x.place(Math.max(from, x.min));
  const box = { x: start + 14, y: place - 6, width: textWidth(label) };
  // The line itself takes room, too: a label on it is hard to read.
  taken.push(box, { x: start, y: place + 4, width: width - MARGIN.right - start });
  return (
    `<path class="roof" d="M${start.toFixed(1)},${place.toFixed(1)}H${width - MARGIN.right}"/>` +
    `<text class="note" x="${box.x.toFixed(1)}" y="${box.y.toFixed(1)}">${escapeHtml(label)}</text>`
  );
}

/** The label of the slope stands along its lower half. */
function slopeLabel(x: Scale, y: Scale, foot: number, bandwidth: number, label: string): string {
  const middle = foot * 1.3;
  const [x0, y0] = [x.place(middle), y.place(middle * bandwidth)];
  const [x1, y1] = [x.place(middle * 10), y.place(middle * 10 * bandwidth)];
  const turn = Math.atan2(y1 - y0, x1 - x0);
  const angle = (turn * 180) / Math.PI;
  // Off the line by 6 pixels, at right angles to it.
  const [left, base] = [x0 + 6 * Math.sin(turn), y0 - 6 * Math.cos(turn)];
  return `<text class="note" transform="translate(${left.toFixed(1)} ${base.toFixed(1)}) rotate(${angle.toFixed(1)})">${escapeHtml(label)}</text>`;
}

/** Marks with labels; a label that would cover another one moves down. */
function labelled(points: readonly Point[], x: Scale, y: Scale, width: number, taken: Box[]): string[] {
  return points.map((point) => {
    const [px, py] = [x.place(point.intensity), y.place(Math.max(point.opsPerSecond, y.min))];
    const long = textWidth(point.name);
    const left = px + 10 + long < width - MARGIN.right ? px + 10 : px - 10 - long;
    let line = py + 4;
    const covers = (box: Box): boolean =>
      Math.abs(box.y - line) < LINE && left < box.x + box.width && box.x < left + long;
    while (taken.some(covers)) line += LINE;
    taken.push({ x: left, y: line, width: long });
    const name = point.whole ? point.name : `${point.name} in ${point.phase}`;
    const title = `${name}: ${quantity(point.opsPerSecond, 'op/s')} at ${quantity(point.intensity, 'op/B')}`;
    const mark = point.whole
      ? `<circle cx="${px.toFixed(1)}" cy="${py.toFixed(1)}" r="6" fill="var(--c-${point.phase})"/>`
      : `<circle class="hollow" cx="${px.toFixed(1)}" cy="${py.toFixed(1)}" r="4" stroke="var(--c-${point.phase})"/>`;
    return (
      `<g><title>${escapeHtml(title)}</title>${mark}` +
      `<text class="${point.whole ? 'whole' : 'part'}" x="${left.toFixed(1)}" y="${line.toFixed(1)}">${escapeHtml(point.name)}</text></g>`
    );
  });
}
