/** `bitloom demo`. */
import type { Terminal } from '../terminal/terminal.js';
export interface DemoOptions {
  readonly device: string;
  readonly scheme: string;
  readonly maxTokens: number;
  readonly output: string;
}
export async function demo(_options: DemoOptions, _terminal: Terminal): Promise<number> {
  return 0;
}
