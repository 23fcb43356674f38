/**
 * Where the values of parameters come from: views on stored tensors (as they are, cut, transposed), made up or
 * computed, all read as float32 by range, some as the codes they are too. Together they are the sections of a model.
 */
import { schemeType } from '@bitloom/formats';
import {
  BitloomError,
  type ConstantDecl,
  missingSection,
  requireSectionRange,
  type SectionSource,
} from '@bitloom/ir';
import { type RopeScaling, ropeFrequencies, ropeTable } from '@bitloom/kernels';
import type { ReadBuffer } from '../bytes/read-buffer.js';
import { type StoredCodes, type StoredComponent, storedCodes } from '../tensors/stored-codes.js';
import { elementCount, readFloats, type StoredTensor } from '../tensors/tensor-file.js';

/** A tensor that can be read by range, row-major. */
export interface Weights {
  readonly shape: readonly number[];
  /** `count` elements from flat index `start`. */
  read(start: number, count: number): Float32Array<ArrayBuffer>;
  /** The codes it is stored as, where those are symmetric group integers. */
  readonly codes?: StoredCodes;
}

/** Elements of at most this many are asked for at once when a read has to be assembled. */
const STRIP = 1 << 20;

/** A stored tensor as it is, from element `offset` on; its codes, where it has any, are read through `buffer`. */
export function storedWeights(
  tensor: StoredTensor,
  shape = tensor.shape,
  offset = 0,
  buffer?: ReadBuffer,
): Weights {
  const codes = buffer === undefined ? undefined : storedCodes(tensor, shape, offset, buffer);
  return {
    shape,
    read: (start, count) => readFloats(tensor, offset + start, count),
    ...(codes === undefined ? {} : { codes }),
  };
}

/**
 * The columns [first, first + rows) of a stored matrix [inputs, outputs], transposed to [rows, inputs]: GPT-2
 * stores its linear maps that way round. Read in strips, so that no more than a strip is in memory beside the result.
 */
export function transposedWeights(tensor: StoredTensor, first: number, rows: number): Weights {
  const [inputs, outputs] = tensor.shape;
  return {
    shape: [rows, inputs],
    read(start, count) {
      const out = new Float32Array(count);
      const height = Math.max(1, Math.floor(STRIP / outputs));
      const firstRow = Math.floor(start / inputs);
      const lastRow = Math.floor((start + count - 1) / inputs);
      for (let k = 0; k < inputs; k += height) {
        const strip = readFloats(tensor, k * outputs, Math.min(height, inputs - k) * outputs);
        for (let row = firstRow; row <= lastRow; row++) {
          for (let i = 0; i < strip.length / outputs; i++) {
            const at = row * inputs + k + i - start;
            if (at >= 0 && at < count) out[at] = strip[i * outputs + first + row];
          }
        }
      }
      return out;
    },
  };
}

/** The table of rotary angles, computed when it is read: [context, headDim / 2, 2]. */
export function ropeWeights(context: number, headDim: number, theta: number, scaling: RopeScaling): Weights {
  const frequencies = ropeFrequencies(headDim, theta, scaling);
  return {
    shape: [context, headDim / 2, 2],
    read(start, count) {
      const firstRow = Math.floor(start / headDim);
      const rows = Math.ceil((start + count) / headDim) - firstRow;
      const table = ropeTable(
        frequencies,
        Array.from({ length: rows }, (_, i) => firstRow + i),
      );
      const skip = start - firstRow * headDim;
      return table.slice(skip, skip + count);
    },
  };
}

/** Section of a component of the codes of a weight. */
function codeSection(weight: string, component: string): string {
  return `${weight}.${component}`;
}

/**
 * Named weights as the sections of a model: little-endian float32, and the codes of those that are stored as such. Reads
 * of any byte range.
 */
export function weightSections(weights: ReadonlyMap<string, Weights>): SectionSource {
  const sections = new Map<string, StoredComponent>();
  for (const [name, one] of weights) {
    sections.set(name, floatSection(one));
    for (const [component, bytes] of Object.entries(one.codes?.components ?? {})) {
      sections.set(codeSection(name, component), bytes);
    }
  }
  const find = (section: string): StoredComponent => {
    const found = sections.get(section);
    if (found === undefined) throw missingSection(section, [...weights.keys()]);
    return found;
  };
  return {
    has: (section) => sections.has(section),
    byteLength: (section) => find(section).byteLength,
    read(section, offset = 0, length) {
      const found = find(section);
      const wanted = length ?? found.byteLength - offset;
      requireSectionRange(section, offset, wanted, found.byteLength);
      return found.read(offset, wanted);
    },
    readInto(section, offset, target) {
      const found = find(section);
      requireSectionRange(section, offset, target.length, found.byteLength);
      if (found.readInto === undefined) target.set(found.read(offset, target.length));
      else found.readInto(offset, target);
    },
  };
}

function floatSection(weights: Weights): StoredComponent {
  return {
    byteLength: 4 * elementCount(weights.shape),
    read(offset, length) {
      const start = Math.floor(offset / 4);
      const values = weights.read(start, Math.ceil((offset + length) / 4) - start);
      return new Uint8Array(values.buffer, values.byteOffset + offset - 4 * start, length);
    },
  };
}

/**
 * The weights that are stored as codes, as constants over the sections of {@link weightSections}: what may stand in a
 * model in place of the float32 constants of the same names.
 */
export function storedConstants(weights: ReadonlyMap<string, Weights>): ReadonlyMap<string, ConstantDecl> {
  return new Map(
    [...weights].flatMap(([name, { shape, codes }]) => {
      if (codes === undefined) return [];
      const { scheme } = codes;
      const components = Object.keys(codes.components).map((one) => [one, codeSection(name, one)] as const);
      return [
        [name, { name, type: schemeType(scheme, shape), components: Object.fromEntries(components), scheme }],
      ];
    }),
  );
}

/** The error of a parameter's tensor. */
export function tensorError(
  code: 'model-tensor-missing' | 'model-tensor-extra' | 'model-tensor-shape',
  file: string,
  tensor: string,
  expected: string,
  got: string,
): BitloomError {
  const message = {
    'model-tensor-missing': `the checkpoint has no tensor '${tensor}'`,
    'model-tensor-extra': `the checkpoint has a tensor '${tensor}' that this kind of model does not have`,
    'model-tensor-shape': `the tensor '${tensor}' has another shape than the configuration says`,
  }[code];
  return new BitloomError({
    code,
    message,
    where: file,
    expected,
    got,
    hint: 'configuration and weights do not belong together, or the checkpoint is incomplete; fetch both again',
  });
}
