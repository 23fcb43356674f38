/** `@bitloom/ir`: a card is data. Half the HBM of a U280, checked against its schema, printed. */
import { findCard, printDevice } from '@bitloom/ir';
import { parseDevice } from '@bitloom/ir/schema';

const u280 = findCard('u280');
const half = parseDevice({
  ...u280,
  name: 'half-u280',
  source: 'the U280 with 16 of its 32 HBM channels',
  memories: u280.memories.map((memory) => (memory.space === 'hbm' ? { ...memory, channels: 16 } : memory)),
});
console.log(printDevice(half).split('\n').slice(0, 4).join('\n'));
