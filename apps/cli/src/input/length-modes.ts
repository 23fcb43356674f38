/** Names of the ways to treat lengths, apart from what does it, so that help needs no compiler. */
export const LENGTH_MODES = ['resolved', 'bucketed', 'exact'] as const;
export type LengthMode = (typeof LENGTH_MODES)[number];
