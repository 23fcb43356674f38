/**
 * Fills the memory image of a program from a model: each region's constant, in the region's layout.
 */

import { isNmLayout, unpackNmTensor } from '@bitloom/formats';
import {
  BitloomError,
  bandConstants,
  bandMatrices,
  type ConstantDecl,
  formatType,
  type ModelBundle,
  type Program,
  type QuantizedType,
  type Region,
} from '@bitloom/ir';
import type { CardMemory } from './card-memory.js';
import { bandedBytes, packBands } from './pack-weights.js';
import { parseBandedLayout, parseWeightLayout, type WeightLayout } from './weight-layout.js';

function findConstant(bundle: ModelBundle, region: Region, name: string): ConstantDecl {
  const constant = bundle.model.constants.find((c) => c.name === name);
  if (constant === undefined) {
    throw new BitloomError({
      code: 'simulator-model-mismatch',
      message: `the program needs the constant '${name}', which the model does not have`,
      where: `region '${region.name}'`,
      expected: name,
      got: `model '${bundle.model.name}'`,
      hint: 'load the program with the model it was compiled from',
    });
  }
  return constant;
}

function component(bundle: ModelBundle, constant: ConstantDecl, name: string): Uint8Array {
  const section = constant.components[name];
  if (section === undefined) {
    throw new BitloomError({
      code: 'simulator-shape-only',
      message: `the constant '${constant.name}' has no bytes: the model is shape-only`,
      where: `component '${name}'`,
      expected: 'a model with weights',
      got: 'shapes',
      hint: 'time it with `simulate`; `run` needs weights',
    });
  }
  return bundle.sections.read(section);
}

/** Raw fp16 bits of a scales component, aligned for a typed view. */
function halfWords(bytes: Uint8Array): Uint16Array {
  const aligned = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice();
  return new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 2);
}

/** Writes a region as the card must hold it. */
function fillRegion(bundle: ModelBundle, region: Region, target: Uint8Array<ArrayBufferLike>): void {
  const { contents } = region;
  if (contents.from === 'zeros') {
    target.fill(0);
    return;
  }
  const constant = findConstant(bundle, region, contents.constant);
  if (contents.layout === 'f32' || contents.layout === 'canonical') {
    const bytes = component(bundle, constant, contents.component);
    checkSize(region, bytes.byteLength);
    target.set(bytes);
    return;
  }
  const { type } = constant;
  const [rows, cols] = [type.shape[0], type.shape[1]];
  const plain = parseWeightLayout(contents.layout);
  const banded = plain === undefined ? parseBandedLayout(contents.layout) : undefined;
  if (
    (plain === undefined && banded === undefined) ||
    type.kind !== 'quantized' ||
    typeof rows !== 'number' ||
    typeof cols !== 'number'
  ) {
    throw new BitloomError({
      code: 'simulator-layout',
      message: `no transform gives layout '${contents.layout}'`,
      where: `region '${region.name}'`,
      expected: 'f32, canonical, rows16.*, sparse16.*, banded.*',
      got: contents.layout,
    });
  }
  const block = type.scales[0]?.block[1] ?? 0;
  const groupSize = block === 0 ? cols : block;
  const parts = bandMatrices(type);
  const bands = parts.map((part, index) => {
    const groups = Math.ceil(part.cols / groupSize);
    const layout = plain ?? (banded?.[index]?.groups === groups ? banded[index].layout : undefined);
    if (
      layout === undefined ||
      parts.length !== (banded?.length ?? 1) ||
      (banded === undefined) !== (type.bands === undefined)
    ) {
      throw new BitloomError({
        code: 'simulator-image-size',
        message: 'a region of the image has other bands of columns than the model gives it',
        where: `region '${region.name}'`,
        expected: contents.layout,
        got: formatType(type),
        hint: 'load the program with the model it was compiled from',
      });
    }
    return { layout, shape: { rows, cols: part.cols, bits: part.type.element.bits, groupSize } };
  });
  // The codes of another model may fit the container of the region as well; that which compilers choose tells them apart.
  const chosen = bands.map(({ layout, shape }) => {
    const widest = shape.bits <= 4 ? 4 : 8;
    const isChosen = layout.containerBits >= shape.bits && layout.containerBits <= widest;
    const wide: WeightLayout = { ...layout, containerBits: widest };
    return { layout: isChosen ? layout : wide, shape };
  });
  checkSize(region, bandedBytes(chosen));
  const constants = bandConstants(constant) ?? [constant];
  const matrices = bands.map(({ layout, shape }, index) => {
    const own = { ...parts[index].type, shape: [rows, shape.cols] };
    const { codes, scales } = canonicalComponents(bundle, constants[index], own);
    return { layout, shape: { ...shape, codes, scales: halfWords(scales) } };
  });
  packBands(matrices, target);
}

/** Codes and scales of a matrix with every element stored, whether the model keeps its zeros or not. */
function canonicalComponents(
  bundle: ModelBundle,
  constant: ConstantDecl,
  type: QuantizedType & { readonly shape: readonly number[] },
): { readonly codes: Uint8Array; readonly scales: Uint8Array } {
  const codes = component(bundle, constant, 'codes');
  const scales = component(bundle, constant, 'scales');
  if (!isNmLayout(type)) return { codes, scales };
  const { components } = unpackNmTensor({ type, components: { codes, scales } });
  return { codes: components.codes, scales };
}

function checkSize(region: Region, bytes: number): void {
  if (bytes === region.bytes) return;
  throw new BitloomError({
    code: 'simulator-image-size',
    message: 'a region of the image has another size than the model gives it',
    where: `region '${region.name}'`,
    expected: `${region.bytes} bytes`,
    got: `${bytes} bytes`,
    hint: 'load the program with the model it was compiled from',
  });
}

/**
 * Writes the whole image. State and mailboxes start at zero.
 * @throws BitloomError `simulator-model-mismatch`, `simulator-shape-only`, `simulator-image-size`
 */
export function loadImage(memory: CardMemory, program: Program, bundle: ModelBundle): void {
  for (const region of program.regions) {
    const start = memory.base(region.space) + region.offset;
    fillRegion(bundle, region, memory.arena.u8.subarray(start, start + region.bytes));
  }
}
