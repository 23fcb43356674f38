/**
 * Finds and loads the addon, or says why there is none. No import of a Node module stands here, so that a bundle for
 * browsers may hold this file: there it finds nothing. Node keeps a loaded addon, so loading again costs little.
 */
import { isNativeAddon, type NativeAddon } from './addon.js';

/** From `src` and from `dist` alike. */
const ADDON_PATH = '../build/bitloom-kernels.node';

/** Values of `BITLOOM_NATIVE` that turn the addon off, in any case of letters. */
const OFF = /^(?:0|false|off|no)$/i;

/** Why there is no addon: turned off with `BITLOOM_NATIVE=0`, no file, or a file that this process cannot load. */
export type NativeAbsence = 'off' | 'not-built' | 'not-loaded';

/** Whether native kernels can be used, and why not: of what kind the absence is, and in a phrase for people. */
export type NativeStatus =
  | { readonly available: true; readonly isas: readonly string[] }
  | { readonly available: false; readonly absence: NativeAbsence; readonly reason: string };

type Found = { readonly addon: NativeAddon } | { readonly absence: NativeAbsence; readonly reason: string };

function find(): Found {
  if (typeof process !== 'object' || typeof process.getBuiltinModule !== 'function') {
    return { absence: 'not-loaded', reason: 'this is not Node.js 20.16 or newer' };
  }
  const wish = process.env.BITLOOM_NATIVE ?? '';
  if (OFF.test(wish)) return { absence: 'off', reason: `BITLOOM_NATIVE=${wish} turns it off` };
  const { existsSync } = process.getBuiltinModule('node:fs');
  const { createRequire } = process.getBuiltinModule('node:module');
  const { fileURLToPath } = process.getBuiltinModule('node:url');
  const url = new URL(ADDON_PATH, import.meta.url);
  const path = wish || (url.protocol === 'file:' ? fileURLToPath(url) : '');
  if (!existsSync(path)) {
    // Building does not help here.
    if (wish !== '') return { absence: 'not-loaded', reason: `BITLOOM_NATIVE names no file: ${wish}` };
    // Never built, failed to build, or removed since: nobody can tell from here.
    return { absence: 'not-built', reason: `the addon was not built: there is no ${path || ADDON_PATH}` };
  }
  try {
    const module: unknown = createRequire(import.meta.url)(path);
    if (isNativeAddon(module)) return { addon: module };
    return { absence: 'not-loaded', reason: 'the addon is of another version' };
  } catch (error) {
    // Built for another machine, or a library that it needs is missing.
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
    return { absence: 'not-loaded', reason: wish === '' ? reason : `BITLOOM_NATIVE=${wish}: ${reason}` };
  }
}

/**
 * The addon, or undefined where it is absent or turned off with `BITLOOM_NATIVE=0` (or `false`, `off`, `no`). Another value of
 * that variable is the absolute path of an addon to take in place of the package's own, for tests. Never throws or prints.
 */
export function loadNative(): NativeAddon | undefined {
  const found = find();
  return 'addon' in found ? found.addon : undefined;
}

/** Whether {@link loadNative} finds the addon, and why not. */
export function nativeStatus(): NativeStatus {
  const found = find();
  return 'addon' in found
    ? { available: true, isas: found.addon.isas }
    : { available: false, absence: found.absence, reason: found.reason };
}
