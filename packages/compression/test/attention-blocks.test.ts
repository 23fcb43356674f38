/** Masks of blocks by rule: which blocks they show, and rules that say nothing. */
import { BitloomError } from '@bitloom/ir';
import { describe, expect, it } from 'vitest';
import { tinyModel } from '../../runtime/test/support/tiny-model.js';
import {
  type BlockMask,
  causalDensity,
  flightllmMask,
  localGlobalMask,
  maskAttention,
  maskByRule,
  maskFromRows,
} from '../src/index.js';

/** Blocks up to the own one, line by line. */
function lines({ seen, shape: [, rows, cols] }: BlockMask): string[] {
  return Array.from({ length: rows }, (_, row) => seen.subarray(row * cols, row * cols + row + 1).join(''));
}

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    return error instanceof BitloomError ? error.code : String(error);
  }
  return undefined;
}

describe("FlightLLM's mask", () => {
  it('has the published densities', () => {
    const mask = flightllmMask(4096);
    expect(mask.shape).toEqual([1, 64, 64]);
    const densities = [128, 256, 512, 1024, 2048].map((tokens) => causalDensity(mask, tokens));
    for (const [i, published] of [1, 0.97, 0.8, 0.53, 0.3].entries())
      expect(Math.abs(densities[i] - published)).toBeLessThan(0.031);
    // A row of blocks costs no more than those before it.
    const perRow = lines(mask).map((line) => line.replaceAll('0', '').length);
    expect(Math.max(...perRow)).toBeLessThanOrEqual(6);
  });

  it('shows every block itself, the first and the one before, and is the same for shorter contexts', () => {
    const long = lines(flightllmMask(4096));
    for (const [row, line] of long.entries()) {
      expect(line[0]).toBe('1');
      expect(line[row]).toBe('1');
      if (row > 0) expect(line[row - 1]).toBe('1');
    }
    expect(lines(flightllmMask(500))).toEqual(long.slice(0, 8));
  });
});

describe('rules', () => {
  it('name local and global blocks', () => {
    expect(maskByRule('flightllm', 300)).toEqual(flightllmMask(300));
    expect(maskByRule('local=4,global=1', 512)).toEqual(
      localGlobalMask(512, { block: 64, local: 4, global: 1 }),
    );
    expect(maskByRule('block=32, local=2', 512)).toEqual(
      localGlobalMask(512, { block: 32, local: 2, global: 0 }),
    );
  });

  it.each(['', 'local', 'global=1', 'local=1,local=2', 'local=-1', 'local=1;global=1', 'FlightLLM'])(
    "'%s' is none",
    (rule) => {
      expect(codeOf(() => maskByRule(rule, 64))).toBe('attention-blocks');
    },
  );
});

describe('written masks', () => {
  it('are lines of blocks', () => {
    const mask = maskFromRows({ block: 16, rows: ['1', '11', '011'] });
    expect(mask).toMatchObject({ block: [16, 16], shape: [1, 3, 3] });
    expect(lines(mask)).toEqual(['1', '11', '011']);
    expect(causalDensity(mask, 48)).toBeCloseTo(5 / 6);
    expect(maskAttention(tinyModel(), mask).model.constants.at(-1)?.name).toBe('attention.mask');
  });

  it.each([
    null,
    'rows',
    {},
    { block: 16 },
    { block: 0, rows: ['1'] },
    { block: 16, rows: [] },
    { block: 16, rows: ['2'] },
  ])('%j is none', (written) => {
    expect(codeOf(() => maskFromRows(written))).toBe('attention-blocks');
  });
});
