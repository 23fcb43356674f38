/**
 * Models whose matrices have widths in turn, whatever their errors: the first that is a weight of a product has the first
 * width, the next one the second. For tests of what computes with them; `--scheme FlightLLM-mixed3.5` chooses by errors.
 */
import { findScheme, quantizeModel, type Scheme } from '@bitloom/compression';
import type { ConstantDecl, ModelBundle, SectionSource } from '@bitloom/ir';

/** `bundle` with the k-th matrix as `schemes[k mod n]` has it; all other constants as the first one. */
export function inTurn(bundle: ModelBundle, schemes: readonly (string | Scheme)[]): ModelBundle {
  const parts = schemes.map((scheme) =>
    quantizeModel(bundle, typeof scheme === 'string' ? findScheme(scheme) : scheme),
  );
  const [first] = parts;
  const owners = new Map<string, SectionSource>();
  let turn = 0;
  const constants = first.model.constants.map((own, index): ConstantDecl => {
    const part = own.type.kind === 'quantized' ? parts[turn++ % parts.length] : first;
    const constant = part.model.constants[index];
    // Names of sections are those of constants, so that each part may say them.
    for (const section of Object.values(constant.components)) owners.set(section, part.sections);
    return constant;
  });
  const owner = (section: string): SectionSource => owners.get(section) ?? first.sections;
  return {
    model: { ...first.model, constants },
    sections: {
      has: (section) => owner(section).has(section),
      byteLength: (section) => owner(section).byteLength(section),
      read: (section, offset, length) => owner(section).read(section, offset, length),
    },
  };
}
