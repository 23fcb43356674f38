/**
 * A module: imports, functions, exports, encoded as a WebAssembly binary. Imports must be declared before the first
 * function, because they come first in the index space and indices are final once handed out.
 */
import { BitloomError } from '@bitloom/ir';
import { nameBytes, unsignedLeb, vectorBytes } from './binary.js';
import { checkType, type Expression, type Local } from './expression.js';
import { FunctionBuilder, type FunctionReference } from './function-builder.js';
import type { MemoryDescriptor } from './host.js';
import { CONTROL } from './opcodes.js';
import { VALUE_TYPE_CODES, type ValueType } from './value-types.js';

/** Names and types of a function's parameters, in order. */
export type Parameters = Readonly<Record<string, ValueType>>;

/** The parameters of a function as locals, by name. */
export type ParameterLocals<P extends Parameters> = { readonly [K in keyof P]: Local<P[K]> };

const MAGIC = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
const SECTION = { custom: 0, type: 1, import: 2, function: 3, memory: 5, export: 7, code: 10 } as const;
const EXTERNAL = { function: 0, memory: 2 } as const;

interface Signature {
  readonly params: readonly ValueType[];
  readonly result: ValueType | undefined;
}

/** Collects a module and encodes it. */
export class ModuleBuilder {
  readonly #types: string[] = [];
  readonly #typeBytes: number[][] = [];
  readonly #imports: number[][] = [];
  readonly #functions: { typeIndex: number; code: number[] }[] = [];
  readonly #exports: number[][] = [];
  readonly #functionNames: string[] = [];
  readonly #localNames: (readonly string[])[] = [];
  #importedFunctions = 0;
  #memory: { bytes: number[]; imported: boolean } | undefined;

  /** Imports the module's memory. */
  importMemory(module: string, name: string, descriptor: MemoryDescriptor): void {
    this.#setMemory(descriptor, true);
    this.#imports.push([...nameBytes(module), ...nameBytes(name), EXTERNAL.memory, ...limits(descriptor)]);
  }

  /** Defines the module's own memory, exported under `name`. */
  memory(name: string, descriptor: MemoryDescriptor): void {
    this.#setMemory(descriptor, false);
    this.#exports.push([...nameBytes(name), EXTERNAL.memory, 0]);
  }

  #setMemory(descriptor: MemoryDescriptor, imported: boolean): void {
    if (this.#memory !== undefined) {
      throw new BitloomError({
        code: 'wasm-memory',
        message: 'a module has one memory',
        expected: 'one importMemory or memory call',
        got: 'a second one',
      });
    }
    this.#memory = { bytes: limits(descriptor), imported };
  }

  /** Imports a function. */
  importFunction<const P extends readonly ValueType[], R extends ValueType | undefined>(
    module: string,
    name: string,
    params: P,
    result: R,
  ): FunctionReference<P, R> {
    if (this.#functions.length > 0) {
      throw new BitloomError({
        code: 'wasm-import-order',
        message: 'imports must be declared before the first function',
        where: `${module}.${name}`,
        expected: 'no functions yet',
        got: `${this.#functions.length} functions`,
      });
    }
    const typeIndex = this.#typeIndex({ params, result });
    this.#imports.push([
      ...nameBytes(module),
      ...nameBytes(name),
      EXTERNAL.function,
      ...unsignedLeb(typeIndex),
    ]);
    const index = this.#importedFunctions;
    this.#importedFunctions += 1;
    this.#functionNames.push(name);
    this.#localNames.push([]);
    return { index, name, params, result };
  }

  /**
   * Defines a function without a result. `body` writes it; parameters arrive as locals by name.
   *
   * @param options.export whether the function is exported under its name; default true
   */
  procedure<const P extends Parameters>(
    name: string,
    params: P,
    body: (f: FunctionBuilder, params: ParameterLocals<P>) => void,
    options: { export?: boolean } = {},
  ): FunctionReference<readonly ValueType[], undefined> {
    const run = (f: FunctionBuilder, locals: ParameterLocals<P>): undefined => {
      body(f, locals);
    };
    return this.#define(name, params, undefined, run, options.export ?? true);
  }

  /** Defines a function whose body returns the expression of its result. */
  function<const P extends Parameters, R extends ValueType>(
    name: string,
    params: P,
    result: R,
    body: (f: FunctionBuilder, params: ParameterLocals<P>) => Expression<R>,
    options: { export?: boolean } = {},
  ): FunctionReference<readonly ValueType[], R> {
    return this.#define(name, params, result, body, options.export ?? true);
  }

  #define<const P extends Parameters, R extends ValueType | undefined>(
    name: string,
    params: P,
    result: R,
    body: (f: FunctionBuilder, params: ParameterLocals<P>) => Expression | undefined,
    exported: boolean,
  ): FunctionReference<readonly ValueType[], R> {
    const names = Object.keys(params);
    const types = Object.values(params);
    const f = new FunctionBuilder(name, types, names);
    const locals: Record<string, Local> = {};
    names.forEach((paramName, index) => {
      locals[paramName] = { type: types[index], index, bytes: [CONTROL['local.get'], ...unsignedLeb(index)] };
    });
    const value = body(f, locals as ParameterLocals<P>);
    if (result !== undefined && value !== undefined) checkType(`result of ${name}`, result, value);
    const index = this.#importedFunctions + this.#functions.length;
    this.#functions.push({ typeIndex: this.#typeIndex({ params: types, result }), code: f.finish(value) });
    this.#functionNames.push(name);
    this.#localNames.push(f.localNames);
    if (exported) this.#exports.push([...nameBytes(name), EXTERNAL.function, ...unsignedLeb(index)]);
    return { index, name, params: types, result };
  }

  #typeIndex({ params, result }: Signature): number {
    const key = `${params.join()}>${result ?? ''}`;
    const known = this.#types.indexOf(key);
    if (known >= 0) return known;
    this.#types.push(key);
    this.#typeBytes.push([
      0x60,
      ...vectorBytes(params.map((type) => [VALUE_TYPE_CODES[type]])),
      ...vectorBytes(result === undefined ? [] : [[VALUE_TYPE_CODES[result]]]),
    ]);
    return this.#types.length - 1;
  }

  /** The binary: magic, sections in order, and a custom section with the names of functions and locals. */
  toBytes(): Uint8Array<ArrayBuffer> {
    const ownMemory = this.#memory !== undefined && !this.#memory.imported ? [this.#memory.bytes] : [];
    return Uint8Array.from([
      ...MAGIC,
      ...section(SECTION.type, vectorBytes(this.#typeBytes)),
      ...section(SECTION.import, vectorBytes(this.#imports)),
      ...section(
        SECTION.function,
        vectorBytes(this.#functions.map(({ typeIndex }) => unsignedLeb(typeIndex))),
      ),
      ...section(SECTION.memory, vectorBytes(ownMemory)),
      ...section(SECTION.export, vectorBytes(this.#exports)),
      ...section(SECTION.code, vectorBytes(this.#functions.map(({ code }) => code))),
      ...section(SECTION.custom, [...nameBytes('name'), ...this.#names()]),
    ]);
  }

  #names(): number[] {
    const indexed = (names: readonly string[]): number[] =>
      vectorBytes(names.map((name, i) => [...unsignedLeb(i), ...nameBytes(name)]));
    const locals = vectorBytes(this.#localNames.map((names, i) => [...unsignedLeb(i), ...indexed(names)]));
    return [...section(1, indexed(this.#functionNames)), ...section(2, locals)];
  }
}

/** A section; an empty vector is left out. */
function section(id: number, body: readonly number[]): number[] {
  return body.length === 1 && body[0] === 0 ? [] : [id, ...unsignedLeb(body.length), ...body];
}

function limits({ initial, maximum, shared }: MemoryDescriptor): number[] {
  if (shared === true && maximum === undefined) {
    throw new BitloomError({
      code: 'wasm-memory',
      message: 'a shared memory needs a maximum',
      expected: 'maximum in pages',
      got: 'none',
    });
  }
  const flags = (maximum === undefined ? 0 : 1) + (shared === true ? 2 : 0);
  return [flags, ...unsignedLeb(initial), ...(maximum === undefined ? [] : unsignedLeb(maximum))];
}
