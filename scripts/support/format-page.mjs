/** The page docs/number-formats.md: prose around the tables of `format-tables.mjs`. */
import { SYNTHETIC } from './format-data.mjs';
import { formatPictures } from './format-pictures.mjs';
import {
  elementTable,
  measureAll,
  overviewTable,
  schemeTable,
  shiftTable,
  sourceTable,
} from './format-tables.mjs';

/** The tables of the page. Each source has its own, so a test can write those of some sources again. */
export function pageParts(sources) {
  const results = sources.map((source) => ({ source, rows: measureAll(source) }));
  return {
    results,
    elements: elementTable(),
    schemes: schemeTable(),
    details: Object.fromEntries(results.map(({ source, rows }) => [source.short, sourceTable(rows)])),
    shift: shiftTable(sources),
  };
}

const count = (tensors) => tensors.reduce((sum, { data }) => sum + data.length, 0).toLocaleString('en-US');

/** @param day when it was measured, ISO */
export function formatPage(sources, day) {
  const { results, elements, schemes, details, shift } = pageParts(sources);
  const { rows, cols, seed } = SYNTHETIC;
  return `# Number formats

What every format costs, what its codes can say, and how far it lies from the original. Written by \`node scripts/format-table.mjs\`, measured on ${day}; the figures are the same on every machine and in every run.

## Data

| name | what | values |
| --- | --- | ---: |
${sources.map(({ short, title, tensors }) => `| ${short} | ${title} | ${count(tensors)} |`).join('\n')}

The first three are matrices of ${rows} x ${cols} from the Philox generator of this package, seed ${seed}. Laplace has scale 1 and Student's t has no moments from the third on, so its largest values are far out: the case that block formats are for. The last two are trained weights from the folder of shared test data: every matrix of [stories260K](https://github.com/karpathy/llama2.c) (rows of 64 and 172), and every kernel of a ResNet-20 for CIFAR-10 as a matrix of outputs by everything else. Embeddings are in, norms and biases are out.

Everything is quantised by \`quantize(tensor, scheme)\` without calibration and rounded to nearest. Rows that are no whole blocks of a GGML format are taken one behind the other, up to the last whole block.

## Elements

*Least above 0* is the smallest positive value, *least normal* the smallest one with all of its mantissa. Pictures show every code of a format on one axis.

${elements}

${formatPictures()
  .map(({ file, title, names }) => `### ${title}\n\n![Code points of ${names.join(', ')}](formats/${file})`)
  .join('\n\n')}

## Formats

*Codes in use* are values of an element at scale 1: rules that keep a format symmetric leave out the lowest code of two's complement. *Bits per weight* count codes, scales and zeros of a tensor without end; scales of whole rows and tensors then cost nothing. \`bitloom formats\` lists the same from the command line.

${schemes}

## Signal to noise

Decibels, 10 · log10(Σ x² / Σ error²): 6 dB are one bit. Sorted by *bits*, which count every scale of the Gaussian matrix.

${overviewTable(results)}

## Each source

*Bits per weight* count every scale of these tensors. *Relative RMSE* is the root of Σ error² / Σ x² over all values of the source. *Largest error / amax* is the largest error of a tensor over its largest magnitude, of the tensor where that is most.

${results
  .map(
    ({ source }) => `<details>\n<summary>${source.title}</summary>\n\n${details[source.short]}\n\n</details>`,
  )
  .join('\n\n')}

## ShiftQuant and the bound of group quantisation

ShiftQuant puts channels in groups whose scales differ by powers of two; the bound is what groups of free thresholds, as many, reach at best. *Objective / bound* compares the squared ranges that analysis counts, over all tensors and for the worst of them; *error / error at the bound* compares squared errors as measured; *error / error of one scale* is what grouping gains over a scale per tensor. Channels are columns: inputs of a matrix. The analysis is in [design record 0005](design/0005-shiftquant.md), with more distributions of channels.

${shift}
`;
}
