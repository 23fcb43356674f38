/**
 * An instruction on its way through a queue: everything that depends on the environment is read when it is
 * dispatched, because loop variables move on.
 */
import type { Access, Device, InstructionTiming, InstructionWork, ResolvedFields } from '@bitloom/ir';
import type { CompiledInstruction, Environment } from '../compiled-stream.js';
import type { BufferPorts, PortClaim } from './buffer-ports.js';
import type { TransferRuns } from './memory-channels.js';

export interface Pending {
  readonly instruction: CompiledInstruction;
  /** Cycle at which the dispatcher handed it over, and since when the dispatcher had worked without a break. */
  readyAt: number;
  dispatchSince: number;
  readonly timing: InstructionTiming;
  readonly work: InstructionWork;
  readonly accesses: readonly Access[];
  readonly claims: readonly PortClaim[];
  readonly runs: TransferRuns | undefined;
  readonly transferKind: number;
  /** Kept for an observer only: the run's own environment moves on. */
  readonly environment: Environment | undefined;
}

const TRANSFERS: ReadonlySet<string> = new Set(['LD', 'ST']);

function transferRuns(fields: ResolvedFields, side: 'src' | 'dst'): TransferRuns {
  return {
    start: fields.offset(side),
    length: fields.number('length'),
    count1: fields.number('count1'),
    stride1: fields.number(`${side}Stride1`),
    count2: fields.number('count2'),
    stride2: fields.number(`${side}Stride2`),
    channel: fields.channel(side),
  };
}

/** Reads an instruction's fields at `env`. */
export function resolvePending(
  instruction: CompiledInstruction,
  env: Environment,
  device: Device,
  ports: BufferPorts,
  isObserved: boolean,
): Pending {
  const fields = instruction.at(env);
  const { spec } = instruction;
  const accesses = spec.accesses(fields);
  const isTransfer = TRANSFERS.has(spec.name);
  return {
    instruction,
    readyAt: 0,
    dispatchSince: 0,
    timing: spec.timing(fields, device),
    work: spec.work(fields),
    accesses,
    claims: ports.claims(accesses),
    runs: isTransfer ? transferRuns(fields, spec.name === 'LD' ? 'src' : 'dst') : undefined,
    transferKind: isTransfer ? fields.number('kind') : 0,
    environment: isObserved ? env.slice() : undefined,
  };
}
