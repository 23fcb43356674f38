/** Says once how long a text will take to score, where nobody limited it and nothing would be heard for minutes. */
import type { Terminal } from '../terminal/terminal.js';

/** Windows that are scored without a word. */
const MANY = 64;

/**
 * A listener that is told how many windows there are as they are scored, and says so once on stderr where they are
 * many.
 * @param schemes how often the text is scored
 */
export function announceWindows(
  terminal: Pick<Terminal, 'log'>,
  { context, chunks }: { readonly context: number; readonly chunks?: number },
  schemes: number,
): (windows: number) => void {
  let said = chunks !== undefined;
  return (windows) => {
    if (said || windows <= MANY) return;
    said = true;
    const times = schemes === 1 ? '' : ` for each of ${schemes} schemes`;
    terminal.log(
      `scoring ${windows} windows of ${context} tokens${times}; --chunks 8 takes the first 8 and a fraction of the time`,
    );
  };
}
