/** `@bitloom/exploration/node`: a search on worker threads, with its results in a file. */
export { engineHash } from './node/engine-hash.js';
export { openStateFile, type StateFile } from './node/state-file.js';
export { openThreads, type Threads } from './node/threads.js';
