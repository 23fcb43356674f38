/**
 * One-command set-up, run before `npm start` and `npm test`: installs the locked dependencies when they are
 * missing or out of date, then builds every package (turbo skips what has not changed) and the native addon, which is left
 * out of turbo's cache: what becomes of it depends on the compiler that is found. Uses Node built-ins only,
 * because it runs before anything is installed. Everything it says goes to stderr: the stdout of `npm start`
 * belongs to the demo.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const lockfile = join(root, 'package-lock.json');
const installed = join(root, 'node_modules', '.package-lock.json');

/** True when `node_modules` does not hold what the lockfile asks for. */
function isStale() {
  if (!existsSync(installed)) return true;
  if (statSync(installed).mtimeMs >= statSync(lockfile).mtimeMs) return false;
  // A fresh clone, a branch switch or `npm install` itself may leave the lockfile newer with the same content.
  const wanted = JSON.parse(readFileSync(lockfile, 'utf8')).packages;
  const present = JSON.parse(readFileSync(installed, 'utf8')).packages;
  return Object.entries(wanted).some(([path, entry]) => {
    const found = present[path];
    if (path === '' || !path.includes('node_modules/')) return false;
    if (found === undefined) return entry.optional !== true && entry.peer !== true;
    return found.version !== entry.version;
  });
}

/**
 * Runs one command from the repository root, its output on our stderr; ends this process when it fails.
 *
 * @param {string} what said before it starts, so that a wait has a reason
 * @param {string[]} command program and arguments
 */
function run(what, [program, ...args]) {
  process.stderr.write(`setup: ${what}\n`);
  const windows = process.platform === 'win32';
  const result = spawnSync(program, args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: windows,
    env: { ...process.env, TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1', TURBO_NO_UPDATE_NOTIFIER: '1' },
  });
  if (result.error !== undefined || result.status !== 0) {
    const reason = result.error?.message ?? `exit ${result.status ?? result.signal}`;
    process.stderr.write(`setup: "${[program, ...args].join(' ')}" failed (${reason}), see above\n`);
    process.exit(typeof result.status === 'number' && result.status !== 0 ? result.status : 1);
  }
}

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`setup: bitloom needs Node 20.19 or newer, this is ${process.versions.node}\n`);
  process.exit(2);
}
if (isStale()) {
  run('installing locked dependencies', [
    'npm',
    'ci',
    '--include=dev',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ]);
}
// Beside the packages. It says in a line when there is none, and ends well.
const addon = spawn(process.execPath, [join(root, 'packages/kernels-native/build-addon.mjs')], {
  stdio: ['ignore', 2, 2],
});
const addonBuilt = new Promise((resolve) => addon.on('exit', resolve));
const turbo = join(root, 'node_modules', '.bin', 'turbo');
run('building packages', [turbo, 'run', 'build', '--output-logs=errors-only']);
await addonBuilt;
