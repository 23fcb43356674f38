/**
 * What the figures rest on: where the card's numbers come from, what was fitted to a published figure, what a published
 * card claims beyond our own arithmetic, and the notes of the run.
 */
import type { Device, EnergyTable, Report } from '@bitloom/ir';
import { groupNotes } from '../terminal/notes.js';
import { share } from '../terminal/quantity.js';
import { escapeHtml } from './html.js';

export function basisSection(report: Report, device: Device): string {
  const { calibration, memories, energy, lumpedSlrs } = device;
  const facts: [term: string, text: string][] = [
    ['card', device.title],
    ['source', device.source],
    [
      'published',
      calibration.published
        ? 'yes: what does not fit by our own resource model is noted, not refused'
        : 'no: the configuration is ours',
    ],
    ...calibration.fitted.map(({ field, on }): [string, string] => ['fitted', `${field}; on ${on}`]),
    ...(calibration.fitted.length === 0 ? [['fitted', 'nothing'] as [string, string]] : []),
    ...(calibration.timeDivisor === 1
      ? []
      : [
          ['divided', `times of compute by ${calibration.timeDivisor}, in place of more SLRs`] as [
            string,
            string,
          ],
        ]),
    ...(lumpedSlrs === 1 ? [] : [['lumped', `${lumpedSlrs} SLRs into one core`] as [string, string]]),
    ...memories
      .filter(({ efficiency }) => efficiency !== 1)
      .map(({ space, efficiency, scatteredEfficiency }): [string, string] => [
        'efficiency',
        `channels of ${space}: ${share(efficiency)} of what the DRAM model leaves${scatteredEfficiency === undefined ? '' : `, ${share(scatteredEfficiency)} where runs lie apart`}; set by the card`,
      ]),
    ['energy', energy.source],
    ...energyFigures(energy).flatMap(([key, figure]): [string, string][] =>
      energy.sources[key] === undefined ? [] : [['energy', `${figure}: ${energy.sources[key]}`]],
    ),
  ];
  const list = facts.map(([term, text]) => `<dt>${escapeHtml(term)}</dt><dd>${escapeHtml(text)}</dd>`);
  const notes = groupNotes(report.notes).map((note) => `<li>${escapeHtml(note)}</li>`);
  const noted = notes.length === 0 ? '' : `<h3>Notes of the run</h3><ul>${notes.join('')}</ul>`;
  return `<dl class="facts">${list.join('')}</dl>${noted}`;
}

/** Every figure of the table by the key of its source. */
function energyFigures(energy: EnergyTable): readonly (readonly [key: string, figure: string])[] {
  return [
    ['product', `a product ${energy.macPicojoules} pJ`],
    ['vectorElement', `an element of a vector op ${energy.vectorElementPicojoules} pJ`],
    ...Object.entries(energy.bytePicojoules).map(
      ([space, value]) => [space, `a byte of ${space} ${value} pJ`] as const,
    ),
    ['static', `at rest ${energy.staticWatts} W`],
  ];
}
