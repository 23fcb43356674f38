/**
 * Program files. A program names its model by content hash; so that one file can also be run, the model it was
 * compiled from may travel in the same container, as sections that readers of programs do not look at:
 * `model/header` (JSON) and `model/sections/<name>`.
 */
import {
  BitloomError,
  type ModelBundle,
  modelSectionNames,
  type Program,
  type SectionSource,
} from '@bitloom/ir';
import {
  type ContainerContent,
  programFromContainer,
  programToContainer,
  type SectionInput,
  sectionOf,
} from '@bitloom/ir/container';
import { openContainer } from '@bitloom/ir/node';
import { parseModel } from '@bitloom/ir/schema';

const HEADER = 'model/header';
const PREFIX = 'model/sections/';
/** Bytes of a section that are in memory at a time. */
const CHUNK = 1 << 20;

export interface ProgramFile {
  readonly program: Program;
  /** The model it was compiled from, where the file holds it. */
  readonly bundle?: ModelBundle;
  close(): void;
}

/**
 * @param bundle the model to put beside the program; it must have weights
 * @throws BitloomError `artefact-invalid`, `section-missing`
 */
export function programContent(program: Program, bundle: ModelBundle | undefined): ContainerContent {
  const content = programToContainer(program);
  if (bundle === undefined) return content;
  const header = new TextEncoder().encode(JSON.stringify(parseModel(bundle.model)));
  const sections = modelSectionNames(bundle.model).map((name) => streamed(bundle.sections, name));
  return { ...content, sections: [...content.sections, sectionOf(HEADER, header), ...sections] };
}

function streamed(source: SectionSource, name: string): SectionInput {
  const byteLength = source.byteLength(name);
  return {
    name: `${PREFIX}${name}`,
    byteLength,
    chunks: function* () {
      for (let offset = 0; offset < byteLength; offset += CHUNK) {
        yield source.read(name, offset, Math.min(CHUNK, byteLength - offset));
      }
    },
  };
}

/** @throws BitloomError as `readProgram` of `@bitloom/ir/node` */
export function readProgramFile(path: string): ProgramFile {
  const container = openContainer(path);
  try {
    const program = programFromContainer(container);
    const { sections } = container;
    if (!sections.has(HEADER)) return { program, close: container.close };
    const header = parseHeader(new TextDecoder().decode(sections.read(HEADER)), path);
    const own: SectionSource = {
      has: (name) => sections.has(PREFIX + name),
      byteLength: (name) => sections.byteLength(PREFIX + name),
      read: (name, offset, length) => sections.read(PREFIX + name, offset, length),
    };
    return { program, bundle: { model: parseModel(header, path), sections: own }, close: container.close };
  } catch (error) {
    container.close();
    throw error;
  }
}

function parseHeader(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new BitloomError({
      code: 'artefact-invalid',
      message: 'the model inside the program file is not readable',
      where: `${path}, section ${HEADER}`,
      expected: 'the header of a model as JSON',
      got: `${text.length} characters that are not JSON`,
      hint: 'compile the model again',
      cause,
    });
  }
}
