/** What `--kernels` takes. `auto` is the best that this machine has. Apart, so that help loads no kernels. */
export const KERNEL_NAMES = ['auto', 'reference', 'wasm', 'native'] as const;

export type KernelsName = (typeof KERNEL_NAMES)[number];
