/** Gives a shape-only model bytes, the same for the same seed: small scales, norms around one, codes as they come. */
import { canonicalBytes, encodeFp16 } from '@bitloom/formats';
import { type ConstantDecl, type Model, type ModelBundle, memorySections } from '@bitloom/ir';

/** 32-bit words of a counter-based mix. */
function words(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
}

export function withWeights(model: Model, seed = 1): ModelBundle {
  const next = words(seed);
  const unit = (): number => next() / 2 ** 31 - 1;
  const sections: Record<string, Uint8Array> = {};
  const constants = model.constants.map((constant): ConstantDecl => {
    const { name, type } = constant;
    const shape = type.shape.map(Number);
    const keep = (part: string, bytes: ArrayBuffer): void => {
      sections[`${name}/${part}`] = new Uint8Array(bytes);
    };
    if (type.kind === 'dense') {
      const count = shape.reduce((a, b) => a * b, 1);
      const mean = shape.length === 1 && !name.endsWith('.bias') ? 1 : 0;
      keep('data', Float32Array.from({ length: count }, () => mean + 0.3 * unit()).buffer);
      return { ...constant, components: { data: `${name}/data` } };
    }
    const [rows, cols] = shape;
    const bytes = canonicalBytes({ rows, cols, bits: type.element.bits, groupSize: type.scales[0].block[1] });
    keep('codes', Uint8Array.from({ length: bytes.codes }, next).buffer);
    const size = 1 / Math.sqrt(cols) / 2 ** (type.element.bits - 1);
    keep(
      'scales',
      Uint16Array.from({ length: bytes.scales / 2 }, () => encodeFp16(size * (2 + unit()))).buffer,
    );
    return { ...constant, components: { codes: `${name}/codes`, scales: `${name}/scales` } };
  });
  return { model: { ...model, constants }, sections: memorySections(sections) };
}
