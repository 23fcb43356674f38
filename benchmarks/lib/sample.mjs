/**
 * Timing of contenders in turn. Other work on a machine only ever makes a sample slower, so the best of many short
 * samples says what the code can do, the median what it did here; taking the samples in turn (A B C, B C A, ...) lets
 * all contenders meet the same disturbances.
 *
 * Not for: what is timed (`cases/`), or how it is shown (`table.mjs`).
 */

/**
 * A contender: `sample()` resolves to the seconds that one call took, or to several such, `work` is what one call does, in the unit of the
 * comparison (operations, bytes, tokens).
 *
 * @typedef {{ sample: () => Promise<number | number[]>, work: number, isWarm?: boolean, restMs?: number }} Contender
 *   `restMs`: how long its idle threads go on spinning after a call
 */

/** Shortest sample of a function: clocks and interrupts are far below this. */
const SAMPLE_MS = 3;

/** A first call as long as this is no accident. */
const LONG_MS = 500;

export function median(values) {
  if (values.length === 0) throw new RangeError('a median needs a value');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Units in which samples are shown as they are, or by the thousand: times, and sizes in place of times. */
const DIRECT = { s: 1, ms: 1000, MiB: 1 };

/**
 * Best and median of samples in a unit: work per second divided by `scale`, or the time of one call itself for the units
 * `s` and `ms`.
 */
export function figures(seconds, { work, unit, scale = 1 }) {
  const time = DIRECT[unit];
  const value = (elapsed) => (time === undefined ? work / scale / elapsed : elapsed * time);
  return { best: value(Math.min(...seconds)), median: value(median(seconds)), samples: seconds.length };
}

/**
 * A contender from a function. Each sample is as many calls as fill some milliseconds, after
 * an untimed one where it is short; `checksum` is the sum of what they returned, so that no result is left unused.
 *
 * @param {() => number | Promise<number>} run one call; returns a number that depends on its result
 */
export function callable(run, work, { clock = () => performance.now(), sampleMs = SAMPLE_MS } = {}) {
  let calls = 0;
  let warm = true;
  let checksum = 0;
  const timed = async (count) => {
    const start = clock();
    for (let i = 0; i < count; i += 1) {
      const value = run();
      checksum += typeof value === 'number' ? value : await value;
    }
    return clock() - start;
  };
  const calibrate = async () => {
    // The first call compiles code and touches pages: how many fill a sample is seen from the ones after.
    let count = 1;
    let elapsed = await timed(1);
    if (elapsed < LONG_MS) elapsed = await timed(count);
    while (elapsed < sampleMs / 2) {
      count *= elapsed < sampleMs / 20 ? 10 : 2;
      elapsed = await timed(count);
    }
    calls = Math.max(1, Math.round((count * sampleMs) / elapsed));
    warm = elapsed / count < sampleMs * 2;
  };
  return {
    work,
    checksum: () => checksum,
    async sample() {
      if (calls === 0) await calibrate();
      if (warm) await timed(1);
      return (await timed(calls)) / 1000 / calls;
    },
  };
}

const sleepMs = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Samples contenders in turn until the time is over, at least `rounds` times each.
 *
 * @param {Record<string, Contender>} contenders
 * @param {{ seconds: number, rounds?: number, pauseMs?: number, perTurn?: number, clock?: () => number,
 *   sleep?: (ms: number) => Promise<void> }} options
 *   `pauseMs`: shortest pause before a turn, in which the idle threads of the one before stop spinning; `perTurn`: samples
 *   of a turn
 * @returns {Promise<Record<string, number[]>>} seconds per call of each sample; an untimed round comes before, but
 *   for those that are warm
 */
export async function interleave(
  contenders,
  { seconds, rounds = 3, pauseMs = 0, perTurn = 1, clock = () => performance.now(), sleep = sleepMs },
) {
  const names = Object.keys(contenders);
  const samples = Object.fromEntries(names.map((name) => [name, []]));
  let rest = 0;
  const turn = async (name, count) => {
    const ms = Math.max(pauseMs, rest);
    if (ms > 0) await sleep(ms);
    const { sample, restMs = 0 } = contenders[name];
    const taken = [];
    for (let i = 0; i < count; i += 1) taken.push(...[await sample()].flat());
    rest = restMs;
    return taken;
  };
  for (const name of names) if (contenders[name].isWarm !== true) await turn(name, 1);
  const end = clock() + seconds * 1000;
  for (let round = 0; round < rounds || clock() < end; round += 1) {
    for (let i = 0; i < names.length; i += 1) {
      const name = names[(i + round) % names.length];
      samples[name].push(...(await turn(name, perTurn)));
    }
  }
  return samples;
}
