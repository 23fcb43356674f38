/** Text files that appear whole or not at all. */
import { writeFileAtomically } from '@bitloom/ir/node';

/** @param parts text in order, so that a long document need not be one string */
export function writeText(path: string, parts: Iterable<string>): void {
  const encoder = new TextEncoder();
  writeFileAtomically(path, (sink) => {
    let offset = 0;
    for (const part of parts) {
      const bytes = encoder.encode(part);
      sink.write(offset, bytes);
      offset += bytes.byteLength;
    }
  });
}
