/** `@bitloom/compiler`: graph x device -> program. It executes nothing. */
export { type CompileOptions, compile } from './compile.js';
export {
  type ChooseTile,
  chooseWeightTile,
  type MatrixShape,
  splitInner,
  tiledCycles,
  type WeightTile,
} from './cost.js';
export { bucketLengths, type CallLengths, exactInstructions, fixedProgram } from './fixed-lengths.js';
export { type FusedGroup, fusePairs, groupNodes } from './fusion.js';
export { ExactLengths, instructionBytes, programBytes } from './instruction-bytes.js';
export {
  checkResources,
  estimateResources,
  RESOURCE_KINDS,
  type ResourceEstimate,
  type ResourceExcess,
  type ResourceKind,
  type ResourcePart,
  resourceExcess,
  resourceNotes,
} from './resources/resources.js';
