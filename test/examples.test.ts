/** Every program under examples/ runs from the packages' sources; what it prints is checked where it is a claim. */
import { readdirSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { format } from 'node:util';
import { expect, test, vi } from 'vitest';
import { fromRoot } from './support/workspace.js';

/** Lines an example prints. */
async function printed(file: string): Promise<string[]> {
  const lines: string[] = [];
  const log = vi.spyOn(console, 'log').mockImplementation((...values: unknown[]) => {
    lines.push(...format(...values).split('\n'));
  });
  try {
    await import(pathToFileURL(fromRoot('examples', file)).href);
  } finally {
    log.mockRestore();
  }
  return lines;
}

/** What must hold of the output. An example without an entry here fails: say what it shows. */
const CLAIMS: Readonly<Record<string, (lines: readonly string[]) => void>> = {
  'a-card-of-your-own.ts': (lines) => expect(lines[0]).toContain('half-u280'),
  'quantise-a-matrix.ts': ([size, error]) => {
    expect(size).toBe('3200 bytes of float32 become 464');
    expect(Number(/noise ([\d.]+) dB/.exec(error)?.[1])).toBeGreaterThan(15);
  },
  'speak-from-a-card.ts': ([card, host]) => expect(card.replace('card', 'host')).toBe(host),
  'what-would-it-cost.ts': (lines) => {
    expect(lines).toHaveLength(2);
    for (const line of lines)
      expect(line).toMatch(/^[\w-]+: [1-9]\d* token\/s and [1-9]\d* mJ\/token simulated/);
  },
};

test.each(readdirSync(fromRoot('examples')))(
  'examples/%s',
  async (file) => {
    const lines = await printed(file);
    expect(Object.keys(CLAIMS)).toContain(file);
    CLAIMS[file](lines);
  },
  60_000,
);
