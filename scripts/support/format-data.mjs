/**
 * What the tables of docs/number-formats.md measure on: three seeded distributions, and the weights of two real
 * networks from the folder of shared test data. Each source is a list of tensors { name, shape, data }.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { randomWords } from '@bitloom/formats';
import { onnxInitializers } from './onnx-initializers.mjs';

/** Shape and seed of the synthetic matrices. */
export const SYNTHETIC = { rows: 32, cols: 1024, seed: 1 };

/** Uniform numbers above 0 and below 1 from a stream of the counter-based generator. */
function uniforms(stream, count) {
  const words = randomWords(SYNTHETIC.seed, stream, 0, new Uint32Array(count));
  return Float64Array.from(words, (word) => (word + 0.5) / 2 ** 32);
}

/** Standard normal values of stream `stream`, two uniforms each. */
function normals(stream, count) {
  const uniform = uniforms(stream, 2 * count);
  return Float64Array.from({ length: count }, (_, i) => {
    const radius = Math.sqrt(-2 * Math.log(uniform[2 * i]));
    return radius * Math.cos(2 * Math.PI * uniform[2 * i + 1]);
  });
}

/** Student's t with three degrees of freedom: a normal value over the root of a third of the sum of three squares. */
function studentT3(stream, count) {
  const parts = [0, 1, 2, 3].map((part) => normals(stream + part, count));
  return parts[0].map(
    (value, i) => value / Math.sqrt((parts[1][i] ** 2 + parts[2][i] ** 2 + parts[3][i] ** 2) / 3),
  );
}

/** Laplace values of scale 1, by the inverse of the distribution. */
function laplace(stream, count) {
  return uniforms(stream, count).map((uniform) => {
    const centred = uniform - 0.5;
    return -Math.sign(centred) * Math.log(1 - 2 * Math.abs(centred));
  });
}

/** The seeded sources. */
export function syntheticSources() {
  const { rows, cols } = SYNTHETIC;
  const count = rows * cols;
  const source = (title, short, values) => ({
    title,
    short,
    tensors: [{ name: short, shape: [rows, cols], data: Float32Array.from(values) }],
  });
  return [
    source('Gaussian', 'Gaussian', normals(0, count)),
    source('Laplace', 'Laplace', laplace(10, count)),
    source("Student's t, 3 degrees of freedom", 't(3)', studentT3(20, count)),
  ];
}

/** The folder of shared test data: `BITLOOM_DATA`, or `../shared/data` beside the repository. */
export function dataFolder(root) {
  const folder = resolve(root, process.env.BITLOOM_DATA || join('..', 'shared', 'data'));
  return existsSync(folder) ? folder : undefined;
}

/** Every weight matrix of a language model: one tensor [outputs, inputs] each, norms left out. */
export async function stories260k(folder) {
  const { openModel } = await import('@bitloom/models/node');
  const model = await openModel(join(folder, 'stories260K', 'stories260K.bin'));
  const tensors = model.model.constants
    .filter(({ type }) => type.kind === 'dense' && type.shape.length === 2)
    .map(({ name, type, components }) => {
      const bytes = Uint8Array.from(model.sections.read(components.data));
      return { name, shape: type.shape.map(Number), data: new Float32Array(bytes.buffer) };
    });
  model.close();
  return { title: 'stories260K, all matrices', short: 'stories260K', tensors };
}

/** Every convolution and matrix of ResNet-20: [outputs, inputs, height, width] and [outputs, inputs]. */
export function resnet20(folder) {
  const file = readFileSync(join(folder, 'resnet20-cifar10-onnx', 'resnet20.onnx'));
  const tensors = onnxInitializers(file).filter(({ shape }) => shape.length > 1);
  return { title: 'ResNet-20 for CIFAR-10, all kernels', short: 'ResNet-20', tensors };
}
