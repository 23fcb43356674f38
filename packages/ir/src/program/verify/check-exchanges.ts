/**
 * Exchanges pair up: the k-th XCH of every core of an entry is one exchange. So all cores must come to the same number
 * of them, agree on what is exchanged, and give each of its bytes exactly once.
 */
import { BitloomError } from '../../error.js';
import type { StreamScope } from './stream-scope.js';

/** One XCH of one core, with the values of its fields. */
export interface Exchange {
  readonly index: number;
  readonly space: string;
  readonly rows: number;
  readonly dstRow: number;
  /** First byte received, and bytes of a run. */
  readonly all: number;
  readonly allLength: number;
  /** Where this core's part goes, and bytes of its run. */
  readonly dst: number;
  readonly length: number;
}

export interface CoreExchanges {
  readonly scope: StreamScope;
  readonly exchanges: readonly Exchange[];
}

/** @throws BitloomError `program-exchange` */
export function checkExchanges(cores: readonly CoreExchanges[]): void {
  const [first] = cores;
  if (first === undefined) return;
  for (const { scope, exchanges } of cores) {
    if (exchanges.length === first.exchanges.length) continue;
    throw new BitloomError({
      code: 'program-exchange',
      message: 'cores do not come to the same number of exchanges: one of them would wait for ever',
      where: `entry '${scope.entry.name}'`,
      expected: `${first.exchanges.length} on core ${scope.stream.core}, as on core ${first.scope.stream.core}`,
      got: String(exchanges.length),
    });
  }
  for (let k = 0; k < first.exchanges.length; k++) checkParts(cores, k);
}

/** The parts of exchange k lie one beside the other and fill what all cores receive. */
function checkParts(cores: readonly CoreExchanges[], k: number): void {
  const [{ scope, exchanges }] = cores;
  const whole = exchanges[k];
  const parts: { start: number; end: number }[] = [];
  for (const core of cores) {
    const own = core.exchanges[k];
    const isSame =
      own.space === whole.space &&
      own.rows === whole.rows &&
      own.all === whole.all &&
      own.allLength === whole.allLength &&
      (own.rows <= 1 || own.dstRow === whole.dstRow);
    if (!isSame) {
      core.scope.fail('program-exchange', own.index, {
        message: `cores ${scope.stream.core} and ${core.scope.stream.core} do not mean the same exchange`,
        expected: describe(whole),
        got: describe(own),
      });
    }
    if (own.length > 0 && own.rows > 0) parts.push({ start: own.dst, end: own.dst + own.length });
  }
  parts.sort((a, b) => a.start - b.start);
  let at = whole.all;
  // Rows that reach into each other would take their bytes from whichever core comes last.
  let isApart = whole.rows <= 1 || whole.dstRow >= whole.allLength;
  for (const part of parts) {
    isApart &&= part.start === at;
    at = part.end;
  }
  const isFilled = whole.rows === 0 || (isApart && at === whole.all + whole.allLength);
  if (isFilled || (parts.length === 0 && whole.allLength === 0)) return;
  scope.fail('program-exchange', whole.index, {
    message: 'the parts of the cores do not fill what they exchange, each byte once',
    expected: `${whole.all}..${whole.all + whole.allLength}`,
    got: parts.map(({ start, end }) => `${start}..${end}`).join(', ') || 'nothing',
  });
}

function describe({ space, rows, all, allLength, dstRow }: Exchange): string {
  return `${rows} rows of ${allLength} bytes, ${dstRow} apart, from ${all} of the ${space} buffer`;
}
