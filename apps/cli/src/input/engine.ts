/**
 * An engine for a model: the host interpreter, or a simulated card with the compiled program on it. The commands
 * that generate and evaluate text do not know which one they drive. Compiler and simulator are loaded for a card only:
 * they would cost a run on the host time and memory.
 */
import { BitloomError } from '@bitloom/ir';
import type { Kernels } from '@bitloom/kernels';
import { openModel } from '@bitloom/models/node';
import { createHostEngine } from '@bitloom/runtime';
import type { Terminal } from '../terminal/terminal.js';
import { applyScheme } from './apply-scheme.js';
import { pathKind } from './artefact-kind.js';
import { openKernels } from './command-kernels.js';
import { type EngineOptions, type OpenEngine, requireTokenizer, withClosers } from './open-engine.js';

/**
 * Opens a model on the host or on a card.
 * @throws BitloomError `tokenizer-missing`, `program-without-model`, and what opening, quantising, compiling and
 *   loading throw
 */
export async function openEngine(
  spec: string,
  options: EngineOptions,
  terminal: Terminal,
): Promise<OpenEngine> {
  const isProgram = pathKind(spec) === 'program';
  if (options.device === 'host' || (options.device === undefined && !isProgram)) {
    if (isProgram) throw programOnHost(spec);
    return openHost(spec, options, terminal);
  }
  const { openCard } = await import('./card-engine.js');
  return openCard(spec, options, terminal);
}

async function openHost(spec: string, options: EngineOptions, terminal: Terminal): Promise<OpenEngine> {
  const open = await openModel(spec, options.tokenizer === undefined ? {} : { tokenizer: options.tokenizer });
  return withClosers([open.close], async (closers) => {
    const { bundle, announcement } = await applyScheme(open, options.scheme, 'f32');
    const tokenizer = requireTokenizer(open.tokenizer, spec);
    if (announcement !== undefined) terminal.log(announcement);
    terminal.status(`loading ${bundle.model.name} in ${bundle.model.numerics.scheme}`);
    const opened: Kernels[] = [];
    // A memory holds 4 GiB; the model asks for more of them when it needs more.
    const kernels = (): Kernels => {
      const next = openKernels(options, bundle.model);
      opened.push(next);
      closers.push(() => next.close());
      return next;
    };
    const engine = createHostEngine(bundle, {
      kernels,
      ...(options.context === undefined ? {} : { capacity: options.context }),
    });
    closers.push(() => engine.close());
    return {
      engine,
      tokenizer,
      name: bundle.model.name,
      device: 'host',
      scheme: bundle.model.numerics.scheme,
      kernels: opened[0],
    };
  });
}

function programOnHost(spec: string): BitloomError {
  return new BitloomError({
    code: 'program-option',
    message: 'a program runs on the card it was compiled for, not on the host',
    where: spec,
    expected: 'the device of the program',
    got: '--device host',
    hint: 'leave --device out, or give the model instead of the program',
  });
}
