/** What a program holds, without its instructions. */
import { formatExpression, type Port, type Program, streamBytes } from '@bitloom/ir';
import { type ProgramStats, programStats } from './program-stats.js';

export interface ProgramSummary extends ProgramStats {
  readonly kind: 'program';
  readonly name: string;
  readonly instructionSet: string;
  readonly device: string;
  readonly deviceHash: string;
  readonly modelHash: string;
  readonly scheme: string;
  readonly shapeOnly: boolean;
  /** Whether the file holds the model too, so that it can be run by itself. */
  readonly weights: boolean;
  readonly context: number;
  readonly slots: number;
  readonly entries: readonly {
    readonly name: string;
    readonly inputs: readonly string[];
    readonly outputs: readonly string[];
    readonly instructions: number;
    readonly bytes: number;
    readonly frames: number;
  }[];
  readonly regions: Program['regions'];
  readonly notes: readonly string[];
}

export function programSummary(program: Program, weights: boolean): ProgramSummary {
  return {
    kind: 'program',
    name: program.name,
    instructionSet: program.instructionSet,
    device: program.device,
    deviceHash: program.deviceHash,
    modelHash: program.modelHash,
    scheme: program.numerics.scheme,
    shapeOnly: program.shapeOnly,
    weights,
    context: program.capacity,
    slots: program.slots,
    entries: program.entries.map(({ name, inputs, outputs, streams, frames }) => ({
      name,
      inputs: inputs.map(portText),
      outputs: outputs.map(portText),
      instructions: streams.reduce((sum, { instructions }) => sum + instructions.length, 0),
      bytes: streams.reduce((sum, { instructions }) => sum + streamBytes(instructions), 0),
      frames: frames.length,
    })),
    ...programStats(program),
    regions: program.regions,
    notes: program.notes,
  };
}

function portText({ name, dtype, shape }: Port): string {
  return `${name} ${dtype}[${shape.map(formatExpression).join(', ')}]`;
}
