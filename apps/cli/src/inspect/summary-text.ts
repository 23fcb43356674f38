/** Summaries of files as text for people. */
import { groupNotes } from '../terminal/notes.js';
import { bytes, count, quantity, share } from '../terminal/quantity.js';
import { formatColumns, formatFacts } from '../terminal/table.js';
import type { Channel } from '../terminal/terminal.js';
import type { CheckpointSummary, TensorRow } from './checkpoint-summary.js';
import type { ModelSummary } from './model-summary.js';
import type { ProgramStats } from './program-stats.js';
import type { ProgramSummary } from './program-summary.js';
import type { TraceSummary } from './trace-summary.js';

type Out = Pick<Channel, 'style'>;
type Facts = [name: string, value: string][];

export function checkpointText(summary: CheckpointSummary, out: Out): string {
  const { config, metadata } = summary;
  const facts: Facts = [
    ['format', summary.format],
    ...(summary.parameters === undefined ? [] : ([['parameters', count(summary.parameters)]] as Facts)),
    ...(config === undefined
      ? []
      : ([
          ['family', config.family],
          [
            'shape',
            `${config.layers} layers, width ${config.width}, ${config.heads} heads (${config.kvHeads} kv) of ${config.headDim}, FFN ${config.hiddenWidth}, vocabulary ${config.vocabSize}`,
          ],
          ['context', `${config.maxPositions} tokens`],
        ] as Facts)),
    ...(summary.problem === undefined ? [] : ([['no model', summary.problem]] as Facts)),
  ];
  const keys = Object.entries(metadata ?? {}).map(([key, value]): [string, string] => [
    key,
    shorten(typeof value === 'string' ? value : JSON.stringify(value)),
  ]);
  const more = keys.length === 0 ? '' : `\n${out.style.strong('metadata')}\n${formatFacts(keys, out)}`;
  return `${out.style.strong(summary.file)}\n${formatFacts(facts, out)}${more}\n${tensorTable(summary.tensors, out)}`;
}

export function modelText(summary: ModelSummary, out: Out): string {
  const facts: Facts = [
    ['family', summary.family],
    ['scheme', `${summary.scheme}${summary.shapeOnly ? '; shapes only, no weights' : ''}`],
    ['parameters', count(summary.parameters)],
    ['size', bytes(summary.bytes)],
    ['context', `${summary.context} tokens`],
    ['tokenizer', `${summary.tokenizer ?? 'none'}${summary.chatTemplate ? ', with a chat template' : ''}`],
    ['functions', summary.functions.map(({ name, nodes }) => `${name} (${nodes} nodes)`).join(', ')],
    ...Object.entries(summary.metadata).flatMap(
      ([key, value]): Facts => (key === 'parameters' ? [] : [[key, String(value)]]),
    ),
  ];
  const states = summary.states.length === 0 ? '' : `\n${tensorTable(summary.states, out, 'state')}`;
  return `${out.style.strong(summary.name)}\n${formatFacts(facts, out)}\n${tensorTable(summary.tensors, out)}${states}`;
}

function tensorTable(tensors: readonly TensorRow[], out: Out, title = 'tensor'): string {
  return formatColumns(
    [{ title }, { title: 'shape' }, { title: 'type' }, { title: 'bytes', align: 'right' }],
    tensors.map((row) => [row.name, row.shape.join(' x '), row.type, count(row.bytes)]),
    out,
  );
}

export function programText(summary: ProgramSummary, out: Out): string {
  const facts: Facts = [
    ['device', `${summary.device} (${summary.deviceHash.slice(0, 12)})`],
    [
      'model',
      `${summary.modelHash.slice(0, 12) || 'not recorded'}${summary.shapeOnly ? ' (shape only)' : ''}`,
    ],
    ['weights', summary.weights ? 'in this file' : 'not in this file'],
    ['scheme', summary.scheme],
    ['context', `${summary.context} tokens`],
    ['instruction set', summary.instructionSet],
  ];
  const entries = formatColumns(
    [
      { title: 'entry' },
      { title: 'instructions', align: 'right' },
      { title: 'bytes', align: 'right' },
      { title: 'frames', align: 'right' },
      { title: 'from' },
      { title: 'to' },
    ],
    summary.entries.map((entry) => [
      entry.name,
      count(entry.instructions),
      count(entry.bytes),
      count(entry.frames),
      entry.inputs.join(', '),
      entry.outputs.join(', '),
    ]),
    out,
  );
  const notes = groupNotes(summary.notes)
    .map((note) => `${out.style.dim('note')}  ${note}\n`)
    .join('');
  return [
    `${out.style.strong(summary.name)}\n${formatFacts(facts, out)}`,
    entries,
    statsText(summary, out),
    ...(notes === '' ? [] : [notes]),
  ].join('\n');
}

/** Instructions by kind, and the memory image by purpose. */
export function statsText(stats: ProgramStats, out: Out): string {
  const instructions = formatColumns(
    [{ title: 'entry' }, { title: 'queue' }, { title: 'instruction' }, { title: 'count', align: 'right' }],
    stats.instructions.map((row) => [row.entry, row.queue, row.name, count(row.count)]),
    out,
  );
  const memory = formatColumns(
    [
      { title: 'memory' },
      { title: 'purpose' },
      { title: 'regions', align: 'right' },
      { title: 'bytes', align: 'right' },
    ],
    stats.memory.map((row) => [row.space, row.purpose, count(row.regions), count(row.bytes)]),
    out,
  );
  return `${instructions}\n${memory}`;
}

export function traceText(summary: TraceSummary, out: Out): string {
  const facts: Facts = [
    ['device', summary.device],
    ['cycles', `${count(summary.cycles)} = ${quantity(summary.cycles / summary.clockHz, 's')}`],
    [
      'recorded',
      `${count(summary.rows)} instructions${summary.dropped === 0 ? '' : `, ${count(summary.dropped)} left out`}`,
    ],
  ];
  const units = formatColumns(
    [
      { title: 'unit' },
      { title: 'instructions', align: 'right' },
      { title: 'busy', align: 'right' },
      { title: 'waited', align: 'right' },
    ],
    summary.units.map(({ name, instructions, busy, waited }) => [
      name,
      count(instructions),
      share(busy, summary.cycles),
      share(waited, summary.cycles),
    ]),
    out,
  );
  return `${out.style.strong(summary.model)}\n${formatFacts(facts, out)}\n${units}`;
}

function shorten(text: string): string {
  const line = text.replace(/\s+/g, ' ');
  return line.length <= 90 ? line : `${line.slice(0, 87)}...`;
}
