/**
 * The DRAM model beside two cycle-accurate simulators, and how fast it is.
 *
 * - The channel model, command by command: percent of peak on every row of their published results, with the same queue.
 *   Beside Ramulator 2, whose scheduling ours follows, it has to be within 5 %; beside DRAMsim3, which schedules
 *   otherwise, the row shows how far apart controllers are.
 * - The closed form that the timing run uses: calls per second for a striped transfer. Aim: a microsecond each.
 *
 * Figures of other simulators are read from the data folder, never measured here.
 */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findCard, findDramStandard, findMemory, STRIPED } from '@bitloom/ir';
import { MemoryChannels, runDramPattern } from '@bitloom/simulator';
import { ONLY } from '../lib/run.mjs';
import { callable } from '../lib/sample.mjs';

export const seconds = 20;

const root = fileURLToPath(new URL('../..', import.meta.url));
const TOLERANCE = 0.05;
const NAMES = { ramulator2: 'Ramulator 2', dramsim3: 'DRAMsim3' };
/** Entries of DRAMsim3's queues that correspond to a full queue of ours; with 32 it sees less than any of ours. */
const FULL = '256 + 8 per bank';

/** Rows of the published results: cells by the names of their columns. */
function published(path) {
  const [head, ...lines] = readFileSync(path, 'utf8').trim().split('\n');
  const columns = head.split(',');
  return lines.map((line) => {
    const cells = [...line.matchAll(/(?:"([^"]*)"|([^,]*))(?:,|$)/g)].map(
      ([, quoted, plain]) => quoted ?? plain,
    );
    return Object.fromEntries(columns.map((column, i) => [column, cells[i]]));
  });
}

/** A figure that is no time: samples of it are all the same. */
const shown = (percent, name) => ({ work: 1, isWarm: true, sample: async () => 1 / percent, name });

function comparison(row) {
  const { simulator, device, pattern, queue } = row;
  const theirs = Number(row.percent_of_peak);
  const most = /at most (\d+)/.exec(queue);
  const outstanding = most === null ? {} : { outstanding: Number(most[1]) };
  return {
    name: `dram ${device} ${pattern}, ${queue}`,
    unit: '% of peak',
    weight: 0,
    rounds: 1,
    fields: { device, pattern, queue },
    async open() {
      const dram = findDramStandard(device);
      const got = runDramPattern(dram, pattern, { requests: Number(row.requests), ...outstanding });
      const off = got.percentOfPeak / theirs - 1;
      if (simulator === 'ramulator2' && Math.abs(off) > TOLERANCE)
        throw new Error(`${device} ${pattern}: ${got.percentOfPeak} % of peak instead of ${theirs} %`);
      return {
        ours: { [ONLY]: shown(got.percentOfPeak) },
        peer: shown(theirs, NAMES[simulator]),
      };
    },
  };
}

function channelSpeed(device, pattern) {
  const requests = 16384;
  return {
    name: `dram channel model, ${device} ${pattern}`,
    unit: 'requests/s',
    async open() {
      const dram = findDramStandard(device);
      const run = () => runDramPattern(dram, pattern, { requests }).memoryCycles;
      return { ours: { [ONLY]: callable(run, requests, { sampleMs: 1 }) } };
    },
  };
}

function closedForm(card, bytes) {
  const calls = 1000;
  return {
    name: `dram closed form, striped ${bytes} B on ${card}`,
    unit: 'transfers/s',
    aim: 1e6,
    async open() {
      const device = findCard(card);
      const channels = new MemoryChannels(findMemory(device, 'hbm'), device.clockHz);
      const run = () => {
        channels.reset();
        let end = 0;
        for (let i = 0; i < calls; i += 1) {
          const runs = {
            start: i * bytes,
            length: bytes,
            count1: 1,
            stride1: 0,
            count2: 1,
            stride2: 0,
            channel: STRIPED,
          };
          end = channels.serve(runs, end).end;
        }
        return end;
      };
      return { ours: { [ONLY]: callable(run, calls) } };
    },
  };
}

export async function cases(context) {
  const results = resolve(root, process.env.BITLOOM_DATA ?? '../shared/data', 'dram/results.csv');
  const rows = existsSync(results) ? published(results) : [];
  if (rows.length === 0) context.log('results of other simulators are not here (set BITLOOM_DATA): left out');
  return [
    ...rows
      .filter(({ simulator, queue }) => simulator === 'ramulator2' || queue.startsWith(FULL))
      .map(comparison),
    channelSpeed('ddr4-2400r-x8', 'sequential'),
    channelSpeed('hbm2-2g-2pc-1k', 'random'),
    closedForm('u280', 65536),
    closedForm('vhk158', 1048576),
  ];
}
