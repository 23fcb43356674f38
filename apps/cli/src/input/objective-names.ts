/** What `--objectives` takes. Apart, so that help loads no search. */
import type { ObjectiveName } from '@bitloom/exploration';

export const OBJECTIVE_NAMES = [
  'tokensPerSecond',
  'joulesPerToken',
  'dsp',
  'prefillTokensPerSecond',
] as const satisfies readonly ObjectiveName[];
