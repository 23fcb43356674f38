/** A card by name, or a device description from a file: an artefact, or JSON as `devices NAME --json` prints it. */
import { statSync } from 'node:fs';
import { BitloomError, CARDS, type Device, findCard } from '@bitloom/ir';

/** Largest JSON description that is read. */
const MAX_JSON = 1 << 20;

/** @throws BitloomError `device-unknown`, `device-file-invalid`, and what reading an artefact throws */
export async function loadDevice(name: string): Promise<Device> {
  if (CARDS.some((card) => card.name === name)) return findCard(name);
  const stat = statSync(name, { throwIfNoEntry: false });
  if (stat === undefined || stat.isDirectory()) return findCard(name);
  const { hasContainerMagic } = await import('@bitloom/ir/container');
  const { readDevice, readSmallFile } = await import('@bitloom/ir/node');
  if (!stat.isFile() || stat.size > MAX_JSON) return readDevice(name);
  const bytes = readSmallFile(name, MAX_JSON);
  if (hasContainerMagic(bytes)) return readDevice(name);
  const { parseDevice } = await import('@bitloom/ir/schema');
  return parseDevice(parseJson(new TextDecoder().decode(bytes), name), name);
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new BitloomError({
      code: 'device-file-invalid',
      message: 'this is neither a device artefact nor JSON',
      where,
      got: cause instanceof Error ? cause.message : String(cause),
      hint: 'write one with `bitloom devices NAME --json`, then change what you need',
      cause,
    });
  }
}
