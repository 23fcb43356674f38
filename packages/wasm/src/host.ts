/**
 * A typed door to the engine's own `WebAssembly` object: compile, instantiate, make a memory.
 * Node's type declarations leave that object out, and the browser library would bring the whole DOM with it.
 * It adds no behaviour; what the engine throws passes through.
 */

/** A linear memory. `buffer` is a new object after each growth; views on the old one keep their old length. */
export interface WasmMemory {
  readonly buffer: ArrayBuffer | SharedArrayBuffer;
  /** Adds `pages` of 64 KiB and returns the former size in pages. Throws a RangeError past the maximum. */
  grow(pages: number): number;
}

/** Compiled code, without state; may be posted to a worker. */
export type WasmModule = object;

/** Limits of a memory, in pages of 64 KiB. */
export interface MemoryDescriptor {
  readonly initial: number;
  readonly maximum?: number;
  /** A shared memory can be posted to workers; it needs a maximum. */
  readonly shared?: boolean;
}

/** A function exported by a module of numbers: no references cross the border. */
export type WasmFunction = (...args: number[]) => number;

interface WebAssemblyApi {
  readonly Module: new (bytes: Uint8Array) => WasmModule;
  readonly Instance: new (
    module: WasmModule,
    imports: Record<string, Record<string, unknown>>,
  ) => { readonly exports: Record<string, unknown> };
  readonly Memory: new (descriptor: MemoryDescriptor) => WasmMemory;
  readonly validate: (bytes: Uint8Array) => boolean;
}

declare const WebAssembly: WebAssemblyApi;

/** Makes a linear memory. */
export function createMemory(descriptor: MemoryDescriptor): WasmMemory {
  return new WebAssembly.Memory(descriptor);
}

/** Compiles a binary synchronously; the engine's CompileError passes through. */
export function compileModule(bytes: Uint8Array): WasmModule {
  return new WebAssembly.Module(bytes);
}

/** Links a compiled module with its imports and returns what it exports, by name. */
export function instantiateModule(
  module: WasmModule,
  imports: Record<string, Record<string, unknown>> = {},
): Record<string, unknown> {
  return new WebAssembly.Instance(module, imports).exports;
}

/** Whether the engine accepts the binary as well typed. */
export function validateModule(bytes: Uint8Array): boolean {
  return WebAssembly.validate(bytes);
}
