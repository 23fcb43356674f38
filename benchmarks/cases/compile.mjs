/** Seconds to compile LLaMA2-7B in W4A8 for each card, shapes only. */
import { compile } from '@bitloom/compiler';
import { CARDS } from '@bitloom/ir';
import { ONLY } from '../lib/run.mjs';
import { callable } from '../lib/sample.mjs';
import { llama7b } from '../lib/shapes.mjs';

export const seconds = 20;

export async function cases() {
  const model = llama7b();
  return CARDS.map((device) => ({
    name: `compile llama2-7b W4A8 for ${device.name}`,
    unit: 's',
    async open() {
      const run = () => compile(model, device).entries.length;
      return { ours: { [ONLY]: callable(run, 1, { sampleMs: 1 }) } };
    },
  }));
}
