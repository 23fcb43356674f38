/** Shared helper of the tests. */
import { BitloomError } from '@bitloom/ir';

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
