/** `@bitloom/wasm`: a small WebAssembly encoder and a disassembler. It knows nothing of tensors. */
export * from './host.js';
