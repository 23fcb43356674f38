/**
 * What a timing run holds on to: nothing that grows with its steps. LLaMA2-7B by its shapes on the published card of
 * three cores; steps are run one by one, none is reused. How long it takes is for the benchmarks.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { compile } from '@bitloom/compiler';
import { quantizeModel } from '@bitloom/compression';
import { encodedLength, findCard, memorySections } from '@bitloom/ir';
import { zooModel } from '@bitloom/models';
import { simulate } from '@bitloom/simulator';
import { expect, it } from 'vitest';
import { NO_BYTES } from './support/card-against-host.js';

const MIB = 2 ** 20;

it('a timing run of LLaMA2-7B does not grow with its steps', () => {
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  const device = findCard('u280-flightllm');
  const { model } = quantizeModel(
    { model: zooModel('llama2-7b'), sections: memorySections({}) },
    'FlightLLM',
  );
  const program = compile(model, device, { capacity: 512 });
  const held: number[] = [];
  const { report } = simulate(program, device, {
    prefill: 0,
    decode: 4,
    model: 'llama2-7b',
    instructionBytes: NO_BYTES,
    encodedLength,
    onProgress: (done) => {
      // After the first steps everything that is kept is there.
      if (done !== 2 && done !== 4) return;
      collect();
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      held.push(heapUsed + arrayBuffers);
    },
  });
  const decode = report.phases.find(({ name }) => name === 'decode');
  expect(decode?.tokens).toBe(4);
  const [early, late] = held;
  expect(late - early).toBeLessThan(4 * MIB);
});
