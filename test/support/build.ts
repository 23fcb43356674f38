/**
 * Builds the packages for tests that run what is published. One at a time: two workers that find a stale `dist` at
 * once would write it over one another.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { repositoryRoot } from './data.js';

/** Longest that a build may hold the lock; an older lock was left by a process that was killed. */
const STALE_MILLISECONDS = 5 * 60_000;

/** Builds every package; one that is fresh costs a moment. */
export function buildPackages(): void {
  const release = takeLock();
  try {
    const turbo = resolve(repositoryRoot, 'node_modules', '.bin', 'turbo');
    const result = spawnSync(turbo, ['run', 'build', '--output-logs=errors-only'], {
      cwd: repositoryRoot,
      encoding: 'utf8',
      env: { ...process.env, TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1' },
      shell: process.platform === 'win32',
    });
    if (result.status !== 0) throw new Error(`the build failed\n${result.stdout}\n${result.stderr}`);
  } finally {
    release();
  }
}

/** A folder is made by one process only, whoever else tries. */
function takeLock(): () => void {
  const out = join(repositoryRoot, 'out');
  const lock = join(out, 'build.lock');
  mkdirSync(out, { recursive: true });
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (;;) {
    try {
      mkdirSync(lock);
      return () => rmSync(lock, { recursive: true, force: true });
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
    const age = Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (age > STALE_MILLISECONDS) rmSync(lock, { recursive: true, force: true });
    Atomics.wait(pause, 0, 0, 100);
  }
}
