/** Writes a random decoder as a GGUF file, piece by piece: `write({ shape, vocabulary, type, seed, path })`. */
import { exportGguf, randomDecoder, zooEntry } from '@bitloom/models';
import { writeGguf } from '@bitloom/models/node';
import { answer } from '../lib/child.mjs';
import { randomVocabulary } from '../lib/vocabulary.mjs';

answer({
  async write({ shape, type, seed, path }) {
    const { config } = zooEntry(shape);
    const text = { tokenizer: randomVocabulary(config.vocabSize), bosId: 1, eosIds: [2] };
    const bundle = randomDecoder(config, { seed, name: `random ${shape}`, text });
    return writeGguf(path, exportGguf(bundle, { type }).content);
  },
});
