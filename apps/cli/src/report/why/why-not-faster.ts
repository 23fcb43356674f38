/**
 * Why a part of a run takes as long as it does: its stretch of the critical path by reason, the longest first, with the
 * ops and layers concerned, what else was going on, and what would change it. Shares are of the part, and what no reason
 * names is kept, so that they sum to one.
 */
import { type Device, type PhaseReport, peakBytesPerSecond, type Trace } from '@bitloom/ir';
import { criticalPath, type PathSegment } from '@bitloom/simulator';
import { peakMacsPerCycle } from '../machine-peak.js';
import { type Between, memoryMoved, unitBusy } from './busy-index.js';
import { REASONS, type Reason } from './reasons.js';

/** Cycles on the path with the name of an op or layer. */
export interface NamedCycles {
  readonly name: string;
  readonly cycles: number;
}

export interface WhyItem {
  readonly id: string;
  readonly title: string;
  readonly cycles: number;
  /** Of the part, 0 to 1. */
  readonly share: number;
  /** Ops of it, or the parts of its one op, and layers; the longest first. */
  readonly ops: readonly NamedCycles[];
  readonly layers: readonly NamedCycles[];
  /** Shares of peak or time meanwhile, see {@link Reason.beside}. */
  readonly memoryUse: number | undefined;
  readonly matrixUse: number;
  readonly productUse: number;
  readonly beside: Reason['beside'];
  readonly hint: string;
}

export interface WhyNotFaster {
  /** Cycles of the part that the trace covers. */
  readonly cycles: number;
  readonly items: readonly WhyItem[];
}

/** Asked for the phase and the cycles of the trace at which it stands. */
export type WhyOf = (phase: PhaseReport, from: number, to: number) => WhyNotFaster;

interface Group {
  readonly reason: Reason;
  readonly op: string;
  cycles: number;
  moved: number;
  matrix: number;
  readonly ops: Map<string, number>;
  readonly layers: Map<string, number>;
}

/** Walks the path once; the parts are asked for after that. */
export function whyNotFaster(trace: Trace, device: Device): WhyOf {
  const { segments } = criticalPath(trace);
  const busy = Array.from({ length: device.cores }, (_, core) => unitBusy(trace, core, 'matrix'));
  // The memory that moved most stands for all.
  const memories = trace.memories.map((series) => ({
    space: series.space,
    moved: memoryMoved(series),
    total: series.bytes.reduce((sum, bytes) => sum + bytes, 0),
  }));
  const main = memories.sort((a, b) => b.total - a.total)[0];
  const decl = device.memories.find(({ space }) => space === main?.space);
  const peakPerCycle = decl === undefined ? 0 : peakBytesPerSecond(decl) / trace.clockHz;
  const nothing: Between = () => 0;
  return (phase, from, to) => {
    const groups = collect(trace, segments, from, to, main?.moved ?? nothing, busy);
    const cycles = Math.max(0, to - from);
    const covered = [...groups.values()].reduce((sum, group) => sum + group.cycles, 0);
    const productUse = productShare(phase, device);
    const items = [...groups.values()]
      .sort((a, b) => b.cycles - a.cycles)
      .map((group): WhyItem => {
        const about = {
          memoryUse: peakPerCycle > 0 ? group.moved / (peakPerCycle * group.cycles) : undefined,
          matrixUse: group.matrix / group.cycles,
          productUse,
          memoryLimit: decl?.efficiency ?? 1,
          groupBarrier: device.dispatcher.groupBarriers ? device.dispatcher.barrierCycles : undefined,
        };
        const { reason, op } = group;
        return {
          id: reason.byOp === true ? `${reason.id} ${op}` : reason.id,
          title: reason.title.replace('{memory}', main?.space.toUpperCase() ?? 'Memory').replace('{op}', op),
          cycles: group.cycles,
          share: group.cycles / cycles,
          ops: named(group.ops),
          layers: named(group.layers),
          memoryUse: about.memoryUse,
          matrixUse: about.matrixUse,
          productUse,
          beside: reason.beside,
          hint: reason.hint(about),
        };
      });
    const rest = cycles - covered;
    return { cycles, items: rest > 0 ? [...items, tail(rest, cycles)] : items };
  };
}

function collect(
  trace: Trace,
  segments: readonly PathSegment[],
  from: number,
  to: number,
  moved: Between,
  busy: readonly Between[],
): Map<string, Group> {
  const { provenance, units } = trace;
  const groups = new Map<string, Group>();
  for (const { unit, core, origin, cause, start, end } of segments) {
    const [low, high] = [Math.max(from, start), Math.min(to, end)];
    if (high <= low) continue;
    const { op, layer, tile } = provenance[origin] ?? { op: 'unknown', layer: -1, tile: '' };
    const reason = REASONS.find(
      (one) =>
        (one.units?.includes(units[unit]) ?? true) &&
        one.causes.includes(cause) &&
        (one.ops?.includes(op) ?? true),
    );
    const found = reason ?? otherReason(units[unit]);
    const key = found.byOp === true ? `${found.id} ${op}` : found.id;
    const group: Group = groups.get(key) ?? {
      reason: found,
      op,
      cycles: 0,
      moved: 0,
      matrix: 0,
      ops: new Map(),
      layers: new Map(),
    };
    groups.set(key, group);
    const cycles = high - low;
    group.cycles += cycles;
    group.moved += moved(low, high);
    group.matrix += busy[core]?.(low, high) ?? 0;
    const part = found.byOp === true ? tilePart(tile, op) : op;
    group.ops.set(part, (group.ops.get(part) ?? 0) + cycles);
    const name = layer < 0 ? 'outside of layers' : String(layer);
    group.layers.set(name, (group.layers.get(name) ?? 0) + cycles);
  }
  return groups;
}

/** What a tile does, without the numbers that tell it from others: `softmax of key heads 0..10` is a softmax. */
function tilePart(tile: string, op: string): string {
  const words = tile.replace(/[\s,]*\d.*$/, '').trim();
  return words === '' ? op : words;
}

/** Of a unit that no rule knows. */
function otherReason(unit: string): Reason {
  return {
    id: `other ${unit}`,
    units: [unit],
    causes: [],
    title: `Unit ${unit}`,
    beside: 'matrix',
    hint: () => 'Choose a stretch of it in the timeline to see what it waits for.',
  };
}

/** What is left of a part behind its last instruction. */
function tail(cycles: number, all: number): WhyItem {
  return {
    id: 'tail',
    title: 'Last results arriving',
    cycles,
    share: cycles / all,
    ops: [],
    layers: [],
    memoryUse: undefined,
    matrixUse: 0,
    productUse: 0,
    beside: 'nothing',
    hint: 'Paid once per step.',
  };
}

function productShare(phase: PhaseReport, device: Device): number {
  return phase.cycles === 0 ? 0 : phase.macs / (peakMacsPerCycle(device) * phase.cycles);
}

const named = (cycles: Map<string, number>): NamedCycles[] =>
  [...cycles].map(([name, own]) => ({ name, cycles: own })).sort((a, b) => b.cycles - a.cycles);
