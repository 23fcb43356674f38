/** What a native kernel answers, as errors. The numbers are those of `Status` in native/common.h. */
import { BitloomError, type ErrorDetails, internalError } from '@bitloom/ir';

const ERRORS: Readonly<Record<number, Pick<ErrorDetails, 'code' | 'message' | 'hint'>>> = {
  2: {
    code: 'native-argument',
    message: 'a native kernel was given an argument that it cannot take',
    hint: 'sizes, strides and pointers are whole numbers; flags, bits and groups are those of the interface',
  },
  3: {
    code: 'native-outside',
    message: 'an operand of a native kernel lies outside of the memory',
    hint: 'check the pointers and strides of the call against the size of the arena',
  },
  4: {
    code: 'native-memory',
    message: 'a native kernel found no memory for its working space',
    hint: 'free memory, or use fewer threads',
  },
  5: {
    code: 'native-closed',
    message: 'a native kernel was called after its handle was closed',
    hint: 'close the kernels when the last call has returned',
  },
};

/**
 * Does nothing for the status 0.
 *
 * @param kernel what was called, for the message
 * @throws BitloomError `native-argument`, `native-outside`, `native-memory` or `native-closed` for other statuses.
 */
export function checkNative(status: number, kernel: string): void {
  if (status === 0) return;
  const details = ERRORS[status];
  if (details === undefined) throw internalError(`a native kernel answered status ${status}`, kernel);
  throw new BitloomError({ ...details, where: kernel });
}
