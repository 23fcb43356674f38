/** Shared helpers of the tests. */
import { BitloomError } from '../../src/index.js';

/** The BitloomError that `run` throws; anything else fails the test. */
export function errorOf(run: () => unknown): BitloomError {
  try {
    run();
  } catch (error) {
    if (error instanceof BitloomError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** Runs a reader on bytes that may be anything: it must finish with a value or a BitloomError. */
export function survives(run: () => unknown): boolean {
  try {
    run();
    return true;
  } catch (error) {
    if (error instanceof BitloomError && error.code !== 'internal') return false;
    throw error;
  }
}
