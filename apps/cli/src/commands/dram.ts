/** `bitloom dram`: access patterns on one channel of a DRAM part, command by command. */
import { dramBurstBytes } from '@bitloom/ir';
import { ACCESS_PATTERNS, type DramPatternResult, runDramPattern } from '@bitloom/simulator';
import { EXIT } from '../exit-codes.js';
import { loadDram } from '../input/load-dram.js';
import { quantity } from '../terminal/quantity.js';
import { formatColumns } from '../terminal/table.js';
import type { Terminal } from '../terminal/terminal.js';

export interface DramOptions {
  readonly device: string;
  readonly pattern: string;
  readonly requests: number;
  readonly queue: number;
  readonly outstanding?: number;
}

/** What stands for one pattern of each kind. */
const ALL = 'all';
/** Parameters of the patterns that `all` runs: strides and blocks in bytes, and streams. */
const PARAMETERS: Readonly<Record<string, string>> = { S: '4096', B: '4096', K: '4' };

/** @throws BitloomError `dram-unknown`, `dram-pattern`, and what reading a file of parts throws */
export async function dram(options: DramOptions, terminal: Terminal): Promise<number> {
  const parts = await loadDram(options.device);
  const patterns = options.pattern === ALL ? everyPattern() : [options.pattern];
  const { requests, queue, outstanding } = options;
  const progress = await terminal.progress('simulating');
  const total = parts.length * patterns.length;
  const results: DramPatternResult[] = [];
  try {
    for (const part of parts) {
      for (const pattern of patterns) {
        const before = results.length;
        results.push(
          runDramPattern(part, pattern, {
            requests,
            queue,
            ...(outstanding === undefined ? {} : { outstanding }),
            progress: (done, of) => progress.update(before + done / of, total),
          }),
        );
      }
    }
  } finally {
    progress.stop();
  }
  const isOne = results.length === 1 && options.device !== ALL && options.pattern !== ALL;
  if (terminal.json) terminal.document(isOne ? results[0] : results);
  else terminal.write(resultTable(results, terminal));
  if (!terminal.json && isOne)
    terminal.write(`requests of ${dramBurstBytes(parts[0])} bytes; ${parts[0].source}\n`);
  return EXIT.ok;
}

function everyPattern(): string[] {
  return ACCESS_PATTERNS.map((spelled) => spelled.replace(/[SBK](?=_|$)/, (letter) => PARAMETERS[letter]));
}

function resultTable(results: readonly DramPatternResult[], { out }: Terminal): string {
  return formatColumns(
    [
      { title: 'device' },
      { title: 'pattern' },
      { title: 'queue' },
      { title: 'requests', align: 'right' },
      { title: 'clocks', align: 'right' },
      { title: 'bandwidth', align: 'right' },
      { title: 'of peak', align: 'right' },
      { title: 'hits', align: 'right' },
      { title: 'misses', align: 'right' },
      { title: 'conflicts', align: 'right' },
      { title: 'refreshes', align: 'right' },
      { title: 'read latency', align: 'right' },
    ],
    results.map((one) => [
      out.style.accent(one.device),
      one.pattern,
      one.queue,
      String(one.requests),
      String(one.memoryCycles),
      quantity(one.bytesPerSecond, 'B/s'),
      `${one.percentOfPeak.toFixed(2)}%`,
      String(one.rowHits),
      String(one.rowMisses),
      String(one.rowConflicts),
      String(one.refreshes),
      one.meanReadLatencyCycles.toFixed(1),
    ]),
    out,
  );
}
