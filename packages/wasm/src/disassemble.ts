/**
 * A binary as text close to the WebAssembly text format, for people: reading an emitted kernel, golden files of
 * tests. It reads what the encoder of this package can write (and refuses the rest with a typed error); it does not
 * validate types, the engine does that.
 */
import { BitloomError } from '@bitloom/ir';
import {
  CONTROL,
  LANE_LOADS,
  LANE_OPERATORS,
  LANE_STORES,
  LOADS,
  OPERATORS,
  type Opcode,
  STORES,
  simd,
} from './opcodes.js';
import { Reader } from './reader.js';
import { VALUE_TYPE_CODES } from './value-types.js';

interface Signature {
  readonly params: readonly string[];
  readonly results: readonly string[];
}

/** Everything read from the binary before text is made. */
interface Contents {
  types: Signature[];
  imports: { module: string; name: string; typeIndex: number | undefined; memory: string | undefined }[];
  functions: number[];
  memories: string[];
  exports: { name: string; kind: number; index: number }[];
  code: Reader[];
  functionNames: Map<number, string>;
  localNames: Map<number, Map<number, string>>;
}

/** How the immediates of an instruction are read and shown. */
type Immediates = (reader: Reader, names: Names) => string;

interface Names {
  readonly local: (index: number) => string;
  readonly function: (index: number) => string;
}

const memoryImmediate: Immediates = (reader) => {
  reader.unsigned();
  const offset = reader.unsigned();
  return offset === 0 ? '' : ` offset=${offset}`;
};

const hex = (value: number): string => value.toString(16).padStart(2, '0');

function number32(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}

/** Opcode -> name and immediates, from the same tables that the encoder uses. */
function instructionTable(): Map<Opcode, { name: string; immediates: Immediates }> {
  const table = new Map<Opcode, { name: string; immediates: Immediates }>();
  const none: Immediates = () => '';
  const add = (rows: Readonly<Record<string, { opcode: Opcode }>>, immediates: Immediates): void => {
    for (const [name, { opcode }] of Object.entries(rows)) table.set(opcode, { name, immediates });
  };
  add(OPERATORS, none);
  add(LOADS, memoryImmediate);
  add(STORES, memoryImmediate);
  add(LANE_OPERATORS, (reader) => ` ${reader.byte()}`);
  const laneMemory: Immediates = (reader, names) => `${memoryImmediate(reader, names)} ${reader.byte()}`;
  add(LANE_LOADS, laneMemory);
  add(LANE_STORES, laneMemory);
  const local: Immediates = (reader, names) => ` ${names.local(reader.unsigned())}`;
  const depth: Immediates = (reader) => ` ${reader.unsigned()}`;
  const control: Record<keyof typeof CONTROL, Immediates> = {
    unreachable: none,
    nop: none,
    block: blockType,
    loop: blockType,
    if: blockType,
    else: none,
    end: none,
    br: depth,
    br_if: depth,
    return: none,
    call: (reader, names) => ` ${names.function(reader.unsigned())}`,
    drop: none,
    select: none,
    'local.get': local,
    'local.set': local,
    'local.tee': local,
    'global.get': depth,
    'i32.const': (reader) => ` ${reader.signed()}`,
    'f32.const': (reader) => ` ${number32(reader.float32())}`,
    'v128.const': (reader) => ` i8x16 ${[...reader.bytes(16)].map((byte) => `0x${hex(byte)}`).join(' ')}`,
    'i8x16.shuffle': (reader) => ` ${[...reader.bytes(16)].join(' ')}`,
  };
  for (const [name, immediates] of Object.entries(control)) {
    table.set(CONTROL[name as keyof typeof CONTROL], { name, immediates });
  }
  table.set(TYPED_SELECT, {
    name: 'select',
    immediates: (reader) => ` (result ${reader.vector(() => valueType(reader)).join(' ')})`,
  });
  return table;
}

const TYPED_SELECT = 0x1c;

function blockType(reader: Reader): string {
  const at = reader.offset;
  if (reader.byte() !== 0x40) throw unsupported('a block with a result', at);
  return '';
}

function valueType(reader: Reader): string {
  const at = reader.offset;
  const code = reader.byte();
  const found = Object.entries(VALUE_TYPE_CODES).find(([, value]) => value === code);
  if (found === undefined) throw unsupported(`value type 0x${hex(code)}`, at);
  return found[0];
}

function unsupported(what: string, at: number): BitloomError {
  return new BitloomError({
    code: 'wasm-unsupported',
    message: 'the disassembler does not know this item',
    where: `byte ${at}`,
    expected: 'what the encoder of @bitloom/wasm writes',
    got: what,
  });
}

function limits(reader: Reader): string {
  const flags = reader.byte();
  const parts = [String(reader.unsigned())];
  if (flags & 1) parts.push(String(reader.unsigned()));
  if (flags & 2) parts.push('shared');
  return parts.join(' ');
}

function readNames(reader: Reader, contents: Contents): void {
  while (!reader.done) {
    const id = reader.byte();
    const body = reader.sub(reader.unsigned());
    if (id === 1) body.vector(() => contents.functionNames.set(body.unsigned(), body.name()));
    else if (id === 2) {
      body.vector(() => {
        const names = new Map<number, string>();
        contents.localNames.set(body.unsigned(), names);
        body.vector(() => names.set(body.unsigned(), body.name()));
      });
    }
  }
}

/** One reader per section id. */
const SECTIONS: Readonly<Record<number, (reader: Reader, contents: Contents) => void>> = {
  0: (reader, contents) => {
    if (reader.name() === 'name') readNames(reader, contents);
  },
  1: (reader, contents) => {
    contents.types = reader.vector(() => {
      const at = reader.offset;
      if (reader.byte() !== 0x60) throw unsupported('a type that is not a function', at);
      return {
        params: reader.vector(() => valueType(reader)),
        results: reader.vector(() => valueType(reader)),
      };
    });
  },
  2: (reader, contents) => {
    contents.imports = reader.vector(() => {
      const module = reader.name();
      const name = reader.name();
      const at = reader.offset;
      const kind = reader.byte();
      if (kind === 0) return { module, name, typeIndex: reader.unsigned(), memory: undefined };
      if (kind === 2) return { module, name, typeIndex: undefined, memory: limits(reader) };
      throw unsupported(`import kind ${kind}`, at);
    });
  },
  3: (reader, contents) => {
    contents.functions = reader.vector(() => reader.unsigned());
  },
  5: (reader, contents) => {
    contents.memories = reader.vector(() => limits(reader));
  },
  7: (reader, contents) => {
    contents.exports = reader.vector(() => ({
      name: reader.name(),
      kind: reader.byte(),
      index: reader.unsigned(),
    }));
  },
  10: (reader, contents) => {
    contents.code = reader.vector(() => reader.sub(reader.unsigned()));
  },
};

function readContents(bytes: Uint8Array): Contents {
  const contents: Contents = {
    types: [],
    imports: [],
    functions: [],
    memories: [],
    exports: [],
    code: [],
    functionNames: new Map(),
    localNames: new Map(),
  };
  const reader = new Reader(bytes);
  const magic = [...reader.bytes(8)].map(hex).join(' ');
  if (magic !== '00 61 73 6d 01 00 00 00') {
    throw new BitloomError({
      code: 'wasm-bad-magic',
      message: 'this is not a WebAssembly binary of version 1',
      expected: '00 61 73 6d 01 00 00 00',
      got: magic,
    });
  }
  while (!reader.done) {
    const at = reader.offset;
    const id = reader.byte();
    const body = reader.sub(reader.unsigned());
    if (!Object.hasOwn(SECTIONS, id)) throw unsupported(`section ${id}`, at);
    SECTIONS[id](body, contents);
  }
  return contents;
}

/**
 * The text of a binary: imports, then each function with its signature, locals and instructions, one per line,
 * indented by structure.
 *
 * @throws BitloomError `wasm-bad-magic`, `wasm-truncated`, `wasm-bad-number`, `wasm-unsupported`.
 */
export function disassemble(bytes: Uint8Array): string {
  const contents = readContents(bytes);
  const table = instructionTable();
  const lines = ['(module'];
  const importedFunctions = contents.imports.filter(({ typeIndex }) => typeIndex !== undefined).length;
  const functionName = (index: number): string => `$${contents.functionNames.get(index) ?? index}`;
  const signatureAt = (typeIndex: number, at: number): Signature => {
    if (typeIndex >= contents.types.length) throw unsupported(`type index ${typeIndex}`, at);
    return contents.types[typeIndex];
  };
  let importIndex = 0;
  for (const { module, name, typeIndex, memory } of contents.imports) {
    if (typeIndex === undefined) {
      lines.push(`  (import "${module}" "${name}" (memory ${memory}))`);
      continue;
    }
    const { params, results } = signatureAt(typeIndex, 0);
    const parts = [
      `func ${functionName(importIndex)}`,
      ...typeList('param', params),
      ...typeList('result', results),
    ];
    lines.push(`  (import "${module}" "${name}" (${parts.join(' ')}))`);
    importIndex += 1;
  }
  const exportText = (kind: number, index: number): string =>
    contents.exports
      .filter((entry) => entry.kind === kind && entry.index === index)
      .map(({ name }) => ` (export "${name}")`)
      .join('');
  contents.memories.forEach((memory, i) => {
    lines.push(`  (memory${exportText(2, i)} ${memory})`);
  });
  contents.code.forEach((code, i) => {
    const index = importedFunctions + i;
    const localNames = contents.localNames.get(index);
    const local = (at: number): string => `$${localNames?.get(at) ?? at}`;
    const { params, results } = signatureAt(contents.functions[i] ?? contents.types.length, code.offset);
    const header = [
      `(func ${functionName(index)}${exportText(0, index)}`,
      ...params.map((type, p) => `(param ${local(p)} ${type})`),
      ...typeList('result', results),
    ];
    lines.push(`  ${header.join(' ')}`);
    let next = params.length;
    code.vector(() => {
      const count = code.unsigned();
      const type = valueType(code);
      // A count can be a large number in a damaged file; names exist for what an encoder wrote.
      if (count > 50_000) throw unsupported(`${count} locals`, code.offset);
      for (let n = 0; n < count; n += 1, next += 1) lines.push(`    (local ${local(next)} ${type})`);
    });
    writeBody(code, table, { local, function: functionName }, lines);
    lines.push('  )');
  });
  lines.push(')');
  return `${lines.join('\n')}\n`;
}

function writeBody(
  code: Reader,
  table: ReturnType<typeof instructionTable>,
  names: Names,
  lines: string[],
): void {
  let depth = 2;
  while (!code.done) {
    const at = code.offset;
    const first = code.byte();
    const opcode = first === 0xfd ? simd(code.unsigned()) : first;
    const instruction = table.get(opcode);
    if (instruction === undefined) throw unsupported(`opcode 0x${opcode.toString(16)}`, at);
    const { name, immediates } = instruction;
    if (name === 'end' || name === 'else') depth -= 1;
    // The last `end` closes the function itself, which the parenthesis shows.
    if (!(name === 'end' && code.done))
      lines.push(`${'  '.repeat(Math.max(depth, 0))}${name}${immediates(code, names)}`);
    if (name === 'block' || name === 'loop' || name === 'if' || name === 'else') depth += 1;
  }
}

function typeList(keyword: string, types: readonly string[]): string[] {
  return types.length === 0 ? [] : [`(${keyword} ${types.join(' ')})`];
}
