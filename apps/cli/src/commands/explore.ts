/** `bitloom explore`: card configurations within a budget, searched on worker threads; the Pareto front of what was found. */
import {
  DEFAULT_OBJECTIVES,
  designSpace,
  type Exploration,
  type ObjectiveName,
  explore as search,
  type Workload,
} from '@bitloom/exploration';
import { engineHash, openStateFile, openThreads, type StateFile } from '@bitloom/exploration/node';
import { BitloomError, type Device, type Model, memorySections, modelHash } from '@bitloom/ir';
import { openModel } from '@bitloom/models/node';
import { EXIT } from '../exit-codes.js';
import { explorationText } from '../exploration/exploration-text.js';
import { applyScheme, longestContext } from '../input/apply-scheme.js';
import { defaultContext } from '../input/compiled-model.js';
import { loadDevice } from '../input/load-device.js';
import { modelInputs } from '../output/require-not-input.js';
import { requireWritable } from '../output/require-writable.js';
import { watchWork } from '../output/write-large.js';
import type { Terminal } from '../terminal/terminal.js';

export interface ExploreOptions {
  readonly model: string;
  readonly budget: string;
  readonly scheme?: string;
  readonly tokenizer?: string;
  readonly prefill: number;
  readonly points: number;
  readonly limit: number;
  readonly objectives?: readonly ObjectiveName[];
  readonly seed: number;
  readonly threads: number;
  readonly state?: string;
  readonly saveDevice?: string;
  readonly svg?: string;
}

/**
 * @throws BitloomError `explore-context`, `explore-nothing-runs`, `exploration-interrupted`, and what opening, quantising,
 *   searching and writing throw
 */
export async function explore(options: ExploreOptions, terminal: Terminal): Promise<number> {
  const { model: spec, state, saveDevice, svg } = options;
  const inputs = [...modelInputs(spec, options.tokenizer), options.budget];
  for (const path of [state, saveDevice, svg]) requireWritable(path, inputs);
  for (const path of [saveDevice, svg]) requireWritable(path, [state]);
  const base = await loadDevice(options.budget);
  const workload = await openWorkload(options, terminal);
  const file = state === undefined ? undefined : openStateFile(state);
  if (file?.isRepaired) terminal.log(`note: ${state} ended in half a line, which is dropped`);
  let exploration: Exploration;
  try {
    exploration = await run(base, workload, options, file, terminal);
  } finally {
    file?.close();
  }
  const fastest = exploration.front[0];
  if (fastest === undefined) throw nothingRuns(exploration, base);
  if (saveDevice !== undefined) {
    const { writeDevice } = await import('@bitloom/ir/node');
    writeDevice(saveDevice, fastest.device);
    terminal.log(`wrote ${saveDevice} (${fastest.device.name})`);
  }
  if (svg !== undefined) {
    const { explorationPicture } = await import('../exploration/exploration-picture.js');
    const { writeText } = await import('../output/write-text.js');
    writeText(svg, [explorationPicture(exploration)]);
    terminal.log(`wrote ${svg}`);
  }
  const about = {
    model: workload.model.name,
    scheme: workload.model.numerics.scheme,
    budget: base.name,
    limit: options.limit,
    prefill: options.prefill,
    seed: options.seed,
    objectives: options.objectives ?? DEFAULT_OBJECTIVES,
  };
  if (terminal.json) terminal.document({ ...about, ...exploration });
  else terminal.write(explorationText(exploration, about, base, terminal.out));
  return EXIT.ok;
}

/** The model in its scheme, without its bytes: timing needs none. */
async function openWorkload(options: ExploreOptions, terminal: Terminal): Promise<Workload> {
  const { tokenizer, prefill } = options;
  const open = await openModel(options.model, tokenizer === undefined ? {} : { tokenizer });
  try {
    const { bundle, announcement } = await applyScheme(open, options.scheme, 'W4A8');
    if (announcement !== undefined) terminal.log(announcement);
    const { model } = bundle;
    const longest = longestContext(model);
    if (prefill >= longest) {
      throw new BitloomError({
        code: 'explore-context',
        message: 'the model has no room for this prompt and a token behind it',
        where: '--prefill',
        expected: `at most ${longest - 1} tokens`,
        got: String(prefill),
        hint: 'give a shorter --prefill',
      });
    }
    return { model: shapesOnly(model), prefill, capacity: defaultContext(model, prefill + 1) };
  } finally {
    open.close();
  }
}

function shapesOnly(model: Model): Model {
  return { ...model, constants: model.constants.map((constant) => ({ ...constant, components: {} })) };
}

/** What outcomes depend on beside the card; another compiler or simulator may time differently. */
function identityOf({ model, prefill, capacity }: Workload): string {
  const content = modelHash(model, memorySections({}));
  return JSON.stringify({ engine: engineHash(), model: content, prefill, capacity });
}

async function run(
  base: Device,
  workload: Workload,
  options: ExploreOptions,
  file: StateFile | undefined,
  terminal: Terminal,
): Promise<Exploration> {
  const threads = openThreads(workload, Math.min(options.threads, options.points));
  try {
    return await watchWork('exploring', terminal, ({ signal, onProgress }) =>
      search({
        space: designSpace(base),
        evaluate: (device) => threads.evaluate(device),
        identity: identityOf(workload),
        points: options.points,
        seed: options.seed,
        limit: options.limit,
        ...(options.objectives === undefined ? {} : { objectives: options.objectives }),
        ...(file === undefined ? {} : { known: file.known, onOutcome: (design) => file.add(design) }),
        ...(signal === undefined ? {} : { signal }),
        ...(onProgress === undefined ? {} : { onProgress }),
      }).catch((error: unknown) => {
        throw signal?.aborted === true ? interrupted(options.state) : error;
      }),
    );
  } finally {
    await threads.close();
  }
}

function interrupted(state: string | undefined): BitloomError {
  return new BitloomError({
    code: 'exploration-interrupted',
    message: 'the exploration was interrupted',
    hint:
      state === undefined
        ? 'with --state FILE the next run goes on where this one ended'
        : 'run the same command again to go on from the state file',
  });
}

function nothingRuns({ designs, failures }: Exploration, base: Device): BitloomError {
  const codes = Object.entries(failures).map(([code, times]) => `${code} ${times} times`);
  const first = designs.find(({ outcome }) => outcome.failure !== undefined)?.outcome.failure;
  return new BitloomError({
    code: 'explore-nothing-runs',
    message: 'no design that was tried runs this model',
    where: `device '${base.name}'`,
    expected: 'at least one that compiles',
    got: `${codes.join(', ')}; first: ${first?.message ?? 'nothing'}`,
    hint: 'try more --points, a scheme that cards compute (W4A8), or a card with a larger budget',
  });
}
