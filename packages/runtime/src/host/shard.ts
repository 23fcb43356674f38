/**
 * One memory of a loaded model: its kernels, the constants of the layers that run there and their workspace. What is
 * allocated goes onto the arena as on a stack, and comes off when nothing of anybody else lies above.
 */
import type { ModelBundle } from '@bitloom/ir';
import type { Kernels } from '@bitloom/kernels';
import { ConstantStore } from './constants.js';

export class Shard {
  readonly kernels: Kernels;
  readonly constants: ConstantStore;
  /** Bytes of constants. */
  weightBytes = 0;
  workspaceBytes = 0;
  /** Address of the workspace. */
  workspace = 0;
  readonly #mark: number;
  #end: number;

  constructor(bundle: ModelBundle, kernels: Kernels) {
    this.kernels = kernels;
    this.constants = new ConstantStore(bundle, kernels.arena);
    this.#mark = kernels.arena.mark();
    this.#end = this.#mark;
  }

  /** @throws BitloomError `arena-full` */
  allocateWorkspace(bytes: number): void {
    this.workspace = this.kernels.arena.alloc(bytes);
    this.workspaceBytes = bytes;
  }

  /** Says that all constants are loaded and the workspace is there. */
  seal(): void {
    this.#end = this.kernels.arena.used;
    this.weightBytes = this.#end - this.#mark - this.workspaceBytes;
  }

  /**
   * Address of a block for the caches of a sequence.
   * @throws BitloomError `arena-full`
   */
  allocateCaches(bytes: number): number {
    const { arena } = this.kernels;
    if (bytes === 0) return 0;
    const isOnTop = arena.used === this.#end;
    const pointer = arena.alloc(bytes);
    if (isOnTop) this.#end = arena.used;
    return pointer;
  }

  /** Remembers what is allocated; calling the result gives back what was allocated since. */
  checkpoint(): () => void {
    const { arena } = this.kernels;
    const [mark, end] = [arena.mark(), this.#end];
    return () => {
      arena.release(mark);
      this.#end = end;
    };
  }

  /** Gives everything back. Memory of somebody else may lie above; then it stays until they release below it. */
  release(): void {
    const { arena } = this.kernels;
    if (arena.used === this.#end) arena.release(this.#mark);
  }

  /** Gives everything back after a failure, when nobody else can have allocated since. */
  abandon(): void {
    this.kernels.arena.release(this.#mark);
  }
}
