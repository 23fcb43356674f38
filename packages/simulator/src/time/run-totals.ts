/** What the instructions of a run add up to, as plain arrays; goes into the counters when the run is over. */
import { type Device, QUEUES, SPACES, TRANSFER_KINDS } from '@bitloom/ir';
import { addBytes, addMemoryBytes, type Counters, costOf } from './counters.js';
import type { InstructionShape } from './instruction-shape.js';

const QUEUE_COUNT = QUEUES.length;
const KIND_COUNT = TRANSFER_KINDS.length;

export class RunTotals {
  private readonly device: Device;
  private macs = 0;
  private vectorElements = 0;
  /** By space; by memory and kind; by origin and queue; by origin. */
  private readonly bytes = new Float64Array(SPACES.length);
  private readonly memoryBytes: Float64Array;
  private readonly originCycles: Float64Array;
  private readonly originMacs: Float64Array;
  private readonly originBytes: Float64Array;
  private readonly isMet: Uint8Array;

  /** @param origins one past the largest provenance index */
  constructor(device: Device, origins: number) {
    this.device = device;
    this.memoryBytes = new Float64Array(device.memories.length * KIND_COUNT);
    this.originCycles = new Float64Array(origins * QUEUE_COUNT);
    this.originMacs = new Float64Array(origins);
    this.originBytes = new Float64Array(origins);
    this.isMet = new Uint8Array(origins);
  }

  /** One execution that kept its unit busy for `busy` cycles. */
  add(shape: InstructionShape, queue: number, origin: number, busy: number): void {
    const { work, trafficSpaces, trafficBytes, memory } = shape;
    this.isMet[origin] = 1;
    this.originCycles[origin * QUEUE_COUNT + queue] += busy;
    this.macs += work.macs;
    this.originMacs[origin] += work.macs;
    this.vectorElements += work.vectorElements;
    for (let i = 0; i < trafficSpaces.length; i++) this.bytes[trafficSpaces[i]] += trafficBytes[i];
    if (memory < 0) return;
    this.memoryBytes[memory * KIND_COUNT + shape.transferKind] += shape.memoryBytes;
    this.originBytes[origin] += shape.memoryBytes;
  }

  addTo(counters: Counters): void {
    counters.macs += this.macs;
    counters.vectorElements += this.vectorElements;
    SPACES.forEach((space, i) => {
      if (this.bytes[i] > 0) addBytes(counters, space, this.bytes[i]);
    });
    this.device.memories.forEach(({ space }, memory) => {
      for (let kind = 0; kind < KIND_COUNT; kind++) {
        addMemoryBytes(counters, space, kind, this.memoryBytes[memory * KIND_COUNT + kind]);
      }
    });
    this.isMet.forEach((met, origin) => {
      if (met === 0) return;
      const cost = costOf(counters, origin);
      for (let q = 0; q < QUEUE_COUNT; q++) cost.cycles[q] += this.originCycles[origin * QUEUE_COUNT + q];
      cost.macs += this.originMacs[origin];
      cost.memoryBytes += this.originBytes[origin];
    });
  }
}
