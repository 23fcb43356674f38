/** What `--kernels` and `--threads` take. Apart, so that help loads no kernels. */

/** `auto` is the best that this machine has. */
export const KERNEL_NAMES = ['auto', 'reference', 'wasm', 'native'] as const;

export type KernelsName = (typeof KERNEL_NAMES)[number];

/** More threads than this wait for memory, and kernels refuse them. */
export const MOST_THREADS = 16;
