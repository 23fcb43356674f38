/**
 * Instruction drafts: what op emitters write down before tokens are inserted. A draft knows the byte ranges
 * it touches; a loop draft is one block whose inside is ordered by its own rings.
 */
import type { Expression, FieldValue, LiveRange, QueueName, SpaceName } from '@bitloom/ir';

/** A static byte range that a draft may touch, whatever the lengths. */
export interface Touch {
  readonly space: SpaceName;
  readonly start: number;
  readonly end: number;
  readonly write: boolean;
}

export interface InstructionDraft {
  readonly kind: 'instruction';
  readonly name: string;
  readonly queue: QueueName;
  readonly fields: Readonly<Record<string, FieldValue>>;
  readonly touches: readonly Touch[];
  /** Ring tokens; the token pass adds the others. */
  readonly ringWait: readonly QueueName[];
  readonly ringRelease: readonly QueueName[];
  readonly origin: number;
}

export interface LoopDraft {
  readonly kind: 'loop';
  readonly variable: number;
  readonly trips: Expression;
  readonly body: readonly InstructionDraft[];
  readonly origin: number;
}

/** A point where something of the stream's structure stands: the start of a frame. */
export interface FrameMark {
  readonly kind: 'frame';
  readonly name: string;
  readonly layer: number;
  readonly live: readonly LiveRange[];
}

/** A point that all queues of a core reach before any goes on. */
export interface BarrierMark {
  readonly kind: 'barrier';
}

export type Draft = InstructionDraft | LoopDraft | FrameMark | BarrierMark;
