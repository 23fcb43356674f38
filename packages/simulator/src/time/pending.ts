/**
 * An instruction on its way through a queue: everything that depends on the environment is read when it is
 * dispatched, because loop variables move on.
 */
import type {
  Access,
  Device,
  InstructionTiming,
  InstructionWork,
  ResolvedFields,
  SpaceName,
} from '@bitloom/ir';
import type { CompiledInstruction, Environment } from '../compiled-stream.js';
import type { BufferPorts, PortClaim } from './buffer-ports.js';
import type { TransferRuns } from './memory-channels.js';

/** Bytes an instruction moves through a space. */
export interface Traffic {
  readonly space: SpaceName;
  readonly bytes: number;
}

export interface Pending {
  readonly instruction: CompiledInstruction;
  /** Cycle at which the dispatcher handed it over, and since when the dispatcher had worked without a break. */
  readyAt: number;
  dispatchSince: number;
  readonly timing: InstructionTiming;
  readonly work: InstructionWork;
  readonly accesses: readonly Access[];
  readonly claims: readonly PortClaim[];
  /** Bytes by space. */
  readonly traffic: readonly Traffic[];
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

/** What an instruction costs, whatever its addresses are. */
interface Shape {
  readonly numbers: Float64Array;
  readonly timing: InstructionTiming;
  readonly work: InstructionWork;
  readonly claims: readonly PortClaim[];
  readonly traffic: readonly Traffic[];
}

function trafficOf(accesses: readonly Access[]): Traffic[] {
  const out: { space: SpaceName; bytes: number }[] = [];
  for (const { space, bytes } of accesses) {
    const known = out.find((entry) => entry.space === space);
    if (known === undefined) out.push({ space, bytes });
    else known.bytes += bytes;
  }
  return out;
}

/** Makes pending instructions of one run. Consecutive executions mostly differ in addresses only. */
export class PendingFactory {
  private readonly device: Device;
  private readonly ports: BufferPorts;
  private readonly isObserved: boolean;
  private readonly shapes = new Map<CompiledInstruction, Shape>();

  constructor(device: Device, ports: BufferPorts, isObserved: boolean) {
    this.device = device;
    this.ports = ports;
    this.isObserved = isObserved;
  }

  /** Reads an instruction's fields at `env`. */
  make(instruction: CompiledInstruction, env: Environment): Pending {
    const fields = instruction.at(env);
    const { spec } = instruction;
    const accesses = spec.accesses(fields);
    const shape = this.shape(instruction, env, fields, accesses);
    const isTransfer = TRANSFERS.has(spec.name);
    return {
      instruction,
      readyAt: 0,
      dispatchSince: 0,
      timing: shape.timing,
      work: shape.work,
      accesses,
      claims: shape.claims,
      traffic: shape.traffic,
      runs: isTransfer ? transferRuns(fields, spec.name === 'LD' ? 'src' : 'dst') : undefined,
      transferKind: isTransfer ? fields.number('kind') : 0,
      environment: this.isObserved ? env.slice() : undefined,
    };
  }

  private shape(
    instruction: CompiledInstruction,
    env: Environment,
    fields: ResolvedFields,
    accesses: readonly Access[],
  ): Shape {
    const known = this.shapes.get(instruction);
    const { varyingNumbers } = instruction;
    if (known !== undefined) {
      let i = 0;
      while (i < varyingNumbers.length && varyingNumbers[i](env) === known.numbers[i]) i++;
      if (i === varyingNumbers.length) return known;
    }
    const shape: Shape = {
      numbers: Float64Array.from(varyingNumbers, (read) => read(env)),
      timing: instruction.spec.timing(fields, this.device),
      work: instruction.spec.work(fields),
      claims: this.ports.claims(accesses),
      traffic: trafficOf(accesses),
    };
    this.shapes.set(instruction, shape);
    return shape;
  }
}
