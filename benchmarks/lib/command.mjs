/** The `bitloom` command as a person runs it, in a process of its own. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const bin = fileURLToPath(new URL('../../apps/cli/dist/bin.js', import.meta.url));
const REPORT_MEMORY =
  "process.on('exit', () => process.stderr.write('\\nmaxRSS ' + process.resourceUsage().maxRSS))";

/**
 * Runs `bitloom` with `--json`.
 *
 * @returns what it printed, the seconds it took in all, and its largest resident memory in MiB
 */
export function bitloom(args) {
  const start = performance.now();
  const report = `data:text/javascript,${encodeURIComponent(REPORT_MEMORY)}`;
  const result = spawnSync(process.execPath, ['--import', report, bin, ...args, '--json'], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  const seconds = (performance.now() - start) / 1000;
  if (result.status !== 0) throw new Error(`bitloom ${args.join(' ')}: ${result.stderr}`);
  return {
    document: JSON.parse(result.stdout),
    seconds,
    mebibytes: Number(/maxRSS (\d+)/.exec(result.stderr)?.[1]) / 1024,
  };
}
