import { it } from 'vitest';
import { createKernels } from '@bitloom/kernels';
import { kernelModuleBytes, compileKernels } from '../src/wasm/module.js';
it('x', () => {
  let t = performance.now();
  const b = kernelModuleBytes(); console.log(b.length, performance.now() - t); t = performance.now();
  compileKernels(); console.log(performance.now() - t); t = performance.now();
  const k = createKernels(); console.log(k.fallbacks, performance.now() - t);
});
