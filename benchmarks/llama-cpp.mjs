/**
 * Does llama.cpp read what `bitloom export` writes? Two models, a random Llama whose rows are whole blocks of every type
 * and stories260K with its stand-ins, are exported in every type GGUF has for matrices, opened in node-llama-cpp on the
 * CPU and, from the same file, in our float32 interpreter. Both are fed our interpreter's greedy tokens.
 *
 * llama.cpp rounds activations to blocks beside quantised weights and we do not, so logits differ. How far they may is
 * not read off llama.cpp: a third decoder, in plain loops, rounds as it does, and the largest distance d of its logits
 * from ours gives the bound. A logit that moves by at most d cannot overtake one that leads by more than 2d, so the
 * greedy tokens must agree wherever our two best logits are further apart than 2d (at least 0.001, for the order of
 * float32 sums).
 *
 * The third decoder also tells why logits differ: for a token alone it gives llama.cpp's own, mostly to 1e-6. Where one
 * value lies so close to the middle between two codes that the order of a sum decides, they part by as much as rounding
 * does at all; later tokens see that through the cache.
 *
 * Run: `npm run build && node benchmarks/llama-cpp.mjs [--write docs/peers/llama-cpp.md]`. The first run installs the
 * peer under benchmarks/peers/node-llama-cpp, outside of the workspaces. Exits with 1 when a file does not load or a
 * token differs beyond the bound. stories260K is taken from BITLOOM_DATA, ../shared/data by default.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { klDivergence } from '@bitloom/formats';
import { writeModel } from '@bitloom/ir/node';
import { createKernels } from '@bitloom/kernels';
import { decoderParameters, GGUF_STORAGE_TYPES, randomDecoder, readGguf } from '@bitloom/models';
import { openFile, openModel } from '@bitloom/models/node';
import { createHostEngine, greedyToken } from '@bitloom/runtime';
import { installPeer } from './lib/peers.mjs';
import { openPeer } from './peers/node-llama-cpp/peer.mjs';
import { roundedDecoder } from './peers/rounded-activations.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const data = process.env.BITLOOM_DATA ?? resolve(root, '../shared/data');
const SEED = 7;
const STEPS = 64;
/** Below this, two correct sums of float32 may order two logits differently. */
const LEAST_BOUND = 1e-3;

/**
 * Of {@link SINGLES}, how many must be explained: the part of the proof that allows no distance of its own. F16 sums in
 * half precision of the peer explain fewest.
 */
const LEAST_EXPLAINED = 48;

/** Tokens that are looked at alone, where no earlier rounding can have gone the other way. */
const SINGLES = Array.from({ length: 64 }, (_, i) => 3 + 7 * i);

const PIECES = [
  '<unk>',
  '<s>',
  '</s>',
  ...Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`),
  ...'\u2581etaoinshrdlucmfwygpbvkxqjz.,!?',
  ...[...'etaoinshrdlucmfwygpbvkxqjz'].map((letter) => `\u2581${letter}`),
  ...[...'taoin'].flatMap((first) => [...'etaoinshrdlucmfwygpbvkxqjz'].map((second) => first + second)),
];
/** A vocabulary of our own, so that the random model needs no data. */
const TOKENIZER = {
  kind: 'sentencepiece-bpe',
  pieces: PIECES,
  scores: PIECES.map((_, id) => -id),
  types: PIECES.map((_, id) => (id === 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1)),
  space: '\u2581',
  addSpacePrefix: true,
  bosId: 1,
  eosIds: [2],
  unknownId: 0,
  addBos: true,
};
/** Every row length is a multiple of 256. The rotary layout is the one GGUF does not have, so rows move. */
const RANDOM = {
  family: 'llama',
  vocabSize: 512,
  layers: 3,
  width: 256,
  heads: 4,
  kvHeads: 2,
  headDim: 64,
  hiddenWidth: 768,
  norm: { kind: 'rms', epsilon: 1e-5 },
  positions: { kind: 'rope', theta: 10000, layout: 'half', scaling: { kind: 'none' } },
  biases: { qkv: false, output: false, feedForward: false },
  feedForward: { gated: true, activation: 'silu' },
  tiedEmbeddings: false,
  maxPositions: 256,
};
const PROMPTS = ['Once upon a time', 'The little dog', ' two  spaces, and Zo\u00eb said \u201chi\u201d\n'];

const lines = [];
function say(line = '') {
  console.log(line);
  lines.push(line);
}

const EXPLANATION = `Files that \`bitloom export\` wrote, opened in node-llama-cpp and, from the same bytes, in bitloom's float32 interpreter; both follow the interpreter's greedy tokens.

- *stored as*: tensors by type; a matrix whose rows are no whole blocks is in a stand-in.
- *texts*: prompts that both tokenizers cut alike. *equal text*: greedy tokens until the first difference, by prompt. *equal steps*: steps with the same best token.
- *widest lead that was overtaken*: by how much our best logit led where llama.cpp preferred another token. It must be below the *bound*, twice the largest distance of logits when our own weights are used with activations rounded as ggml's CPU backend rounds them (blocks of 32 or 256 eight-bit codes beside quantised weights, F16 and BF16 beside those), at least ${LEAST_BOUND}. llama.cpp is not consulted for it.
- *KL*: divergence of llama.cpp's next-token distribution from ours, nats per token. *logits apart*: largest difference of a logit.
- *explained*: of ${SINGLES.length} tokens, each alone in a sequence, those whose logits the decoder with rounded activations gives within ${LEAST_BOUND} of llama.cpp. At least ${LEAST_EXPLAINED} must be. In the others, and in longer texts, a value lay so close to the middle between two codes that the order of a float32 sum decided it.
`;

function bitloom(args) {
  const result = spawnSync(process.execPath, [join(root, 'apps/cli/dist/bin.js'), ...args], {
    encoding: 'utf8',
  });
  if (result.status !== 0) throw new Error(result.stderr);
  return JSON.parse(result.stdout);
}

function distance(a, b) {
  return a.reduce((most, logit, i) => Math.max(most, Math.abs(logit - b[i])), 0);
}

/** How far the best logit leads. */
function lead(row) {
  const best = greedyToken(row);
  return row.reduce(
    (least, logit, i) => (i === best ? least : Math.min(least, row[best] - logit)),
    Number.POSITIVE_INFINITY,
  );
}

/** Logits of our interpreter along its own greedy text, after a prompt: a row for each of STEPS tokens. */
function ourRows(engine, prompt) {
  engine.reset();
  const rows = [Float32Array.from(engine.prefill(prompt))];
  while (rows.length < STEPS) rows.push(Float32Array.from(engine.decode(greedyToken(rows[rows.length - 1]))));
  return rows;
}

/** The same tokens through another decoder, one at a time after the prompt. */
async function rowsAlong(reset, logits, prompt, ours) {
  reset();
  const rows = [await logits(prompt)];
  for (const row of ours.slice(0, -1)) rows.push(await logits([greedyToken(row)]));
  return rows;
}

/** One file in both programs. */
async function compare(path, peer) {
  // A file that llama.cpp cannot open ends here.
  const other = await peer.open(path);
  const model = await openModel(path);
  const file = await readGguf(openFile(path));
  const kernels = createKernels({ threads: 1 });
  const engine = createHostEngine(model, { kernels });
  try {
    // Tensors stand in the order of the parameters.
    const stored = [...file.tensors.values()];
    const tensors = new Map(decoderParameters(model.config).map(({ name }, i) => [name, stored[i]]));
    const rounded = roundedDecoder(model, tensors);
    const result = { kl: [], distance: 0, predicted: 0, explained: 0, leads: [], equal: [], texts: 0 };
    const prompts = PROMPTS.map((text) => ({ text, ids: model.tokenizer.encode(text) }));
    for (const { text, ids } of prompts) {
      const theirs = [other.bosId, ...other.encode(text)];
      if (String(theirs) === String(ids)) result.texts++;
      const ours = ourRows(engine, ids);
      const predicted = await rowsAlong(
        rounded.reset,
        (tokens) => tokens.map(rounded.decode).pop(),
        ids,
        ours,
      );
      const got = await rowsAlong(other.reset, other.logits, ids, ours);
      for (const [step, row] of ours.entries()) {
        result.kl.push(klDivergence(row, got[step]));
        result.distance = Math.max(result.distance, distance(row, got[step]));
        result.predicted = Math.max(result.predicted, distance(row, predicted[step]));
        if (greedyToken(row) !== greedyToken(got[step])) result.leads.push(lead(row));
      }
      const first = ours.findIndex((row, step) => greedyToken(row) !== greedyToken(got[step]));
      result.equal.push(first === -1 ? STEPS : first);
    }
    for (const token of SINGLES) {
      other.reset();
      rounded.reset();
      if (distance(rounded.decode(token), await other.logits([token])) < LEAST_BOUND) result.explained++;
    }
    const bound = Math.max(LEAST_BOUND, 2 * result.predicted);
    return {
      ...result,
      bound,
      isSound:
        result.texts === PROMPTS.length &&
        result.leads.every((gap) => gap <= bound) &&
        result.explained >= LEAST_EXPLAINED,
    };
  } finally {
    await other.close();
    engine.close();
    kernels.close();
    file.close();
    model.close();
  }
}

const COLUMNS = [
  'type',
  'stored as',
  'bytes',
  'texts',
  'equal text',
  'equal steps',
  'widest lead that was overtaken',
  'bound',
  'KL, mean',
  'KL, most',
  'logits apart',
  'explained',
];

function row(cells) {
  say(`| ${cells.join(' | ')} |`);
}

function report(type, exported, result) {
  const number = (value) => (value < 1e-9 ? '0' : value.toPrecision(2));
  const steps = result.kl.length;
  row([
    type,
    exported.types.map(({ type: name, tensors }) => `${tensors} ${name}`).join(', '),
    exported.fileBytes,
    `${result.texts}/${PROMPTS.length}`,
    result.equal.join(' '),
    `${steps - result.leads.length}/${steps}`,
    result.leads.length === 0 ? '-' : number(Math.max(...result.leads)),
    number(result.bound),
    number(result.kl.reduce((a, b) => a + b, 0) / steps),
    number(Math.max(...result.kl)),
    number(result.distance),
    `${result.explained}/${SINGLES.length}`,
  ]);
}

async function compareModel(title, spec, peer, scratch) {
  say(`## ${title}\n`);
  row(COLUMNS);
  row(COLUMNS.map(() => '---'));
  const failures = [];
  for (const type of GGUF_STORAGE_TYPES) {
    const path = join(scratch, `${type}.gguf`);
    const exported = bitloom([
      'export',
      spec,
      '--format',
      'gguf',
      '--type',
      type,
      '--output',
      path,
      '--json',
    ]);
    try {
      const result = await compare(path, peer);
      report(type, exported, result);
      if (!result.isSound) failures.push(`${title}, ${type}: differs beyond the bound`);
    } catch (error) {
      row([type, `does not run: ${String(error.message).split(';')[0]}`, ...COLUMNS.slice(2).map(() => '')]);
      failures.push(`${title}, ${type}: ${error.message}`);
    }
    rmSync(path);
  }
  say();
  return failures;
}

/** Vocabularies of the test data with the number of their tokens. */
const VOCABULARIES = [
  ['llama2.c, 512 tokens', 'stories260K/tok512.bin', 512],
  ['Llama 2, SentencePiece', 'llama2c-tokenizer/tokenizer.model', 32000],
  ['GPT-2, byte-level BPE', 'llamacpp-vocab/ggml-vocab-gpt-2.gguf', 50257],
  ['StarCoder, byte-level BPE', 'llamacpp-vocab/ggml-vocab-starcoder.gguf', 49152],
];

/** Strings on which llama.cpp tests its own tokenizers. */
function tokenizerTexts() {
  const text = readFileSync(join(data, 'llamacpp-vocab/ggml-vocab-gpt-2.gguf.inp'), 'utf8');
  return [...PROMPTS, ...text.split('\n__ggml_vocab_test__\n')].filter((line) => line !== '');
}

/** The tokens of a text in a file that carries each vocabulary. */
async function compareTokenizers(peer, scratch) {
  say('## Tokenizers\n');
  row(['vocabulary', 'in GGUF', 'texts cut alike']);
  row(['---', '---', '---']);
  const failures = [];
  const texts = tokenizerTexts();
  const small = { ...RANDOM, layers: 1, width: 32, heads: 2, kvHeads: 1, headDim: 16, hiddenWidth: 32 };
  for (const [name, file, vocabSize] of VOCABULARIES) {
    const [source, path] = [join(scratch, 'small.bitloom'), join(scratch, 'small.gguf')];
    writeModel(source, randomDecoder({ ...small, vocabSize, tiedEmbeddings: true }, { seed: SEED }));
    bitloom(['export', source, '-f', 'gguf', '-o', path, '--tokenizer', join(data, file), '--json']);
    const [model, other] = [await openModel(path), await peer.open(path)];
    const ours = texts.map((text) => model.tokenizer.encode(text, { bos: false }));
    const cut = texts.filter((text, i) => String(other.encode(text)) === String(ours[i]));
    row([name, model.tokenizer.kind, `${cut.length}/${texts.length}`]);
    for (const text of texts.filter((line) => !cut.includes(line))) {
      failures.push(`${name}: ${JSON.stringify(text)} is cut differently`);
    }
    await other.close();
    model.close();
  }
  say();
  return failures;
}

/** Hugging Face folders of the test data: what each adds to what the models above have. */
const WITNESSES = [
  ['llama-gqa-untied', 'rows turned from halves to pairs'],
  ['llama-tied-rope-scaled', 'Llama 3 scaling as `rope_freqs.weight`, tied embeddings'],
  ['qwen2-bias', 'architecture `qwen2`, biases'],
];
const WITNESS_TOKENS = [1, 20, 33, 47, 200, 301, 15, 99];

/** Logits of other kinds of models, in float32, where nothing is rounded. */
async function compareWitnesses(peer, scratch) {
  say('## Other models, float32\n');
  row(['model', 'what it tries', 'logits apart after 8 tokens']);
  row(['---', '---', '---']);
  const failures = [];
  const folder = join(data, 'witness-models');
  // None of them has a tokenizer, and node-llama-cpp opens no file without one.
  const tokenizer = join(folder, 'llama-tied-rope-scaled/model-f32.gguf');
  for (const [name, what] of WITNESSES) {
    const path = join(scratch, 'witness.gguf');
    bitloom([
      'export',
      join(folder, name),
      '-f',
      'gguf',
      '-t',
      'f32',
      '-o',
      path,
      '--tokenizer',
      tokenizer,
      '--json',
    ]);
    const [model, other] = [await openModel(path), await peer.open(path)];
    const kernels = createKernels({ threads: 1 });
    const engine = createHostEngine(model, { kernels });
    const apart = distance(engine.prefill(WITNESS_TOKENS), await other.logits(WITNESS_TOKENS));
    row([name, what, apart.toPrecision(2)]);
    if (!(apart < LEAST_BOUND)) failures.push(`${name}: logits differ by ${apart}`);
    await other.close();
    engine.close();
    kernels.close();
    model.close();
  }
  say();
  return failures;
}

const PEER_VERSION = installPeer('node-llama-cpp')['node-llama-cpp'];
const peer = await openPeer();
const scratch = mkdtempSync(join(tmpdir(), 'bitloom-llama-cpp-'));
const command = `node benchmarks/llama-cpp.mjs ${process.argv.slice(2).join(' ')}`.trim();
try {
  say('# GGUF files in llama.cpp\n');
  say(`\`npm run build && ${command}\`, ${new Date().toISOString().slice(0, 10)}.`);
  say(
    `node-llama-cpp ${PEER_VERSION} (llama.cpp ${peer.release}, CPU: ${peer.features}), node ${process.version},`,
  );
  say(
    `${cpus()[0]?.model.trim()} x ${cpus().length}. Seed ${SEED}; ${PROMPTS.length} prompts, ${STEPS} greedy tokens each.\n`,
  );
  say(EXPLANATION);
  const path = join(scratch, 'random.bitloom');
  writeModel(
    path,
    randomDecoder(RANDOM, {
      seed: SEED,
      name: 'random',
      text: { tokenizer: TOKENIZER, bosId: 1, eosIds: [2] },
    }),
  );
  const failures = await compareModel('A random Llama, rows of 256 and 768', path, peer, scratch);
  const stories = join(data, 'stories260K', 'stories260K.bin');
  if (existsSync(stories))
    failures.push(...(await compareModel('stories260K, rows of 64 and 172', stories, peer, scratch)));
  else say('stories260K is not here: set BITLOOM_DATA.');
  if (existsSync(data)) {
    failures.push(...(await compareWitnesses(peer, scratch)), ...(await compareTokenizers(peer, scratch)));
  }
  say(
    failures.length === 0
      ? 'Every file loads, both tokenizers cut every prompt alike, no token differs beyond its bound, and single tokens are explained.'
      : `${failures.length} files do not load or differ beyond their bounds.`,
  );
  for (const failure of failures) console.error(failure);
  if (failures.length > 0) process.exitCode = 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
  await peer.close();
}
const target = process.argv[process.argv.indexOf('--write') + 1];
if (process.argv.includes('--write') && target !== undefined) writeFileSync(target, `${lines.join('\n')}\n`);
