/**
 * The model artefact: named entry functions over shared constants and typed state. Plain data; weights live
 * in sections beside it, reached through a {@link SectionSource}, so a model may also be shape-only.
 */
import type { Expression } from '../expression.js';
import type { Numerics } from './numerics.js';
import type { TensorScheme } from './tensor-scheme.js';
import type { ValueType } from './types.js';

/** A length symbol with its bounds, e.g. `seq` (tokens of this call), `past` (tokens already cached). */
export interface SymbolDecl {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  /** Whether each batch slot has its own value. */
  readonly perSlot: boolean;
}

/** A named constant. `components` maps a part (`data`, or `codes`, `scales`) to its section; empty: shape-only. */
export interface ConstantDecl {
  readonly name: string;
  readonly type: ValueType;
  readonly components: Readonly<Record<string, string>>;
  /** How the codes of a quantised constant were chosen, where that is known. */
  readonly scheme?: TensorScheme;
}

/** State that outlives a call: KV cache, optimiser state, running statistics. Starts at zero. */
export interface StateDecl {
  readonly name: string;
  readonly type: ValueType;
  readonly purpose: 'kv-cache' | 'optimizer' | 'statistics' | 'parameter';
}

export type AttributeValue = number | string | boolean | readonly number[];

/** One operation. Inputs name constants, states, function inputs or outputs of earlier nodes. */
export interface GraphNode {
  readonly name: string;
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  /** Layer index, for attribution; absent outside of layers. */
  readonly layer?: number;
}

export interface ValueDecl {
  readonly name: string;
  readonly type: ValueType;
}

/** An entry: `prefill`, `decode`, `forward`, `backward`, `update`. */
export interface GraphFunction {
  readonly name: string;
  readonly inputs: readonly ValueDecl[];
  readonly outputs: readonly string[];
  readonly nodes: readonly GraphNode[];
  /** Symbols fixed for this entry, e.g. `seq = 1` in `decode`. */
  readonly bindings: Readonly<Record<string, Expression>>;
  /** State name -> value that replaces it when the call ends (in place). */
  readonly stateUpdates: Readonly<Record<string, string>>;
}

/** What a user of a language model needs beside the numbers. */
export interface TextInterface {
  /** Tokenizer record; `models` defines the kinds. */
  readonly tokenizer?: Readonly<Record<string, unknown>>;
  readonly chatTemplate?: string;
  readonly bosId?: number;
  readonly eosIds: readonly number[];
}

export interface Model {
  readonly kind: 'model';
  readonly name: string;
  /** Family, for people; nothing decides by it. */
  readonly family: string;
  readonly numerics: Numerics;
  readonly symbols: readonly SymbolDecl[];
  readonly constants: readonly ConstantDecl[];
  readonly states: readonly StateDecl[];
  readonly functions: readonly GraphFunction[];
  readonly text?: TextInterface;
  /** Facts for people, e.g. parameter count, source of a shape. Sorted keys, short values. */
  readonly metadata: Readonly<Record<string, string | number>>;
}

/** Random access to the raw bytes behind constants. Little-endian. */
export interface SectionSource {
  has(section: string): boolean;
  /** @throws BitloomError `section-missing` */
  byteLength(section: string): number;
  /** Bytes [offset, offset + length) of a section; a view that the caller must not write to. */
  read(section: string, offset?: number, length?: number): Uint8Array;
  /**
   * Fills `target` (which may lie in shared memory) from byte `offset` of a section, leaving no garbage behind. Absent
   * where that is no better than {@link SectionSource.read}; `fillFromSection` takes either way.
   */
  readInto?(section: string, offset: number, target: Uint8Array): void;
}

/** A model with its bytes. `sections` of a shape-only model has none. */
export interface ModelBundle {
  readonly model: Model;
  readonly sections: SectionSource;
}

export function isShapeOnly(model: Model): boolean {
  return model.constants.some((constant) => Object.keys(constant.components).length === 0);
}

/** The entry of that name, or undefined. */
export function findFunction(model: Model, name: string): GraphFunction | undefined {
  return model.functions.find((fn) => fn.name === name);
}
