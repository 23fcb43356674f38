/** The ring of slots through which weight tiles stream; its size is the card's, its use the emitter's. */
import { type Device, findBuffer } from '@bitloom/ir';

/** Weight buffers of up to this many bytes are two slots: cut further, tiles would be mostly start-up. */
const SMALL_WEIGHTS = 192 * 1024;

/** Slots of the weight ring: four, or two where the buffer is small. */
export function weightSlots(device: Device): number {
  return (findBuffer(device, 'weights')?.bytes ?? 0) <= SMALL_WEIGHTS ? 2 : 4;
}
