/** The chain model, for whoever wants to hold another model of the machine against it. */
export { type ChainBlock, type ChainTile, chainBlock } from './chain-block.js';
export { type ChainResult, ChainSimulator } from './chain-simulator.js';
export { accumulate, dotOfThree, FIELD_BITS, type Fields, packActivations, splitFields } from './dsp48.js';
export { type PackedTile, runTile, type TileResult } from './run-tile.js';
