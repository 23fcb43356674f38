/** `@bitloom/models/node`: what needs a file system. */
export { fromDescriptor, openFile, openFolder } from './node/file-source.js';
