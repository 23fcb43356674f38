/**
 * The program artefact: instruction streams for a device, the memory image they expect, the expressions
 * their fields refer to, and the frames that virtualisation moves. Plain data.
 */
import type { Expression } from '../expression.js';
import type { SymbolDecl } from '../model/graph.js';
import type { Numerics } from '../model/numerics.js';
import type { FieldValue, QueueName, SpaceName } from './instruction-fields.js';

/** One instruction. Absent fields are zero. Masks are sets of queues. */
export interface Instruction {
  readonly name: string;
  readonly queue: QueueName;
  readonly wait: readonly QueueName[];
  readonly release: readonly QueueName[];
  readonly fields: Readonly<Record<string, FieldValue>>;
  /** Index into the program's provenance table. */
  readonly origin: number;
}

/** Where an instruction comes from, so that every cycle can be attributed. */
export interface Provenance {
  readonly node: string;
  readonly op: string;
  /** Layer index, or -1 outside of layers. */
  readonly layer: number;
  readonly tile: string;
}

/** A byte range of a memory with what must stand there before the first call. */
export interface Region {
  readonly name: string;
  readonly space: SpaceName;
  readonly channel: number;
  readonly offset: number;
  readonly bytes: number;
  readonly purpose: 'weights' | 'kv' | 'input' | 'output' | 'table' | 'scratch';
  /** How the bytes come about: from a constant of the model in a layout, or zeros. */
  readonly contents:
    | { readonly from: 'zeros' }
    | {
        readonly from: 'constant';
        readonly constant: string;
        readonly component: string;
        readonly layout: string;
      };
}

/** A descriptor the runtime writes before a call: base registers of a slot. */
export interface RegisterDecl {
  readonly index: number;
  readonly name: string;
  readonly doc: string;
  /** Page table in memory, where the register is paged. */
  readonly pageTable?: { readonly pageBytes: number; readonly entries: number };
}

/** A value that crosses the border of an entry. */
export interface Port {
  readonly name: string;
  readonly region: string;
  readonly dtype: 'i32' | 'f32';
  readonly shape: readonly Expression[];
}

/** A live byte range at a frame border. */
export interface LiveRange {
  readonly space: SpaceName;
  readonly start: number;
  readonly end: number;
  readonly name: string;
}

/** A group of instructions that can be moved as one: a fused group of a layer, or a tile of it. */
export interface Frame {
  readonly name: string;
  readonly layer: number;
  readonly tile: string;
  /** Range of instructions in the stream, and the core it runs on. */
  readonly core: number;
  readonly first: number;
  readonly count: number;
  /** Token counters at entry, by `from>to`; absent pairs are zero. */
  readonly entryTokens: Readonly<Record<string, number>>;
  readonly live: readonly LiveRange[];
  /** Loads that may be issued before entry, and those issued for the next frame. Indices in the stream. */
  readonly entryPrefetch: readonly number[];
  readonly exitPrefetch: readonly number[];
  /** Address fields to patch when the frame moves: instruction index and field name. */
  readonly relocations: readonly { readonly instruction: number; readonly field: string }[];
}

/** Instructions of `cores` cores from `core` on (1 when absent), which read the symbol `core` as their own number. */
export interface Stream {
  readonly core: number;
  readonly cores?: number;
  readonly instructions: readonly Instruction[];
}

/** One entry of the program: `prefill`, `decode`, ... */
export interface ProgramEntry {
  readonly name: string;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** Bounds of the symbols while this entry runs, e.g. seq 1..1 in decode. */
  readonly symbols: readonly SymbolDecl[];
  readonly streams: readonly Stream[];
  readonly frames: readonly Frame[];
}

export interface Program {
  readonly kind: 'program';
  readonly name: string;
  readonly instructionSet: string;
  /** SHA-256 of the model's header and sections, hex; of the header only when it is shape-only. */
  readonly modelHash: string;
  readonly shapeOnly: boolean;
  readonly device: string;
  readonly deviceHash: string;
  readonly numerics: Numerics;
  /** Batch slots: symbols and registers are indexed by slot. */
  readonly slots: number;
  /** Longest context the memory image has room for. */
  readonly capacity: number;
  readonly registers: readonly RegisterDecl[];
  readonly regions: readonly Region[];
  readonly entries: readonly ProgramEntry[];
  readonly provenance: readonly Provenance[];
  /** Notes for people: ragged paddings, fall-backs, tiles chosen. */
  readonly notes: readonly string[];
}

/** Symbol that stands for the number of the core that executes an instruction. */
export const CORE_SYMBOL = 'core';

/** Number of each core that executes a stream. */
export function coresOf({ core, cores = 1 }: Stream): readonly number[] {
  return Array.from({ length: cores }, (_, i) => core + i);
}

/** Name of a loop variable in expressions. */
export function loopVariable(index: number): string {
  return `i${index}`;
}
