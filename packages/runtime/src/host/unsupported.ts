/** Errors of the host interpreter about graphs it cannot run; each names the op and the node. */
import { BitloomError } from '@bitloom/ir';

/** The parts of a node that an error shows. */
export interface NodeIdentity {
  readonly name: string;
  readonly op: string;
}

/** The error for a node, or an operand of one, that the interpreter has no way to run. */
export function unsupportedNode(
  node: NodeIdentity,
  expected: string,
  got: string,
  hint?: string,
): BitloomError {
  return new BitloomError({
    code: 'host-op-unsupported',
    message: `the host interpreter cannot run op '${node.op}' as it stands here`,
    where: `node '${node.name}'`,
    expected,
    got,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** The error for an entry function whose interface the interpreter cannot serve. */
export function unsupportedEntry(entry: string, expected: string, got: string): BitloomError {
  return new BitloomError({
    code: 'host-entry-unsupported',
    message: 'the host interpreter cannot run this entry of the model',
    where: `function '${entry}'`,
    expected,
    got,
    hint: 'entries take the token ids of one sequence and give its logits',
  });
}
