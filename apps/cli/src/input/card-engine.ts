/** An engine on a simulated card: the compiled program, its device and its weights. */
import { BitloomError, encodedLength, type InstructionBytes, isShapeOnly } from '@bitloom/ir';
import { createCardEngine } from '@bitloom/runtime';
import { SimulatedCard } from '@bitloom/simulator';
import type { Terminal } from '../terminal/terminal.js';
import { openKernels } from './command-kernels.js';
import { countInstructionBytes, openCompiled } from './compiled-model.js';
import { type EngineOptions, type OpenEngine, requireTokenizer, withClosers } from './open-engine.js';

/**
 * Opens a model or a program on its card.
 * @throws BitloomError `tokenizer-missing`, `program-without-model`, `model-shape-only`, and what opening, quantising,
 *   compiling and loading throw
 */
export async function openCard(
  spec: string,
  options: EngineOptions,
  terminal: Terminal,
): Promise<OpenEngine> {
  const { tokens, entries } = options;
  const compiled = await openCompiled(spec, options, terminal, {
    ...(tokens === undefined ? {} : { tokens }),
    ...(entries === undefined ? {} : { entries }),
  });
  const { program, device, bundle, name } = compiled;
  return withClosers([compiled.close], async (closers) => {
    if (bundle === undefined) throw programWithoutModel(spec);
    if (isShapeOnly(bundle.model)) throw shapesOnly(name);
    const tokenizer = requireTokenizer(compiled.tokenizer, spec);
    terminal.status(`loading ${name} onto ${device.name}`);
    const kernels = openKernels(options, bundle.model);
    closers.push(() => kernels.close());
    const card = new SimulatedCard({
      program,
      device,
      bundle,
      kernels,
      encodedLength,
      instructionBytes: options.timed === true ? await countInstructionBytes(program, terminal) : NOT_COUNTED,
      mode: options.timed === true ? 'both' : 'function',
    });
    const engine = createCardEngine(card, program, bundle.model);
    closers.push(() => engine.close());
    return {
      engine,
      tokenizer,
      name,
      device: device.name,
      scheme: program.numerics.scheme,
      kernels,
      ...(options.timed === true ? { report: () => card.report() } : {}),
    };
  });
}

/** A card that counts no time makes no report, so nobody reads these. */
const NOT_COUNTED: InstructionBytes = { total: 0, unbucketed: 0, bucketed: 0, resolved: 0 };

function programWithoutModel(spec: string): BitloomError {
  return new BitloomError({
    code: 'program-without-model',
    message: 'this file holds the program, but not the weights it runs on',
    where: spec,
    expected: 'a program written with its weights, or --model',
    hint: 'give the model it was compiled from: --model PATH',
  });
}

function shapesOnly(name: string): BitloomError {
  return new BitloomError({
    code: 'model-shape-only',
    message: 'the model has shapes but no weights, so there is nothing to run',
    where: `model '${name}'`,
    expected: 'a checkpoint',
    got: 'a shape-only model',
    hint: '`bitloom simulate` times it; to generate text, give the path of its checkpoint',
  });
}
