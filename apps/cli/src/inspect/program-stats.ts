/** What a program is made of, counted: instructions by entry, queue and name; the memory image by purpose. */
import { type Program, QUEUES, type QueueName } from '@bitloom/ir';

export interface ProgramStats {
  readonly instructions: readonly {
    readonly entry: string;
    readonly queue: string;
    readonly name: string;
    readonly count: number;
  }[];
  readonly memory: readonly {
    readonly space: string;
    readonly purpose: string;
    readonly regions: number;
    readonly bytes: number;
  }[];
}

export function programStats(program: Program): ProgramStats {
  const instructions = program.entries.flatMap((entry) => {
    const counts = new Map<string, { entry: string; queue: QueueName; name: string; count: number }>();
    for (const { instructions: list } of entry.streams) {
      for (const { queue, name } of list) {
        const key = `${queue} ${name}`;
        const row = counts.get(key) ?? { entry: entry.name, queue, name, count: 0 };
        row.count += 1;
        counts.set(key, row);
      }
    }
    const place = (queue: QueueName): number => QUEUES.indexOf(queue);
    return [...counts.values()].sort((a, b) => place(a.queue) - place(b.queue) || b.count - a.count);
  });
  const image = new Map<string, { space: string; purpose: string; regions: number; bytes: number }>();
  for (const { space, purpose, bytes } of program.regions) {
    const key = `${space} ${purpose}`;
    const row = image.get(key) ?? { space, purpose, regions: 0, bytes: 0 };
    row.regions += 1;
    row.bytes += bytes;
    image.set(key, row);
  }
  return { instructions, memory: [...image.values()].sort((a, b) => b.bytes - a.bytes) };
}
