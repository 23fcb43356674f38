/**
 * Finds the module specifiers of a TypeScript source by pattern: static imports and re-exports, dynamic imports of
 * a literal, and `import('x')` types. Enough for a repository whose formatter fixes the shape of an import; it is
 * not a parser.
 */

/** One import found in a source. */
export interface FoundImport {
  specifier: string;
  /** True when the statement is erased at build time (`import type`, `export type`, a type position). */
  typeOnly: boolean;
}

const statement = /^[ \t]*(?:import|export)\s+(type\s+)?(?:[\w*{][^'"`;=]*?\sfrom\s*|)['"]([^'"]+)['"]/gm;
const dynamicImport = /\bimport\(\s*['"]([^'"]+)['"]\s*\)(\s*[.[][\w'"])?/g;

/** Removes comments that stand on their own lines, where TSDoc examples would look like imports. */
function withoutComments(source: string): string {
  return source.replace(/^[ \t]*\/\*[\s\S]*?\*\//gm, '').replace(/^[ \t]*\/\/.*$/gm, '');
}

/** Every import of a source, in order of kind, repeats included. */
export function findImports(source: string): FoundImport[] {
  const code = withoutComments(source);
  const found: FoundImport[] = [];
  for (const match of code.matchAll(statement)) {
    found.push({ specifier: match[2], typeOnly: match[1] !== undefined });
  }
  for (const match of code.matchAll(dynamicImport)) {
    const before = code.slice(Math.max(0, match.index - 12), match.index);
    // `await import('x')` and `() => import('x')` run; `import('x').T` after a colon or in a type does not.
    found.push({ specifier: match[1], typeOnly: match[2] !== undefined && !/await\s+\(?$/.test(before) });
  }
  return found;
}

/** The package that a bare specifier names: `@scope/name/sub` gives `@scope/name`; undefined for a relative one. */
export function packageOf(specifier: string): string | undefined {
  if (specifier.startsWith('.') || specifier.startsWith('node:')) return undefined;
  const parts = specifier.split('/');
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0];
}
