/**
 * Sections held in memory, for artefacts that are built rather than read. Files give theirs through
 * `@bitloom/ir/node`; both are the same interface.
 */
import { BitloomError } from '../error.js';
import type { SectionSource } from './graph.js';

/** The error of a section that a header names and nobody has. */
export function missingSection(section: string, known: readonly string[]): BitloomError {
  const shown = known.slice(0, 8).join(', ');
  return new BitloomError({
    code: 'section-missing',
    message: `there is no section '${section}'`,
    expected: known.length === 0 ? 'no section at all' : `one of ${shown}${known.length > 8 ? ', ...' : ''}`,
    got: section,
    hint: 'the artefact was written without its data, or belongs to another header',
  });
}

/** The error of a range that leaves its section. */
export function sectionRangeError(
  section: string,
  offset: number,
  length: number,
  byteLength: number,
): BitloomError {
  return new BitloomError({
    code: 'section-range',
    message: `a read leaves section '${section}'`,
    expected: `a range inside of ${byteLength} bytes`,
    got: `offset ${offset}, length ${length}`,
  });
}

/** Throws unless [offset, offset + length) lies inside of `byteLength` bytes. */
export function requireSectionRange(
  section: string,
  offset: number,
  length: number,
  byteLength: number,
): void {
  const isInside =
    Number.isSafeInteger(offset) &&
    Number.isSafeInteger(length) &&
    offset >= 0 &&
    length >= 0 &&
    offset + length <= byteLength;
  if (!isInside) throw sectionRangeError(section, offset, length, byteLength);
}

/**
 * Fills `target` from byte `offset` of a section, without a copy in between where the source can.
 *
 * @throws BitloomError `section-missing`, `section-range`
 */
export function fillFromSection(
  sections: SectionSource,
  section: string,
  offset: number,
  target: Uint8Array,
): void {
  if (sections.readInto === undefined) target.set(sections.read(section, offset, target.length));
  else sections.readInto(section, offset, target);
}

/**
 * Sections from bytes in memory. Reads are views, not copies.
 *
 * @example memorySections({ 'w.codes': codes, 'w.scales': scales })
 */
export function memorySections(sections: Readonly<Record<string, Uint8Array>>): SectionSource {
  const known = new Map(Object.entries(sections));
  const find = (section: string): Uint8Array => {
    const bytes = known.get(section);
    if (bytes === undefined) throw missingSection(section, [...known.keys()]);
    return bytes;
  };
  return {
    has: (section) => known.has(section),
    byteLength: (section) => find(section).byteLength,
    read: (section, offset = 0, length) => {
      const bytes = find(section);
      const wanted = length ?? bytes.byteLength - offset;
      requireSectionRange(section, offset, wanted, bytes.byteLength);
      return bytes.subarray(offset, offset + wanted);
    },
  };
}
