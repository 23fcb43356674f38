/** The pictures of code points under docs/formats: which element formats stand together, and on which axis. */
import { codePointsSvg, ELEMENT_FORMATS, preset, presetNames } from '@bitloom/formats';

/** Widest format that a picture shows code by code. */
const PICTURED_BITS = 9;

/**
 * Every element format: the named ones, and those that only schemes know, of elements, scales and zeros.
 *
 * @returns formats by name, in the order of the table
 */
export function allFormats() {
  const known = new Map(Object.entries(ELEMENT_FORMATS));
  for (const name of presetNames()) {
    const { element, scales } = preset(name).weights;
    for (const format of [
      element,
      ...scales.flatMap((level) => [level.format, level.zero?.format ?? level.format]),
    ]) {
      if (!known.has(format.name)) known.set(format.name, format);
    }
  }
  return known;
}

/** Whether a format holds whole numbers, with a sign or not, of more than 5 bits or not. */
function isInteger({ kind, bits, signed, bias }, withSign, isWide) {
  return kind === 'int' && bias === 0 && signed === withSign && bits > 5 === isWide;
}

const FAMILIES = [
  {
    file: 'integers.svg',
    title: 'Signed integers of 2 to 5 bits',
    axis: 'linear',
    has: (format) => isInteger(format, true, false),
  },
  {
    file: 'integers-wide.svg',
    title: 'Signed integers of 6 to 8 bits',
    axis: 'linear',
    has: (format) => isInteger(format, true, true),
  },
  {
    file: 'unsigned.svg',
    title: 'Unsigned integers of 1 to 5 bits',
    axis: 'linear',
    has: (format) => isInteger(format, false, false),
  },
  {
    file: 'unsigned-wide.svg',
    title: 'Unsigned integers of 6 to 8 bits',
    axis: 'linear',
    has: (format) => isInteger(format, false, true),
  },
  {
    file: 'fp4-fp6.svg',
    title: 'Floats of 4 and 6 bits',
    axis: 'linear',
    has: ({ name }) => /^fp[46]_/.test(name),
  },
  { file: 'fp8.svg', title: 'Floats of 8 bits', axis: 'symlog', has: ({ name }) => name.startsWith('fp8_') },
  {
    file: 'fractions.svg',
    title: 'Elements of MLS and MXINT8',
    axis: 'linear',
    has: ({ name }) => /^mls_e2|^mxint8$/.test(name),
  },
  {
    file: 'signs.svg',
    title: 'Binary and ternary',
    axis: 'linear',
    has: ({ name }) => /^(binary|ternary)/.test(name),
  },
  { file: 'iq4.svg', title: 'Levels of IQ4', axis: 'linear', has: ({ name }) => name.startsWith('iq4') },
  {
    file: 'scales.svg',
    title: 'Formats of scales',
    axis: 'symlog',
    has: ({ name }) => /^(e8m0|mls_e8|ue4m3)/.test(name),
  },
];

/** The picture that shows a format, or undefined for one of too many codes. */
export function pictureOf(format) {
  if (format.bits > PICTURED_BITS) return undefined;
  const family = FAMILIES.find(({ has }) => has(format));
  if (family === undefined)
    throw new Error(`${format.name} is in no picture: add it to scripts/support/format-pictures.mjs`);
  return family;
}

/** Every picture: file name, title, names of the formats in it, SVG. */
export function formatPictures() {
  const formats = [...allFormats().values()].filter((format) => pictureOf(format) !== undefined);
  return FAMILIES.map((family) => {
    const members = formats.filter((format) => pictureOf(format) === family);
    const { file, title, axis } = family;
    return {
      file,
      title,
      names: members.map(({ name }) => name),
      svg: codePointsSvg(members, { axis, title }),
    };
  });
}
