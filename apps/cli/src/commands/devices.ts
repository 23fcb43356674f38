/** `bitloom devices`: the cards in the box, or one card in full. */
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
  if (terminal.json) terminal.document(device);
  else terminal.write(printDevice(device));
  return EXIT.ok;
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
