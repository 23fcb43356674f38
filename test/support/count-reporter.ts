/**
 * Vitest reporter that closes a run with two lines: how many cases were skipped and why that matters, and plain
 * counts that a script can read (`tests: 12 passed, 0 failed, 3 skipped`). Runs beside the default reporter.
 */
import type { Reporter, TestModule } from 'vitest/node';
import { dataRoot, hasData } from './data.js';

/** Cases of a run by outcome. A file that failed to load counts as one failed case. */
export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** What is read of a finished test file; vitest's `TestModule` has it. */
export interface FinishedModule {
  ok(): boolean;
  children: { allTests(): Iterable<{ result(): { state: string } }> };
}

/** Counts the cases of the finished test files. */
export function countCases(modules: readonly FinishedModule[]): Counts {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  for (const module of modules) {
    let failedHere = 0;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === 'passed') counts.passed += 1;
      else if (state === 'skipped') counts.skipped += 1;
      else failedHere += 1;
    }
    // A module may fail outside any case: an import or a hook that throws.
    if (failedHere === 0 && !module.ok()) failedHere = 1;
    counts.failed += failedHere;
  }
  return counts;
}

/** The line about skipped cases, or undefined when there is nothing to say. */
export function skippedLine(skipped: number, dataPresent: boolean, dataFolder: string): string | undefined {
  if (skipped === 0) return undefined;
  const cases = skipped === 1 ? '1 case' : `${skipped} cases`;
  return dataPresent
    ? `${cases} skipped although the test data is there`
    : `${cases} skipped because there is no test data at ${dataFolder} (set BITLOOM_DATA)`;
}

export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const counts = countCases(modules);
    counts.failed += unhandledErrors.length;
    const line = skippedLine(counts.skipped, hasData, dataRoot);
    if (line !== undefined) process.stdout.write(`${line}\n`);
    process.stdout.write(
      `tests: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`,
    );
  }
}
