/** The 16 levels of iq4_nl and iq4_xs, in order of codes; unevenly spaced, dense around 0. Source: ggml. */
export const IQ4_LEVELS: readonly number[] = [
  -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
];
