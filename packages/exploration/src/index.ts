/** `@bitloom/exploration`: searches card configurations within a resource budget. Threads and files are behind `./node`. */
export { type DesignSpace, type Dimension, designSpace, deviceOf, type Settings } from './design-space.js';
export { evaluateDesign, type Workload } from './evaluate-design.js';
export {
  type Design,
  designKey,
  type EvaluatedDesign,
  type Exploration,
  type ExploreOptions,
  explore,
  type MeasuredDesign,
} from './explore.js';
export { KNOBS, type Knob, type Setting } from './knobs.js';
export {
  DEFAULT_OBJECTIVES,
  type Failure,
  type Measures,
  OBJECTIVES,
  type ObjectiveName,
  type Outcome,
  objectiveVector,
} from './outcome.js';
export { dominates, paretoFront, type Vector } from './pareto.js';
