/** `bitloom devices`: the cards in the box, or one card in full with what it takes of its FPGA. */
import { estimateResources, RESOURCE_KINDS, resourceNotes } from '@bitloom/compiler';
import { CARDS, type Device, peakBytesPerSecond, printDevice } from '@bitloom/ir';
import { EXIT } from '../exit-codes.js';
import { loadDevice } from '../input/load-device.js';
import { requireWritable } from '../output/require-writable.js';
import { quantity } from '../terminal/quantity.js';
import { formatColumns } from '../terminal/table.js';
import type { Terminal } from '../terminal/terminal.js';

export interface DevicesOptions {
  readonly output?: string;
}

export async function devices(
  name: string | undefined,
  options: DevicesOptions,
  terminal: Terminal,
): Promise<number> {
  if (name === undefined && options.output === undefined) {
    if (terminal.json) terminal.document(CARDS);
    else terminal.write(deviceTable(CARDS, terminal));
    return EXIT.ok;
  }
  requireWritable(options.output, [name]);
  const device = await loadDevice(name ?? 'u280');
  if (options.output !== undefined) {
    const { writeDevice } = await import('@bitloom/ir/node');
    writeDevice(options.output, device);
    terminal.log(`wrote ${options.output}`);
  }
  // A device file again: readers ignore what they do not know, the estimate here.
  if (terminal.json) terminal.document({ ...device, resourceEstimate: estimateResources(device) });
  else terminal.write(`${printDevice(device)}${resourceTable(device, terminal)}`);
  return EXIT.ok;
}

/** What each part of a card takes, the budget and its share. */
function resourceTable(device: Device, { out }: Terminal): string {
  const { parts, total } = estimateResources(device);
  const row = (name: string, cell: (kind: (typeof RESOURCE_KINDS)[number]) => string): string[] => [
    name,
    ...RESOURCE_KINDS.map(cell),
  ];
  const table = formatColumns(
    [
      { title: 'part' },
      ...RESOURCE_KINDS.map((kind) => ({ title: kind.toUpperCase(), align: 'right' as const })),
    ],
    [
      ...parts.map((part) => row(part.name, (kind) => (part[kind] === 0 ? '' : String(part[kind])))),
      row('total', (kind) => String(total[kind])),
      row('budget', (kind) => String(device.resources[kind])),
      row('share', (kind) => `${((100 * total[kind]) / device.resources[kind]).toFixed(1)} %`),
    ],
    out,
  );
  const notes = resourceNotes(device).map((note) => `${note}\n`);
  return `resources, all cores, as our model estimates them before synthesis\n${table}${notes.join('')}`;
}

function deviceTable(cards: readonly Device[], { out }: Terminal): string {
  const products = ({ m, n, k }: Device['matrix']['mm']): string => String(m * n * k);
  return formatColumns(
    [
      { title: 'device' },
      { title: 'clock', align: 'right' },
      { title: 'MM products/cycle', align: 'right' },
      { title: 'MV products/cycle', align: 'right' },
      { title: 'lanes', align: 'right' },
      { title: 'memory' },
      { title: 'what it is' },
    ],
    cards.map((card) => [
      out.style.accent(card.name),
      quantity(card.clockHz, 'Hz'),
      products(card.matrix.mm),
      products(card.matrix.mv),
      String(card.vector.lanes),
      card.memories
        .map((memory) => `${memory.kind} ${quantity(peakBytesPerSecond(memory), 'B/s')}`)
        .join(', '),
      card.title,
    ]),
    out,
  );
}
