/**
 * One vitest project for the whole repository: worker threads without isolation, which is several times faster
 * than a project per package and needs tests free of global state. Packages resolve to their sources through the
 * `@bitloom/source` export condition, so tests need no build.
 */
import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

const conditions = ['@bitloom/source', 'module', 'node', 'import', 'default'];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    include: ['packages/*/test/**/*.test.ts', 'apps/*/test/**/*.test.ts', 'test/**/*.test.ts'],
    reporters: ['default', './test/support/count-reporter.ts'],
    pool: 'threads',
    // On two cores the default is one worker; tests that wait for processes leave half the machine idle then.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    isolate: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
