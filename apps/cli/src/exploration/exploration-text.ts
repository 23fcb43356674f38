/** What a search found, for people: the front as a table, what was refused, what did not run. */
import { RESOURCE_KINDS } from '@bitloom/compiler';
import type { Exploration, MeasuredDesign, ObjectiveName } from '@bitloom/exploration';
import type { Device } from '@bitloom/ir';
import { count } from '../terminal/quantity.js';
import { type Column, formatColumns } from '../terminal/table.js';
import type { Channel } from '../terminal/terminal.js';

/** What was asked. */
export interface ExplorationAbout {
  readonly model: string;
  readonly scheme: string;
  readonly budget: string;
  readonly limit: number;
  readonly prefill: number;
  readonly seed: number;
  readonly objectives: readonly ObjectiveName[];
}

interface Cell {
  readonly column: Column;
  readonly of: (design: MeasuredDesign, base: Device) => string;
}

const right = (title: string, of: Cell['of']): Cell => ({ column: { title, align: 'right' }, of });

const CELLS: readonly Cell[] = [
  { column: { title: 'card' }, of: ({ device }) => device.name },
  right('token/s', ({ measures }) => measures.tokensPerSecond.toFixed(2)),
  right('mJ/token', ({ measures }) => (1000 * measures.joulesPerToken).toFixed(1)),
  right('DSP', ({ resources }) => String(resources.dsp)),
  right('prefill token/s', ({ measures }) => measures.prefillTokensPerSecond.toFixed(1)),
  right('cores', ({ device }) => String(device.cores)),
  right('MM', ({ device: { matrix } }) => `${matrix.mm.m}x${matrix.mm.k}x${matrix.mm.n}`),
  right('MV', ({ device: { matrix } }) => `${matrix.mv.m}x${matrix.mv.k}x${matrix.mv.n}`),
  right('keeps', ({ device: { matrix } }) => matrix.keeps.join(',')),
  right('lanes', ({ device: { vector } }) => `${vector.lanes}/${vector.exponentLanes || vector.lanes}`),
  ...RESOURCE_KINDS.map((kind) =>
    right(`${kind.toUpperCase()} %`, ({ resources }, base) =>
      ((100 * resources[kind]) / base.resources[kind]).toFixed(0),
    ),
  ),
];

export function explorationText(
  exploration: Exploration,
  about: ExplorationAbout,
  base: Device,
  out: Pick<Channel, 'style'>,
): string {
  const { front, designs } = exploration;
  const { model, scheme, budget, limit, prefill, seed } = about;
  const head = `${model} in ${scheme} within ${Math.round(100 * limit)}% of ${budget}: prefill ${prefill}, one decode step behind it, seed ${seed}\n\n`;
  const table = formatColumns(
    CELLS.map(({ column }) => column),
    front.map((design) =>
      CELLS.map(({ of }, i) => (i === 0 ? out.style.accent(of(design, base)) : of(design, base))),
    ),
    out,
  );
  const facts = [
    `${front.length} of ${count(designs.length)} designs on the front of ${about.objectives.join(', ')}`,
    ...sentences(exploration),
  ];
  return `${head}${table}\n${facts.map((line) => `${line}\n`).join('')}`;
}

/** What the search did not time. */
function sentences({ refused, failures, reused, isExhausted }: Exploration): string[] {
  const { proposals, byResource } = refused;
  const lacking = RESOURCE_KINDS.filter((kind) => byResource[kind] > 0);
  const lacks = lacking.map((kind) => `${kind.toUpperCase()} ${count(byResource[kind])}`).join(', ');
  const codes = Object.entries(failures).map(([code, times]) => `${code} ${times}`);
  return [
    ...(proposals === 0 ? [] : [`${count(proposals)} proposals did not fit: ${lacks}`]),
    ...(codes.length === 0 ? [] : [`did not run: ${codes.join(', ')}`]),
    ...(reused === 0 ? [] : [`${count(reused)} outcomes from the state file`]),
    ...(isExhausted ? ['nothing new was found; the search ended early'] : []),
  ];
}
