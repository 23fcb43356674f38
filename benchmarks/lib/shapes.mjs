/** Models of 7 billion parameters, shapes without weights: what compiler and simulator are timed on. */
import { quantizeModel } from '@bitloom/compression';
import { zooModel } from '@bitloom/models';

export function shapesOf(name, scheme) {
  const sections = { has: () => false, byteLength: () => 0, read: () => new Uint8Array() };
  return quantizeModel({ model: zooModel(name), sections }, scheme).model;
}

export const llama7b = () => shapesOf('llama2-7b', 'W4A8');
