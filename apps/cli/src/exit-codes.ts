/** What the exit status of the command says. Scripts rely on these numbers. */
export const EXIT = {
  ok: 0,
  /** A result failed a check that the user stated. */
  checkFailed: 1,
  /** Bad input or usage: every typed error but our own bugs. */
  badInput: 2,
  /** A bug of ours. */
  internal: 101,
  /** Cancelled by an interrupt; what shells use for SIGINT. */
  interrupted: 130,
} as const;
