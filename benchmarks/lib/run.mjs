/**
 * Runs the cases of one benchmark and makes its rows.
 *
 * A file of `cases/` exports `seconds` (of sampling, for all its cases together), `cases(context)`, which resolves to a
 * list of cases, and optionally `summary(rows)`, which makes more rows of theirs. A case is
 * `{ name, unit, scale?, weight?, rounds?, threads?, aim?, fields?, open }`. `open()` resolves to `{ ours, peer?, limit?, pauseMs?, close? }`
 * once it has checked the results of ours against the peer's or against the definition; it throws where they differ.
 * `ours` holds a contender for each backend, by name; `only` stands for code that has no backends.
 */
import { row } from './rows.mjs';
import { figures, interleave } from './sample.mjs';

/** Name of our contender where there are no backends to tell apart. */
export const ONLY = 'only';

/** Our idle threads go on spinning for less than this; a contender says of itself when its own take longer. */
const PAUSE_MS = 3;
/** Samples of a turn where turns have pauses between them. */
const PER_TURN = 5;

async function runCase(one, seconds) {
  const { ours, peer, limit, pauseMs, close } = await one.open();
  try {
    const contenders = { ...ours, ...(peer && { '(peer)': peer }), ...(limit && { '(limit)': limit }) };
    const pause = pauseMs ?? ((one.threads ?? 1) > 1 ? PAUSE_MS : 0);
    const perTurn = pauseMs === undefined && pause > 0 ? PER_TURN : 1;
    const samples = await interleave(contenders, { seconds, pauseMs: pause, perTurn, rounds: one.rounds });
    const speed = (name, contender) =>
      contender && {
        ...figures(samples[name], { work: contender.work, unit: one.unit, scale: one.scale }),
        name: contender.name,
      };
    return Object.entries(ours).map(([backend, contender]) =>
      row({
        name: backend === ONLY ? one.name : `${one.name}, ${backend}`,
        unit: one.unit,
        ours: speed(backend, contender),
        peer: speed('(peer)', peer),
        limit: speed('(limit)', limit),
        ...(one.threads === undefined ? {} : { threads: one.threads }),
        ...(backend === ONLY ? {} : { backend }),
        ...(one.aim === undefined ? {} : { aim: one.aim }),
        ...one.fields,
      }),
    );
  } finally {
    await close?.();
  }
}

/** All rows of a benchmark; `context.seconds` replaces the time its file allows. */
export async function runBenchmark(benchmark, context) {
  const cases = await benchmark.cases(context);
  const weights = cases.reduce((sum, { weight = 1 }) => sum + weight, 0);
  const seconds = context.seconds ?? benchmark.seconds;
  const rows = [];
  for (const one of cases) {
    const made = await runCase(one, (seconds * (one.weight ?? 1)) / weights);
    for (const { name, ours, unit, ratio } of made) {
      context.log(
        `${name}: ${ours.toPrecision(4)} ${unit}${ratio === null ? '' : `, ratio ${ratio.toFixed(2)}`}`,
      );
    }
    rows.push(...made);
  }
  return [...rows, ...(benchmark.summary?.(rows) ?? [])];
}
