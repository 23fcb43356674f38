/**
 * Turns counters into the report artefact: seconds, joules, utilisation, and the split by layer and op.
 */
import {
  BitloomError,
  type CostRow,
  type Device,
  type EnergySplit,
  type InstructionBytes,
  type MemoryReport,
  type PhaseReport,
  type Program,
  type Provenance,
  peakBytesPerSecond,
  QUEUES,
  type Report,
  type UnitReport,
} from '@bitloom/ir';
import { addCounters, type Counters, UNIT_QUEUES } from './time/counters.js';

/** Units of each core: exchanges only where there are several. */
function unitNames(device: Device): (typeof UNIT_QUEUES)[number][] {
  return UNIT_QUEUES.filter((name) => name !== 'exchange' || device.cores > 1);
}

function unitReports(device: Device, counters: Counters): UnitReport[] {
  const names = unitNames(device);
  return Array.from({ length: device.cores }, (_, core) =>
    names.map((name): UnitReport => {
      const { busy, idle, ...stall } = counters.units[core * QUEUES.length + QUEUES.indexOf(name)];
      return { name, core, busy, idle, stall, total: counters.cycles };
    }),
  ).flat();
}

function memoryReports(device: Device, counters: Counters, seconds: number): MemoryReport[] {
  return device.memories.map((memory) => {
    const {
      weights = 0,
      kv = 0,
      activations = 0,
      instructions = 0,
      other = 0,
    } = counters.memories.get(memory.space) ?? {};
    const total = weights + kv + activations + instructions + other;
    const peak = peakBytesPerSecond(memory);
    return {
      name: memory.space,
      kind: memory.kind,
      bytes: { weights, kv, activations, instructions, other, total },
      peakBytesPerSecond: peak,
      utilization: seconds > 0 ? total / (peak * seconds) : 0,
    };
  });
}

/**
 * That a byte of every space has a figure, as the schema of devices demands: one built in code may lack it, and joules
 * without it would look like joules.
 *
 * @throws BitloomError `simulator-energy`
 */
export function checkEnergy({ name, energy, memories, buffers }: Device): void {
  const spaces = [...memories, ...buffers].map(({ space }) => space);
  const without = spaces.filter((space) => !Number.isFinite(energy.bytePicojoules[space]));
  if (without.length === 0) return;
  throw new BitloomError({
    code: 'simulator-energy',
    message: 'the card does not say what a byte costs in energy',
    where: `device '${name}', energy.bytePicojoules`,
    expected: `picojoules per byte of ${spaces.join(', ')}`,
    got: `none of ${without.join(', ')}`,
    hint: 'give each space a figure; 0 leaves it out of the joules',
  });
}

/** Of a device that {@link checkEnergy} has seen. */
function energySplit(device: Device, counters: Counters, seconds: number): EnergySplit {
  const { energy } = device;
  const joules = (picojoules: number): number => picojoules * 1e-12;
  const spaces: Record<string, number> = {};
  let [buffers, memories] = [0, 0];
  for (const { space } of [...device.memories, ...device.buffers]) {
    const memory = counters.memories.get(space);
    const bytes = (counters.bytes.get(space) ?? 0) + (memory?.instructions ?? 0);
    spaces[space] = joules(bytes * energy.bytePicojoules[space]);
    if (memory === undefined) buffers += spaces[space];
    else memories += spaces[space];
  }
  return {
    matrix: joules(counters.macs * energy.macPicojoules),
    vector: joules(counters.vectorElements * energy.vectorElementPicojoules),
    buffers,
    memories,
    static: energy.staticWatts * seconds,
    spaces,
  };
}

function costRows(
  device: Device,
  counters: Counters,
  provenance: readonly Provenance[],
  key: (p: Provenance) => { name: string; layer: number },
): CostRow[] {
  const rows = new Map<
    string,
    { name: string; layer: number; cycles: Record<string, number>; macs: number; memoryBytes: number }
  >();
  for (const [origin, cost] of counters.costs) {
    const from = provenance[origin];
    if (from === undefined) continue;
    const { name, layer } = key(from);
    const row = rows.get(name) ?? { name, layer, cycles: {}, macs: 0, memoryBytes: 0 };
    for (const unit of unitNames(device))
      row.cycles[unit] = (row.cycles[unit] ?? 0) + (cost.cycles[QUEUES.indexOf(unit)] ?? 0);
    row.macs += cost.macs;
    row.memoryBytes += cost.memoryBytes;
    rows.set(name, row);
  }
  return [...rows.values()].sort((a, b) => a.layer - b.layer || (a.name < b.name ? -1 : 1));
}

function phaseReport(
  name: PhaseReport['name'],
  device: Device,
  program: Program,
  counters: Counters,
): PhaseReport {
  const seconds = counters.cycles / device.clockHz;
  const energy = energySplit(device, counters, seconds);
  return {
    name,
    seconds,
    cycles: counters.cycles,
    tokens: counters.tokens,
    joules: energy.matrix + energy.vector + energy.buffers + energy.memories + energy.static,
    energy,
    macs: counters.macs,
    instructions: counters.instructions,
    units: unitReports(device, counters),
    memories: memoryReports(device, counters, seconds),
    layers: costRows(device, counters, program.provenance, ({ layer }) => ({
      name: layer < 0 ? 'outside' : `layer ${layer}`,
      layer,
    })),
    ops: costRows(device, counters, program.provenance, ({ op }) => ({ name: op, layer: -1 })),
  };
}

export interface ReportParts {
  readonly program: Program;
  readonly device: Device;
  readonly model: string;
  readonly prefill: Counters;
  readonly decode: Counters;
  readonly total: Counters;
  readonly prefillTokens: number;
  readonly decodeTokens: number;
  readonly instructionBytes: InstructionBytes;
  readonly mode: Report['mode'];
  /** What else people should know of how the figures came about. */
  readonly notes?: readonly string[];
}

/** Builds the report; `total` must be empty counters of the same device and is filled here. */
export function buildReport(parts: ReportParts): Report {
  const { program, device, prefill, decode, total } = parts;
  addCounters(total, prefill);
  addCounters(total, decode);
  const phases = [
    phaseReport('prefill', device, program, prefill),
    phaseReport('decode', device, program, decode),
    phaseReport('total', device, program, total),
  ];
  const [prefillPhase, decodePhase, totalPhase] = phases;
  const decodeSeconds = decodePhase?.seconds ?? 0;
  const notes = [...program.notes, ...(parts.notes ?? [])];
  if (device.lumpedSlrs > 1)
    notes.push(`${device.lumpedSlrs} SLRs of '${device.name}' are lumped into one core`);
  if (device.calibration.timeDivisor !== 1)
    notes.push(`'${device.name}' divides compute cycles by ${device.calibration.timeDivisor}`);
  for (const fitted of device.calibration.fitted) notes.push(`'${fitted.field}' was fitted on ${fitted.on}`);
  return {
    kind: 'report',
    model: parts.model,
    device: device.name,
    scheme: program.numerics.scheme,
    clockHz: device.clockHz,
    prefillTokens: parts.prefillTokens,
    decodeTokens: parts.decodeTokens,
    mode: parts.mode,
    totals: {
      prefillSeconds: prefillPhase?.seconds ?? 0,
      decodeSeconds,
      decodeTokensPerSecond: decodeSeconds > 0 ? parts.decodeTokens / decodeSeconds : 0,
      joules: totalPhase?.joules ?? 0,
      joulesPerToken: parts.decodeTokens > 0 ? (decodePhase?.joules ?? 0) / parts.decodeTokens : 0,
      instructionBytes: parts.instructionBytes,
    },
    phases,
    units: totalPhase?.units ?? [],
    memories: totalPhase?.memories ?? [],
    notes,
  };
}
