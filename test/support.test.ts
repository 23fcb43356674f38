/** The repository's own test helpers: what they count and what they read out of a README must be right too. */
import { expect, test } from 'vitest';
import { countCases, type FinishedModule, skippedLine } from './support/count-reporter.js';
import { promisedOutput } from './support/snippets.js';

/** A finished test file with cases in the given states. */
function moduleWith(ok: boolean, states: readonly string[]): FinishedModule {
  const tests = states.map((state) => ({ result: () => ({ state }) }));
  return { ok: () => ok, children: { allTests: () => tests } };
}

test('counts cases by outcome, and a file that does not load as one failure', () => {
  const modules = [
    moduleWith(true, ['passed', 'passed', 'skipped']),
    moduleWith(false, ['passed', 'failed', 'skipped']),
    moduleWith(false, []),
  ];
  expect(countCases(modules)).toEqual({ passed: 3, failed: 2, skipped: 2 });
});

test('says why cases were skipped', () => {
  expect(skippedLine(0, false, '/data')).toBeUndefined();
  expect(skippedLine(1, false, '/data')).toBe(
    '1 case skipped because there is no test data at /data (set BITLOOM_DATA)',
  );
  expect(skippedLine(2, true, '/data')).toBe('2 cases skipped although the test data is there');
});

test('reads the output that a README block promises', () => {
  expect(promisedOutput('console.log(1);\n')).toBeUndefined();
  expect(promisedOutput('console.log(1); // => 1\nconsole.log("a\\nb");\n// => a\n// => b\n')).toBe(
    '1\na\nb',
  );
});
