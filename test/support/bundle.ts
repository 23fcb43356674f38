/** Bundles for a browser, in memory: what a page would load that imports from the packages' sources. */
import { build, type Rollup } from 'vite';
import { fromRoot } from './workspace.js';

const ENTRY = 'virtual:entry';

/** The minified bundle of a module whose source is `source`; it imports as `@bitloom/formats` would. */
export async function bundleForBrowser(source: string): Promise<Rollup.OutputChunk> {
  const output = await build({
    configFile: false,
    logLevel: 'silent',
    root: fromRoot('packages', 'formats'),
    resolve: { conditions: ['@bitloom/source'] },
    plugins: [
      {
        name: 'entry',
        resolveId: (id) => (id === ENTRY ? id : undefined),
        load: (id) => (id === ENTRY ? source : undefined),
      },
    ],
    build: {
      write: false,
      minify: true,
      target: 'es2022',
      rollupOptions: { input: ENTRY, preserveEntrySignatures: 'strict', output: { format: 'es' } },
    },
  });
  const [first] = Array.isArray(output) ? output : [output];
  if (!('output' in first)) throw new Error('the build watches instead of building');
  if (first.output.length !== 1) throw new Error('the bundle has several parts');
  return first.output[0];
}
