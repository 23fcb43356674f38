/** What the instructions of a run add up to, as plain arrays; goes into the counters when the run is over. */
import { type Device, QUEUES, SPACES } from '@bitloom/ir';
import { addBytes, addMemoryBytes, type Counters, costOf } from './counters.js';
import type { InstructionShape } from './instruction-shape.js';

const QUEUE_COUNT = QUEUES.length;

export class RunTotals {
  private readonly device: Device;
  /** Shapes that were executed; each counts how often. */
  private readonly shapes: InstructionShape[] = [];
  /** By origin and queue; by origin. */
  private readonly originCycles: Float64Array;
  private readonly originMacs: Float64Array;
  private readonly originBytes: Float64Array;
  private readonly isMet: Uint8Array;

  /** @param origins one past the largest provenance index */
  constructor(device: Device, origins: number) {
    this.device = device;
    this.originCycles = new Float64Array(origins * QUEUE_COUNT);
    this.originMacs = new Float64Array(origins);
    this.originBytes = new Float64Array(origins);
    this.isMet = new Uint8Array(origins);
  }

  /** One instruction, or as many like it as `weight` says. */
  add(shape: InstructionShape, origin: number, weight: number): void {
    if (shape.executions === 0) this.shapes.push(shape);
    shape.executions += weight;
    this.isMet[origin] = 1;
    this.originMacs[origin] += weight * shape.work.macs;
    if (shape.memory >= 0) this.originBytes[origin] += weight * shape.memoryBytes;
  }

  /** Cycles for which instructions of an origin kept a unit busy. */
  worked(queue: number, origin: number, busy: number): void {
    this.originCycles[origin * QUEUE_COUNT + queue] += busy;
  }

  /** Divides what was counted for a group of origins among them equally. */
  spread(group: readonly number[]): void {
    const even = (values: Float64Array, step: number, offset: number): void => {
      const sum = group.reduce((all, origin) => all + values[origin * step + offset], 0);
      for (const origin of group) values[origin * step + offset] = sum / group.length;
    };
    for (let q = 0; q < QUEUE_COUNT; q++) even(this.originCycles, QUEUE_COUNT, q);
    even(this.originMacs, 1, 0);
    even(this.originBytes, 1, 0);
    for (const origin of group) this.isMet[origin] = 1;
  }

  /** Leaves the shapes uncounted, for a run that failed. */
  forget(): void {
    for (const shape of this.shapes) shape.executions = 0;
  }

  /** Adds everything to `counters`, and leaves the shapes uncounted for the next run. */
  addTo(counters: Counters): void {
    const { memories } = this.device;
    for (const shape of this.shapes) {
      const { executions, work, trafficSpaces, trafficBytes, memory, memoryBytes, transferKind } = shape;
      counters.macs += executions * work.macs;
      counters.vectorElements += executions * work.vectorElements;
      trafficSpaces.forEach((space, i) => {
        if (trafficBytes[i] > 0) addBytes(counters, SPACES[space], executions * trafficBytes[i]);
      });
      if (memory >= 0)
        addMemoryBytes(counters, memories[memory].space, transferKind, executions * memoryBytes);
      shape.executions = 0;
    }
    this.isMet.forEach((met, origin) => {
      if (met === 0) return;
      const cost = costOf(counters, origin);
      for (let q = 0; q < QUEUE_COUNT; q++) cost.cycles[q] += this.originCycles[origin * QUEUE_COUNT + q];
      cost.macs += this.originMacs[origin];
      cost.memoryBytes += this.originBytes[origin];
    });
  }
}
