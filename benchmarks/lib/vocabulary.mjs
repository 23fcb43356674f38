/**
 * A vocabulary of any size that stands for no language: control tokens, bytes, letters, and words of them, so that a
 * random model has the tokenizer without which llama.cpp opens no file.
 */

const LETTERS = [...'etaoinshrdlucmfwygpbvkxqjz'];

/** The word of a number, in digits that are letters; longer than one letter. */
function word(number) {
  let [rest, text] = [number, ''];
  while (rest > 0 || text.length < 2) {
    text += LETTERS[rest % 26];
    rest = Math.floor(rest / 26);
  }
  return text;
}

/** A tokenizer record of `size` tokens, at least 1000: SentencePiece with byte fallback. */
export function randomVocabulary(size) {
  const pieces = [
    '<unk>',
    '<s>',
    '</s>',
    ...Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`),
    ...LETTERS.flatMap((letter) => [letter, `\u2581${letter}`]),
    '\u2581',
  ];
  const seen = new Set(pieces);
  for (let i = 0; seen.size < size; i += 1) seen.add(i % 2 === 0 ? word(i) : `\u2581${word(i)}`);
  const all = [...seen];
  return {
    kind: 'sentencepiece-bpe',
    pieces: all,
    scores: all.map((_, id) => -id),
    types: all.map((_, id) => (id === 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1)),
    space: '\u2581',
    addSpacePrefix: true,
    bosId: 1,
    eosIds: [2],
    unknownId: 0,
    addBos: true,
  };
}
