/** LLaMA2-7B in W4A8, shapes without weights: what compiler and simulator are timed on. */
import { quantizeModel } from '@bitloom/compression';
import { zooModel } from '@bitloom/models';

export function llama7b() {
  const sections = { has: () => false, byteLength: () => 0, read: () => new Uint8Array() };
  return quantizeModel({ model: zooModel('llama2-7b'), sections }, 'W4A8').model;
}
