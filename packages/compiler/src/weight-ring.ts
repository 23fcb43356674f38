/** The ring of slots through which weight tiles stream; its size is the card's, its use the emitter's. */
import { type Device, findBuffer } from '@bitloom/ir';

/** Weight buffers of up to this many bytes are two slots: cut further, tiles would be mostly start-up. */
const SMALL_WEIGHTS = 192 * 1024;

/** A slot that holds 128 rows of 2048 columns of 4 bits with their scales, and a little more. */
const SLOT_BYTES = 144 * 1024;

/** More slots do not hide more: the engine cannot catch up with what they hold. */
const MOST_SLOTS = 6;

/**
 * Slots of the weight ring: four to six as the buffer has room, or two where it is small. While the engine waits for the
 * vector unit, loads go on until all slots are full.
 */
export function weightSlots(device: Device): number {
  const bytes = findBuffer(device, 'weights')?.bytes ?? 0;
  return bytes <= SMALL_WEIGHTS ? 2 : Math.max(4, Math.min(MOST_SLOTS, Math.floor(bytes / SLOT_BYTES)));
}
