/** What is known of a design once it was compiled and timed, as plain data, and what a search may look for in it. */
import type { ResourceBudget } from '@bitloom/ir';

/** Figures of one prefill and one decode step behind it. */
export interface Measures {
  readonly prefillSeconds: number;
  readonly prefillTokensPerSecond: number;
  /** Of one decode step that reads the cache of the prefill. */
  readonly decodeSeconds: number;
  readonly tokensPerSecond: number;
  /** Of decode. */
  readonly joulesPerToken: number;
}

/** Why a design cannot run the model: the compiler's own error. */
export interface Failure {
  readonly code: string;
  readonly message: string;
}

export type Outcome =
  | { readonly measures: Measures; readonly failure?: undefined }
  | { readonly failure: Failure; readonly measures?: undefined };

interface Objective {
  readonly title: string;
  readonly isMore: boolean;
  readonly of: (measures: Measures, resources: ResourceBudget) => number;
}

/** What a design may be better in. */
export const OBJECTIVES = {
  tokensPerSecond: { title: 'decode token/s', isMore: true, of: (m) => m.tokensPerSecond },
  joulesPerToken: { title: 'J/token', isMore: false, of: (m) => m.joulesPerToken },
  dsp: { title: 'DSP', isMore: false, of: (_, resources) => resources.dsp },
  prefillTokensPerSecond: {
    title: 'prefill token/s',
    isMore: true,
    of: (m) => m.prefillTokensPerSecond,
  },
} as const satisfies Record<string, Objective>;

export type ObjectiveName = keyof typeof OBJECTIVES;

/** What is searched for where nothing else is asked. */
export const DEFAULT_OBJECTIVES: readonly ObjectiveName[] = ['tokensPerSecond', 'joulesPerToken', 'dsp'];

/** A design's place in the Pareto order: each objective, turned so that smaller is better. */
export function objectiveVector(
  measures: Measures,
  resources: ResourceBudget,
  objectives: readonly ObjectiveName[],
): readonly number[] {
  return objectives.map((name) => {
    const objective: Objective = OBJECTIVES[name];
    const value = objective.of(measures, resources);
    return objective.isMore ? -value : value;
  });
}
