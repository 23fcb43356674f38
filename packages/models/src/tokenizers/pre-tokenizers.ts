/**
 * How a text is cut into words before byte-level BPE, by the names GGUF files use (`tokenizer.ggml.pre`).
 * Each entry is a list of patterns applied one after another: what a pattern matches becomes a word, and so does
 * what lies between matches. A name that is not here is a typed error: another cut would give other tokens.
 *
 * Source of names and patterns: the tokenizer.json files of the model families, as llama.cpp's vocabulary loader
 * lists them. White space is Unicode's (JavaScript's own \s differs by two characters).
 */
import { BitloomError } from '@bitloom/ir';

interface PreTokenizer {
  readonly names: readonly string[];
  readonly patterns: readonly string[];
  /** Defaults the name implies where the file is silent. */
  readonly ignoreMerges?: boolean;
  readonly addBos?: boolean;
}

const CONTRACTIONS = "'(?:[sS]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])";
const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)";
const UPPER = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]';
const LOWER = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]';
const SPACES = '\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';

/** Words with one leading sign, numbers of up to `digits` digits, punctuation with the line breaks after it. */
function tiktokenPattern(digits: string): string {
  return `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${SPACES}`;
}

/** The same with words cut where lower case turns into upper. */
function casePattern(contractions: string, digits: string): string {
  const word = (body: string): string => `[^\\r\\n\\p{L}\\p{N}]?${body}${contractions}`;
  return `${word(`${UPPER}*${LOWER}+`)}|${word(`${UPPER}+${LOWER}*`)}|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${SPACES}`;
}

const PRE_TOKENIZERS: readonly PreTokenizer[] = [
  {
    names: ['gpt-2', 'phi-2', 'mpt', 'olmo', 'jais', 'trillion', 'granite-docling', 'roberta-bpe', 'exaone4'],
    patterns: [GPT2],
  },
  {
    names: ['llama3', 'llama-v3', 'llama-bpe', 'falcon3', 'falcon-h1', 'pixtral', 'midm-2.0', 'lfm2'],
    patterns: [tiktokenPattern('\\p{N}{1,3}')],
    ignoreMerges: true,
    addBos: true,
  },
  { names: ['dbrx', 'smaug-bpe'], patterns: [tiktokenPattern('\\p{N}{1,3}')] },
  {
    names: ['qwen2', 'stablelm2', 'deepseek-r1-qwen', 'megrez', 'hunyuan', 'solar-open'],
    patterns: [tiktokenPattern('\\p{N}')],
  },
  {
    names: ['starcoder', 'refact', 'command-r', 'smollm', 'codeshell', 'exaone', 'minerva-7b'],
    patterns: ['\\p{N}', GPT2],
  },
  { names: ['falcon'], patterns: ['[\\p{P}$+<=>^~|`]+', GPT2, '[0-9][0-9][0-9]'] },
  { names: ['tekken'], patterns: [casePattern('', '\\p{N}')], ignoreMerges: true, addBos: true },
  { names: ['gpt-4o', 'llama4'], patterns: [casePattern(`(?:${CONTRACTIONS})?`, '\\p{N}{1,3}')] },
  { names: ['default'], patterns: ['[\\p{P}$+<=>^~|]+', GPT2, '\\p{N}+', '[0-9][0-9][0-9]'] },
];

/** What a name implies where a file is silent. */
export function preTokenizerDefaults(name: string): { ignoreMerges: boolean; addBos: boolean } {
  const { ignoreMerges = false, addBos = false } = findPreTokenizer(name);
  return { ignoreMerges, addBos };
}

/**
 * The function that cuts a text into words; the words, joined, are the text.
 * @throws BitloomError `pre-tokenizer-unknown`
 */
export function preTokenizer(name: string): (text: string) => string[] {
  const patterns = findPreTokenizer(name).patterns.map((source) => new RegExp(unicodeSpace(source), 'gu'));
  return (text) => patterns.reduce((words, pattern) => words.flatMap((word) => cut(word, pattern)), [text]);
}

function findPreTokenizer(name: string): PreTokenizer {
  const found = PRE_TOKENIZERS.find((entry) => entry.names.includes(name));
  if (found !== undefined) return found;
  throw new BitloomError({
    code: 'pre-tokenizer-unknown',
    message: 'no rule is known by which this tokenizer cuts text into words',
    expected: PRE_TOKENIZERS.flatMap((entry) => entry.names).join(', '),
    got: JSON.stringify(name),
    hint: 'use the tokenizer.json of the model instead: pass it with --tokenizer',
  });
}

/** Replaces \s and \S, in and out of classes, by Unicode's White_Space. */
function unicodeSpace(source: string): string {
  return source.replaceAll('\\s', '\\p{White_Space}').replaceAll('\\S', '\\P{White_Space}');
}

function cut(text: string, pattern: RegExp): string[] {
  const words: string[] = [];
  let end = 0;
  for (const match of text.matchAll(pattern)) {
    if (match.index > end) words.push(text.slice(end, match.index));
    words.push(match[0]);
    end = match.index + match[0].length;
  }
  if (end < text.length) words.push(text.slice(end));
  return words;
}
