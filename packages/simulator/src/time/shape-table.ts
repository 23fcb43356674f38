/** Shapes by template and numbers, made when they are first met. Belongs to one device. */
import type { Device } from '@bitloom/ir';
import { type InstructionShape, type InstructionTemplate, makeShape } from './instruction-shape.js';

/** More shapes than this are forgotten together: lengths that grow from step to step make new ones for ever. */
const MOST_SHAPES = 65_536;

interface KnownTemplate extends InstructionTemplate {
  readonly shapes: Map<number | string, InstructionShape>;
}

export class ShapeTable {
  private readonly device: Device;
  private readonly templates: KnownTemplate[] = [];
  private readonly byKey = new Map<string, number>();
  private count = 0;

  constructor(device: Device) {
    this.device = device;
  }

  /** Number of a template. */
  template(template: InstructionTemplate): number {
    const { spec, numbers, varying, spaces, channels } = template;
    const key = `${spec.opcode} ${numbers.join()} ${varying.join()} ${spaces.join()} ${channels.join()}`;
    const known = this.byKey.get(key);
    if (known !== undefined) return known;
    this.templates.push({ ...template, shapes: new Map() });
    this.byKey.set(key, this.templates.length - 1);
    return this.templates.length - 1;
  }

  /** The shape of a template whose varying numbers are `values[first]` and on. */
  shape(index: number, values: Float64Array, first: number): InstructionShape {
    const template = this.templates[index];
    const { varying, shapes } = template;
    const key = varying.length === 1 ? values[first] : values.subarray(first, first + varying.length).join();
    const known = shapes.get(key);
    if (known !== undefined) return known;
    const numbers = template.numbers.slice();
    varying.forEach((at, i) => {
      numbers[at] = values[first + i];
    });
    const shape = makeShape(template, numbers, this.device);
    if (this.count++ > MOST_SHAPES) {
      for (const one of this.templates) one.shapes.clear();
      this.count = 0;
    }
    shapes.set(key, shape);
    return shape;
  }
}
