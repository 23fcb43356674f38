/** `@bitloom/models/node`: what needs a file system. */
export type { OpenModel } from './bundle.js';
export { fromDescriptor, openFile, openFolder } from './node/file-source.js';
export { type OpenOptions, openModel } from './node/open-model.js';
export { readTokenizerFile } from './node/open-tokenizer.js';
export { writeFolder } from './node/write-folder.js';
export { writeGguf } from './node/write-gguf.js';
