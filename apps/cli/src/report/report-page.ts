import type { Device, Report, Trace } from '@bitloom/ir';
export function* reportPage(_: { report: Report; trace: Trace; device: Device }): Generator<string> {
  yield '';
}
