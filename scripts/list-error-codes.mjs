/**
 * The error codes of the sources, held against the pages under docs/errors.
 *
 *   node scripts/list-error-codes.mjs           writes the table in docs/errors/README.md, prints what is amiss
 *   node scripts/list-error-codes.mjs --check   writes nothing; a stale table is amiss too
 *   node scripts/list-error-codes.mjs --list    prints the codes with the packages and places that throw them
 *
 * Where a code is found: (1) a string after `code:`, also in the branches of a condition; (2) a string that begins
 * with one of HELPER_PREFIXES of its package, for codes that are handed to a helper function; (3) `internalError(...)`
 * is the code `internal`. Strings that a code is compared with do not count. A string handed to a helper called
 * `fail...` or `...error` that no rule finds is reported, so that the prefixes cannot fall behind.
 *
 * A section is complete when it has a paragraph of meaning, a `text` block with the message as the command prints it,
 * a paragraph **Cause.** and a paragraph **Mend.** followed by a `sh`, `ts` or `json` block. Headline and mend of the
 * message must be sentences that the throwing package can say, so a page cannot keep the words of an older version.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const pages = join(root, 'docs', 'errors');

/** Packages in the order in which they may import one another: a shared code has its section where it comes first. */
const ROOMS = [
  'ir',
  'wasm',
  'formats',
  'kernels-native',
  'kernels',
  'models',
  'compiler',
  'simulator',
  'runtime',
  'training',
  'compression',
  'exploration',
  'virtualization',
];

/** How codes begin that reach BitloomError through a helper function, by package. */
const HELPER_PREFIXES = {
  ir: ['model-', 'program-'],
  formats: ['packing-'],
  models: ['gguf-', 'llama2c-', 'model-', 'safetensors-'],
  cli: ['output-'],
};

/** Codes of others: zod calls the issues of a schema's own checks so. */
const FOREIGN = new Set(['custom']);

/** Codes whose headline comes from a library: the parser of the command line. */
const BORROWED_HEADLINES = new Set(['usage']);

const KEBAB = /^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/;
const HELPER_CALL = /(?:\bfail\w*|[eE]rror)\(\s*$/;
const COMPARED = /[!=]==?\s*$|\bcase\s+$/;

/** Where a slash begins a regular expression and not a division. */
const BEFORE_PATTERN = /(?:^|[([{,;=:!&|?+~^<>%*-]|\b(?:return|typeof|case|throw))\s*$/;

/**
 * String and template literals of a source, with where they begin. Comments and regular expressions are passed over.
 * A template is its fixed parts; the literals inside of its expressions come as well.
 */
function literalsOf(source) {
  const out = [];
  let at = 0;
  const quoted = (quote) => {
    const start = at++;
    let text = '';
    while (at < source.length && source[at] !== quote) {
      if (source[at] === '\\') at++;
      text += source[at++];
    }
    at++;
    out.push({ start, parts: [text] });
  };
  const template = () => {
    const start = at++;
    const parts = [''];
    while (at < source.length && source[at] !== '`') {
      if (source.startsWith('${', at)) {
        at += 2;
        scan('}');
        parts.push('');
        continue;
      }
      if (source[at] === '\\') at++;
      parts[parts.length - 1] += source[at++];
    }
    at++;
    out.push({ start, parts });
  };
  const pattern = () => {
    let inClass = false;
    for (at++; at < source.length && source[at] !== '\n'; at++) {
      if (source[at] === '\\') at++;
      else if (source[at] === '[') inClass = true;
      else if (source[at] === ']') inClass = false;
      else if (source[at] === '/' && !inClass) break;
    }
    at++;
  };
  /** Reads code up to `end` at this depth of braces, and past it. */
  const scan = (end) => {
    for (let depth = 0; at < source.length; ) {
      const char = source[at];
      if (char === end && depth === 0) break;
      if (char === "'" || char === '"') quoted(char);
      else if (char === '`') template();
      else if (source.startsWith('//', at)) at = endOf('\n');
      else if (source.startsWith('/*', at)) at = endOf('*/');
      else if (char === '/' && BEFORE_PATTERN.test(source.slice(Math.max(0, at - 12), at))) pattern();
      else {
        if (char === '{') depth++;
        if (char === '}') depth--;
        at++;
      }
    }
    at++;
  };
  const endOf = (mark) => {
    const found = source.indexOf(mark, at);
    return found < 0 ? source.length : found + mark.length;
  };
  scan('');
  return out.sort((a, b) => a.start - b.start);
}

/** Offsets of what stands after each `code:`, up to the end of that property, without what is inside of brackets. */
function codeValues(source) {
  const offsets = new Set();
  for (const match of source.matchAll(/\bcode\??:/g)) {
    if (isInComment(source, match.index)) continue;
    let depth = 0;
    for (let at = match.index + match[0].length; at < source.length; at++) {
      const char = source[at];
      if ('([{'.includes(char)) depth++;
      else if (')]}'.includes(char) && depth-- === 0) break;
      else if (depth === 0 && (char === ',' || char === ';')) break;
      if (depth === 0) offsets.add(at);
    }
  }
  return offsets;
}

function codesOf(source, prefixes) {
  const codes = [];
  const suspects = [];
  const literals = literalsOf(source);
  const values = codeValues(source);
  for (const { start, parts } of literals) {
    const [text] = parts;
    const before = source.slice(Math.max(0, start - 60), start);
    if (parts.length > 1 || !KEBAB.test(text) || FOREIGN.has(text) || COMPARED.test(before)) continue;
    const isPrefixed = prefixes.some((prefix) => text.startsWith(prefix));
    if (values.has(start) || isPrefixed) codes.push({ code: text, at: start });
    else if (text.includes('-') && HELPER_CALL.test(before)) suspects.push({ code: text, at: start });
  }
  for (const call of source.matchAll(/\binternalError\(/g)) {
    if (!isInComment(source, call.index)) codes.push({ code: 'internal', at: call.index });
  }
  return { codes, suspects, sentences: literals.map(({ parts }) => parts) };
}

function isInComment(source, at) {
  const line = source.slice(source.lastIndexOf('\n', at) + 1, at);
  return /^\s*(?:\/?\*|\/\/)/.test(line) || / \/\/ /.test(line);
}

function lineOf(source, at) {
  return source.slice(0, at).split('\n').length;
}

/** Packages and apps in order, each with its sources. */
function rooms() {
  const rank = (name) => (ROOMS.includes(name) ? ROOMS.indexOf(name) : ROOMS.length);
  return ['packages', 'apps']
    .flatMap((parent) =>
      readdirSync(join(root, parent), { withFileTypes: true })
        .filter((entry) => entry.isDirectory() && existsSync(join(root, parent, entry.name, 'src')))
        .map((entry) => ({ name: entry.name, folder: `${parent}/${entry.name}/src` })),
    )
    .sort((a, b) => rank(a.name) - rank(b.name) || (a.folder < b.folder ? -1 : 1));
}

/** Every code with the packages that throw it and where; what those packages can say; strings that look like codes. */
function readSources() {
  const found = new Map();
  const suspects = [];
  const sentences = new Map();
  for (const { name, folder } of rooms()) {
    const said = [];
    const files = readdirSync(join(root, folder), { recursive: true })
      .map((file) => `${folder}/${String(file).replaceAll('\\', '/')}`)
      .filter((file) => file.endsWith('.ts'))
      .sort();
    for (const file of files) {
      const source = readFileSync(join(root, file), 'utf8');
      const read = codesOf(source, HELPER_PREFIXES[name] ?? []);
      said.push(...read.sentences);
      for (const { code, at } of read.suspects)
        suspects.push({ code, place: `${file}:${lineOf(source, at)}` });
      for (const { code, at } of read.codes) {
        const entry = found.get(code) ?? { packages: [], places: [] };
        if (!entry.packages.includes(name)) entry.packages.push(name);
        entry.places.push(`${file}:${lineOf(source, at)}`);
        found.set(code, entry);
      }
    }
    sentences.set(name, said);
  }
  const codes = [...found].map(([code, entry]) => ({ code, ...entry })).sort(byCode);
  return { codes, suspects, sentences };
}

function byCode(a, b) {
  return a.code < b.code ? -1 : 1;
}

/** Sections of every page: code, page, line of the heading, text. */
function readSections() {
  if (!existsSync(pages)) return [];
  const files = readdirSync(pages).filter((file) => file.endsWith('.md') && file !== 'README.md');
  return files.sort().flatMap((page) => {
    const text = readFileSync(join(pages, page), 'utf8');
    const headings = [...text.matchAll(/^## (.*)$/gm)];
    return headings.map((heading, i) => ({
      code: heading[1].trim(),
      page,
      line: lineOf(text, heading.index),
      text: text.slice(heading.index + heading[0].length, headings[i + 1]?.index ?? text.length).trim(),
    }));
  });
}

/** A message block: `error: headline [code]`, then facts. */
function messageOf(text) {
  const block = /^```text\n([\s\S]*?)^```$/m.exec(text)?.[1];
  if (block === undefined) return undefined;
  const [first, ...facts] = block.trimEnd().split('\n');
  const head = /^error: (.*) \[([a-z0-9-]+)\]$/.exec(first);
  const mend = facts.map((fact) => /^ {2}mend: +(.*)$/.exec(fact)).find((match) => match !== null);
  if (head === null || facts.some((fact) => !/^ {2}(?:where|expected|got|mend): +\S/.test(fact)))
    return undefined;
  return { headline: head[1], code: head[2], mend: mend?.[1] };
}

/** Whether a template with at least a few fixed letters, or a string, gives this sentence. */
function canSay(sentences, text) {
  return sentences.some((parts) => {
    if (parts.length === 1) return parts[0] === text;
    if (parts.join('').length < 8) return false;
    const escaped = parts.map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
    return new RegExp(`^${escaped.join('[\\s\\S]*')}$`).test(text);
  });
}

const OUTLINE = `## CODE

What it means, in a sentence or two.

\`\`\`text
error: the message as the command prints it [CODE]
  where:    ...
  mend:     ...
\`\`\`

**Cause.** What usually leads to it.

**Mend.** What to do:

\`\`\`sh
bitloom ...
\`\`\``;

/** What keeps the pages from matching the sources, one sentence each. */
function problemsOf({ codes, suspects, sentences }, sections) {
  const problems = [];
  const known = new Map(codes.map((entry) => [entry.code, entry]));
  for (const { code, place } of suspects) {
    problems.push(
      `${place}: '${code}' looks like a code handed to a helper; add its prefix to HELPER_PREFIXES in scripts/list-error-codes.mjs`,
    );
  }
  for (const { code, packages, places } of codes) {
    const own = sections.filter((section) => section.code === code);
    const page = `${packages[0]}.md`;
    if (own.length === 0) {
      problems.push(
        `docs/errors/${page}: '${code}' (${places[0]}) has no section; add this in its alphabetical place:\n\n${OUTLINE.replaceAll('CODE', code)}\n`,
      );
    }
    for (const other of own.filter((section) => section.page !== page)) {
      problems.push(
        `docs/errors/${other.page}:${other.line}: move the section '${code}' to docs/errors/${page}: ${packages[0]} is the first package that throws it`,
      );
    }
    if (own.length > 1) problems.push(`docs/errors: '${code}' has ${own.length} sections; keep one`);
  }
  sections.forEach((section, i) => {
    const place = `docs/errors/${section.page}:${section.line}`;
    const before = sections[i - 1];
    const entry = known.get(section.code);
    if (entry === undefined) {
      problems.push(`${place}: no source throws '${section.code}' any more; remove the section`);
      return;
    }
    if (before?.page === section.page && before.code > section.code) {
      problems.push(`${place}: '${section.code}' stands after '${before.code}'; sections are sorted by code`);
    }
    problems.push(...lacksOf(section, entry, sentences).map((lack) => `${place}: '${section.code}' ${lack}`));
  });
  return problems;
}

function lacksOf({ code, text }, { packages }, sentences) {
  const lacks = [];
  if (!/^[A-Z`]/.test(text)) lacks.push('does not begin with a paragraph that says what it means');
  if (!/^\*\*Cause\.\*\* /m.test(text)) lacks.push('has no paragraph that begins with **Cause.**');
  if (!/^\*\*Mend\.\*\* [\s\S]*^```(?:sh|ts|json)/m.test(text)) {
    lacks.push('has no paragraph that begins with **Mend.** and ends in a `sh`, `ts` or `json` block');
  }
  const message = messageOf(text);
  if (message === undefined) {
    lacks.push('has no `text` block with `error: MESSAGE [CODE]` and lines where:, expected:, got:, mend:');
    return lacks;
  }
  if (message.code !== code) lacks.push(`shows a message of '${message.code}'`);
  const said = packages.flatMap((name) => sentences.get(name) ?? []);
  if (!BORROWED_HEADLINES.has(code) && !canSay(said, message.headline)) {
    lacks.push(`shows a headline that no source of ${packages.join(', ')} gives: ${message.headline}`);
  }
  if (!BORROWED_HEADLINES.has(code) && message.mend !== undefined && !canSay(said, message.mend)) {
    lacks.push(`shows a mend that no source of ${packages.join(', ')} gives: ${message.mend}`);
  }
  return lacks;
}

const [BEGIN, END] = ['<!-- codes: written by scripts/list-error-codes.mjs -->', '<!-- end of codes -->'];

/** The table: code, first sentence of its section, packages that throw it. */
function tableOf(codes, sections) {
  const rows = codes.map(({ code, packages }) => {
    const section = sections.find((candidate) => candidate.code === code);
    if (section === undefined) return `| \`${code}\` | | ${packages.join(', ')} |`;
    const [paragraph] = section.text.split('\n\n');
    const sentence = /^.*?[.](?= |$)/s.exec(paragraph.replaceAll('\n', ' '))?.[0] ?? paragraph;
    const meaning = sentence.replaceAll('|', '\\|');
    return `| [\`${code}\`](${section.page}#${code}) | ${meaning} | ${packages.join(', ')} |`;
  });
  return `${BEGIN}\n\n| code | meaning | thrown by |\n|---|---|---|\n${rows.join('\n')}\n\n${END}`;
}

function withTable(readme, table) {
  const [from, to] = [readme.indexOf(BEGIN), readme.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`docs/errors/README.md has lost its marks ${BEGIN} and ${END}`);
  return readme.slice(0, from) + table + readme.slice(to + END.length);
}

const sources = readSources();
if (process.argv.includes('--list')) {
  for (const { code, packages, places } of sources.codes) {
    console.log(`${code}  ${packages.join(', ')}  ${places.join(' ')}`);
  }
  process.exit();
}
const sections = readSections();
const problems = problemsOf(sources, sections);
const path = join(pages, 'README.md');
const present = readFileSync(path, 'utf8');
const fresh = withTable(present, tableOf(sources.codes, sections));
if (process.argv.includes('--check')) {
  if (fresh !== present) {
    problems.push('docs/errors/README.md: the table is stale; run `node scripts/list-error-codes.mjs`');
  }
} else if (fresh !== present) {
  writeFileSync(path, fresh);
  console.log('wrote the table of docs/errors/README.md');
}
for (const problem of problems) console.log(problem);
if (problems.length === 0) console.log(`${sources.codes.length} codes, each with its section`);
process.exitCode = problems.length === 0 ? 0 : 1;
