/** The list "why not faster" as HTML: the floors of a phase, then each reason with its bar, its figures and its hint. */
import type { Device, PhaseReport } from '@bitloom/ir';
import { bytes, count, quantity, share } from '../../terminal/quantity.js';
import { escapeHtml } from '../html.js';
import { peakMacsPerCycle } from '../machine-peak.js';
import type { NamedCycles, WhyItem, WhyNotFaster } from './why-not-faster.js';

/** Reasons below this share are summed in one line. */
const SMALL = 0.005;

/** @param recorded what part of the phase the list is of, where it is not of all */
export function whySection(
  why: WhyNotFaster,
  phase: PhaseReport,
  device: Device,
  recorded: string | undefined,
): string {
  const large = why.items.filter((item) => item.share >= SMALL);
  const small = why.items.filter((item) => item.share < SMALL);
  const items = large.map((item) => reason(item, device));
  if (small.length > 0) items.push(rest(small));
  return `<p>${escapeHtml(floors(phase, device))}</p><p>${escapeHtml(chain(recorded))}</p><ol class="why">${items.join('\n')}</ol>`;
}

/** What memory and products alone would take, and how far the phase is from it. */
function floors(phase: PhaseReport, device: Device): string {
  const parts = phase.memories
    .filter((memory) => memory.bytes.total > 0)
    .map((memory) => ({
      name: `its ${bytes(memory.bytes.total)} at the peak of ${memory.name}`,
      seconds: memory.bytes.total / memory.peakBytesPerSecond,
    }));
  parts.push({
    name: `its ${quantity(phase.macs, 'MAC', 3)} at the peak of the matrix engine`,
    seconds: phase.macs / (peakMacsPerCycle(device) * device.clockHz),
  });
  parts.sort((a, b) => b.seconds - a.seconds);
  const shown = parts
    .slice(0, 2)
    .map(
      ({ name, seconds }) => `${name} take ${quantity(seconds, 's', 3)} (${share(seconds, phase.seconds)})`,
    );
  return `The ${phase.name === 'total' ? 'run' : phase.name} takes ${quantity(phase.seconds, 's')}. Alone, ${shown.join(', ')}.`;
}

function chain(recorded: string | undefined): string {
  const what = 'The chain of instructions that waited for each other from beginning to end';
  return recorded === undefined ? `${what}, by what it did:` : `${what} of ${recorded}, by what it did:`;
}

function reason(item: WhyItem, device: Device): string {
  const about = [
    `${quantity(item.cycles / device.clockHz, 's', 3)}, ${count(item.cycles)} cycles`,
    beside(item),
    opsText(item),
    layersText(item.layers),
  ].filter((text) => text !== '');
  const width = (100 * Math.min(1, item.share)).toFixed(2);
  return `<li><b class="part">${share(item.share)}</b><div><h3>${escapeHtml(item.title)}</h3><div class="bar" aria-hidden="true"><i style="width:${width}%;background:var(--accent)"></i></div><p>${escapeHtml(about.join('; '))}.</p><p class="hint">${escapeHtml(item.hint)}</p></div></li>`;
}

function beside({ beside: what, memoryUse, matrixUse, productUse }: WhyItem): string {
  if (what === 'memory') return memoryUse === undefined ? '' : `at ${share(memoryUse)} of the peak`;
  if (what === 'products') return `products of the whole phase at ${share(productUse)} of the peak`;
  if (what === 'matrix')
    return matrixUse < 0.05 ? 'the matrix engine waits' : `the matrix engine works ${share(matrixUse)} of it`;
  return '';
}

function opsText({ ops, cycles, title }: WhyItem): string {
  const shown = ops.filter((op) => op.cycles >= 0.05 * cycles).slice(0, 4);
  if (shown.length === 0) return '';
  if (shown.length === 1 && ops.length === 1)
    return title.endsWith(shown[0].name) ? '' : `in ${shown[0].name}`;
  return `in ${shown.map((op) => `${op.name} ${share(op.cycles, cycles)}`).join(', ')}`;
}

/** Layers that stand out; where they are alike, only how many there are. */
function layersText(layers: readonly NamedCycles[]): string {
  const inside = layers.filter(({ name }) => name !== 'outside of layers');
  const outside = layers.find(({ name }) => name === 'outside of layers');
  const all = layers.reduce((sum, { cycles }) => sum + cycles, 0);
  const texts: string[] = [];
  if (inside.length > 0) {
    const mean = inside.reduce((sum, { cycles }) => sum + cycles, 0) / inside.length;
    const high = inside.filter(({ cycles }) => cycles > 1.5 * mean).slice(0, 3);
    texts.push(
      inside.length === 1
        ? `layer ${inside[0].name}`
        : high.length === 0
          ? `${inside.length} layers alike`
          : `${inside.length} layers, most in ${high.map(({ name }) => name).join(', ')}`,
    );
  }
  if (outside !== undefined && outside.cycles >= 0.05 * all) {
    texts.push(`${share(outside.cycles, all)} outside of layers`);
  }
  return texts.join(', ');
}

function rest(items: readonly WhyItem[]): string {
  const cycles = items.reduce((sum, item) => sum + item.share, 0);
  const names = items
    .filter(({ share: own }) => own >= 5e-5)
    .map(({ title, share: own }) => `${title} ${(100 * own).toFixed(2)}%`);
  return `<li><b class="part">${share(cycles)}</b><div><h3>Less than ${share(SMALL)} each</h3><p class="hint">${escapeHtml(names.join(', '))}</p></div></li>`;
}
