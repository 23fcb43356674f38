/** The error of a file that `inspect` cannot name: how the files that it knows begin, and how this one does. */
import { BitloomError } from '@bitloom/ir';

/** What `inspect` knows, with how each is recognised. */
const KNOWN: readonly (readonly [format: string, begins: string])[] = [
  ['an artefact of bitloom', '"BITLOOM" and a zero byte'],
  ['a GGUF file', '"GGUF"'],
  [
    'a llama2.c .bin',
    'seven int32 (dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, seq_len) that fit the length of the file',
  ],
  ['a Hugging Face folder', 'a config.json in it, beside safetensors'],
];

/** What the readers of models say of a file that is probably none of theirs. */
const GUESSES: ReadonlySet<string> = new Set(['llama2c-header-invalid', 'model-format-unknown']);

/** Whether an error says that a file is of no known format, or that it was only taken for one because of none other. */
export function isUnknownFormat(error: unknown): error is BitloomError {
  return error instanceof BitloomError && GUESSES.has(error.code);
}

/**
 * @param head the first bytes of the file
 * @param cause see {@link isUnknownFormat}
 */
export function unknownFile(path: string, head: Uint8Array, cause: BitloomError): BitloomError {
  const begins = head.length === 0 ? 'nothing' : spell(head);
  // Formats that others read are named there, with what to do about them.
  const isNamed = cause.code === 'model-format-unknown';
  return new BitloomError({
    code: 'inspect-format-unknown',
    message: 'the format of this file is not recognised',
    where: path,
    expected: KNOWN.map(([format, start]) => `${format} (${start})`).join('; '),
    got:
      isNamed && cause.got !== undefined
        ? `${cause.got}, beginning with ${begins}`
        : `beginning with ${begins}`,
    hint: isNamed
      ? cause.hint
      : 'check the path; a llama2.c checkpoint whose header is damaged has to be fetched again',
    cause,
  });
}

/** Bytes in hexadecimal and as text, with a point for what is no printable ASCII. */
function spell(bytes: Uint8Array): string {
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
  const text = Array.from(bytes, (byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '.')).join(
    '',
  );
  return `${digits} ("${text}")`;
}
