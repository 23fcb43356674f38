/**
 * A module: imports, functions, exports, encoded as a WebAssembly binary. Imports must be declared before the first
 * function, because they come first in the index space and indices are final once handed out.
 */
import { BitloomError, internalError } from '@bitloom/ir';
import { ByteWriter } from './binary.js';
import { checkType, type Expression, type Local, localExpression } from './expression.js';
import { FunctionBuilder, type FunctionReference } from './function-builder.js';
import type { MemoryDescriptor } from './host.js';
import { VALUE_TYPE_CODES, type ValueType } from './value-types.js';

/** Names and types of a function's parameters, in order. */
export type Parameters = Readonly<Record<string, ValueType>>;

/** The parameters of a function as locals, by name. */
export type ParameterLocals<P extends Parameters> = { readonly [K in keyof P]: Local<P[K]> };

const MAGIC = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
const SECTION = { custom: 0, type: 1, import: 2, function: 3, memory: 5, export: 7, code: 10 } as const;
const EXTERNAL = { function: 0, memory: 2 } as const;
const FUNCTION_TYPE = 0x60;
/** Subsections of the custom section `name`. */
const NAMES = { functions: 1, locals: 2 } as const;

interface Signature {
  readonly params: readonly ValueType[];
  readonly result: ValueType | undefined;
}

interface Import {
  readonly module: string;
  readonly name: string;
  /** Type index of a function; undefined for the memory. */
  readonly typeIndex: number | undefined;
}

/** Collects a module and encodes it. */
export class ModuleBuilder {
  readonly #types: Signature[] = [];
  readonly #imports: Import[] = [];
  /** Type index of each own function. */
  readonly #functions: number[] = [];
  readonly #code = new ByteWriter();
  readonly #exports: { name: string; kind: number; index: number }[] = [];
  readonly #functionNames: string[] = [];
  readonly #localNames: (readonly string[])[] = [];
  #importedFunctions = 0;
  #memory: { descriptor: MemoryDescriptor; imported: boolean } | undefined;

  /** Imports the module's memory. */
  importMemory(module: string, name: string, descriptor: MemoryDescriptor): void {
    this.#setMemory(descriptor, true);
    this.#imports.push({ module, name, typeIndex: undefined });
  }

  /** Defines the module's own memory, exported under `name`. */
  memory(name: string, descriptor: MemoryDescriptor): void {
    this.#setMemory(descriptor, false);
    this.#exports.push({ name, kind: EXTERNAL.memory, index: 0 });
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
    if (descriptor.shared === true && descriptor.maximum === undefined) {
      throw new BitloomError({
        code: 'wasm-memory',
        message: 'a shared memory needs a maximum',
        expected: 'maximum in pages',
        got: 'none',
      });
    }
    this.#memory = { descriptor, imported };
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
    this.#imports.push({ module, name, typeIndex: this.#typeIndex({ params, result }) });
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
      locals[paramName] = localExpression(types[index], index);
    });
    const value = body(f, locals as ParameterLocals<P>);
    if (result !== undefined && value !== undefined) checkType(`result of ${name}`, result, value);
    const index = this.#importedFunctions + this.#functions.length;
    this.#functions.push(this.#typeIndex({ params: types, result }));
    f.finish(this.#code, value);
    this.#functionNames.push(name);
    this.#localNames.push(f.localNames);
    if (exported) this.#exports.push({ name, kind: EXTERNAL.function, index });
    return { index, name, params: types, result };
  }

  #typeIndex(signature: Signature): number {
    const known = this.#types.findIndex(
      ({ params, result }) => result === signature.result && params.join() === signature.params.join(),
    );
    return known >= 0 ? known : this.#types.push(signature) - 1;
  }

  /**
   * The binary: magic, sections in order, and a custom section with the names of functions and locals.
   *
   * @param options.names false leaves the names out: smaller, where nobody will read the disassembly
   */
  toBytes(options: { names?: boolean } = {}): Uint8Array<ArrayBuffer> {
    const out = new ByteWriter();
    out.bytes(MAGIC);
    const section = (id: number, isEmpty: boolean, write: (part: ByteWriter) => void): void => {
      if (isEmpty) return;
      out.byte(id);
      out.sized(write);
    };
    section(SECTION.type, this.#types.length === 0, (part) => {
      part.vector(this.#types, ({ params, result }) => {
        part.byte(FUNCTION_TYPE);
        part.vector(params, (type) => part.byte(VALUE_TYPE_CODES[type]));
        part.vector(result === undefined ? [] : [result], (type) => part.byte(VALUE_TYPE_CODES[type]));
      });
    });
    section(SECTION.import, this.#imports.length === 0, (part) => {
      part.vector(this.#imports, ({ module, name, typeIndex }) => {
        part.name(module);
        part.name(name);
        part.byte(typeIndex === undefined ? EXTERNAL.memory : EXTERNAL.function);
        if (typeIndex === undefined) this.#writeMemory(part);
        else part.unsigned(typeIndex);
      });
    });
    section(SECTION.function, this.#functions.length === 0, (part) => {
      part.vector(this.#functions, (typeIndex) => part.unsigned(typeIndex));
    });
    section(SECTION.memory, this.#memory === undefined || this.#memory.imported, (part) => {
      part.unsigned(1);
      this.#writeMemory(part);
    });
    section(SECTION.export, this.#exports.length === 0, (part) => {
      part.vector(this.#exports, ({ name, kind, index }) => {
        part.name(name);
        part.byte(kind);
        part.unsigned(index);
      });
    });
    section(SECTION.code, this.#functions.length === 0, (part) => {
      part.unsigned(this.#functions.length);
      part.bytes(this.#code.written);
    });
    const nameless = options.names === false || this.#functionNames.length === 0;
    section(SECTION.custom, nameless, (part) => {
      part.name('name');
      part.byte(NAMES.functions);
      part.sized((names) => writeNames(names, this.#functionNames));
      part.byte(NAMES.locals);
      part.sized((names) => {
        names.vector(this.#localNames, (locals, index) => {
          names.unsigned(index);
          writeNames(names, locals);
        });
      });
    });
    return out.written.slice();
  }

  #writeMemory(out: ByteWriter): void {
    if (this.#memory === undefined) throw internalError('a memory is written that was never declared');
    const { initial, maximum, shared } = this.#memory.descriptor;
    out.byte((maximum === undefined ? 0 : 1) + (shared === true ? 2 : 0));
    out.unsigned(initial);
    if (maximum !== undefined) out.unsigned(maximum);
  }
}

/** A name map: index and name of each. */
function writeNames(out: ByteWriter, names: readonly string[]): void {
  out.vector(names, (name, index) => {
    out.unsigned(index);
    out.name(name);
  });
}
