/** `bitloom inspect`: what is in a file, whatever it is. */
import { BitloomError, type Program, printDevice, printModel, printProgram } from '@bitloom/ir';
import {
  deviceFromContainer,
  modelFromContainer,
  programFromContainer,
  reportFromContainer,
  traceFromContainer,
} from '@bitloom/ir/container';
import { type FileContainer, openContainer } from '@bitloom/ir/node';
import { EXIT } from '../exit-codes.js';
import { pathKind } from '../input/artefact-kind.js';
import { checkValues, openCheckpoint } from '../inspect/checkpoint-summary.js';
import { modelSummary } from '../inspect/model-summary.js';
import { programSummary } from '../inspect/program-summary.js';
import { checkpointText, modelText, programText, traceText } from '../inspect/summary-text.js';
import { traceSummary } from '../inspect/trace-summary.js';
import {
  modelCheck,
  programCheck,
  runChecks,
  sectionsCheck,
  type Verification,
} from '../inspect/verification.js';
import { reportText } from '../report/report-text.js';
import type { Terminal } from '../terminal/terminal.js';

export interface InspectOptions {
  readonly verify?: boolean;
  readonly disassemble?: boolean;
  readonly graph?: boolean;
  readonly entry?: string;
}

/** What is shown of a file: a document for scripts, text for people, and the checks it passed or failed. */
interface View {
  readonly document: object;
  readonly text: () => string;
  readonly verification: Verification | undefined;
}

export async function inspect(path: string, options: InspectOptions, terminal: Terminal): Promise<number> {
  const view = await look(path, options, terminal);
  const { verification } = view;
  if (terminal.json) {
    terminal.document(verification === undefined ? view.document : { ...view.document, verification });
  } else {
    terminal.write(view.text());
    if (verification !== undefined) terminal.write(verificationText(verification, terminal));
  }
  return verification?.ok === false ? EXIT.checkFailed : EXIT.ok;
}

async function look(path: string, options: InspectOptions, terminal: Terminal): Promise<View> {
  const kind = pathKind(path);
  if (kind === 'absent') return lookAtZoo(path, options, terminal);
  if (kind === 'file' || kind === 'folder') return lookAtCheckpoint(path, kind, options, terminal);
  const container = openContainer(path);
  try {
    return await lookAtArtefact(container, options, terminal);
  } finally {
    container.close();
  }
}

async function lookAtZoo(id: string, options: InspectOptions, terminal: Terminal): Promise<View> {
  const { openModel } = await import('@bitloom/models/node');
  const open = await openModel(id);
  const summary = modelSummary(open);
  return {
    document: summary,
    text: () => (options.graph === true ? printModel(open.model) : modelText(summary, terminal.out)),
    verification: options.verify === true ? await runChecks([modelCheck(open.model)]) : undefined,
  };
}

async function lookAtCheckpoint(
  path: string,
  kind: 'file' | 'folder',
  options: InspectOptions,
  terminal: Terminal,
): Promise<View> {
  const { summary, file } = await openCheckpoint(path, kind);
  try {
    let verification: Verification | undefined;
    if (options.verify === true) {
      const progress = await terminal.progress('reading');
      verification = await runChecks([
        () => {
          checkValues(file, (done, total) => progress.update(done, total));
          return `values of ${summary.tensors.length} tensors`;
        },
      ]);
      progress.stop();
    }
    return { document: summary, text: () => checkpointText(summary, terminal.out), verification };
  } finally {
    file.close();
  }
}

async function lookAtArtefact(
  container: FileContainer,
  options: InspectOptions,
  terminal: Terminal,
): Promise<View> {
  const verify = async (...checks: Parameters<typeof runChecks>[0]): Promise<Verification | undefined> =>
    options.verify === true ? runChecks([sectionsCheck(container, terminal), ...checks]) : undefined;
  const { out } = terminal;
  switch (container.kind) {
    case 'model': {
      const bundle = modelFromContainer(container);
      const summary = modelSummary(bundle);
      return {
        document: summary,
        text: () => (options.graph === true ? printModel(bundle.model) : modelText(summary, out)),
        verification: await verify(modelCheck(bundle.model)),
      };
    }
    case 'program':
      return lookAtProgram(container, options, terminal);
    case 'device': {
      const device = deviceFromContainer(container);
      return { document: device, text: () => printDevice(device), verification: await verify() };
    }
    case 'report': {
      const report = reportFromContainer(container);
      return { document: report, text: () => reportText(report, out), verification: await verify() };
    }
    case 'trace': {
      const summary = traceSummary(traceFromContainer(container));
      return { document: summary, text: () => traceText(summary, out), verification: await verify() };
    }
  }
}

async function lookAtProgram(
  container: FileContainer,
  options: InspectOptions,
  terminal: Terminal,
): Promise<View> {
  let verification: Verification | undefined;
  if (options.verify === true) {
    const whole = (): Program => programFromContainer(container);
    verification = await runChecks([sectionsCheck(container, terminal), () => programCheck(whole())()]);
    // What cannot even be decoded is a finding too, with nothing beside it to show.
    if (!verification.ok && !isDecodable(container)) {
      return { document: { kind: 'program', file: container.name }, text: () => '', verification };
    }
  }
  const program = pickEntry(programFromContainer(container), options.entry);
  const summary = programSummary(program, container.sections.has('model/header'));
  const listed = options.disassemble === true;
  return {
    document: listed ? { ...summary, disassembly: printProgram(program) } : summary,
    text: () => (listed ? printProgram(program) : programText(summary, terminal.out)),
    verification,
  };
}

function isDecodable(container: FileContainer): boolean {
  try {
    programFromContainer(container);
    return true;
  } catch (error) {
    if (error instanceof BitloomError && error.code !== 'internal') return false;
    throw error;
  }
}

/** @throws BitloomError `program-entry-missing` */
function pickEntry(program: Program, name: string | undefined): Program {
  if (name === undefined) return program;
  const entries = program.entries.filter((entry) => entry.name === name);
  if (entries.length > 0) return { ...program, entries };
  throw new BitloomError({
    code: 'program-entry-missing',
    message: 'the program has no entry of this name',
    expected: program.entries.map((entry) => entry.name).join(', '),
    got: name,
  });
}

function verificationText({ ok, checks, problem }: Verification, { out }: Terminal): string {
  const passed = checks.map((check) => `${out.style.good('sound')}  ${check}\n`).join('');
  if (ok) return `\n${passed}`;
  return `\n${passed}${out.style.bad('broken')} ${problem?.message ?? ''} [${problem?.code ?? ''}]\n`;
}
