/**
 * Carries the stream of one core out in program order, which verification has shown to be a legal schedule, and stops
 * behind each exchange, so that the others can catch up.
 */
import { internalError } from '@bitloom/ir';
import { type Environment, type Step, setLoopVariable, setRegister } from '../compiled-stream.js';
import type { Execute } from './arguments.js';

/** The steps of a core with what each does; nothing for control. */
export interface CoreActions {
  readonly core: number;
  readonly steps: readonly Step[];
  readonly execute: readonly (Execute | undefined)[];
  readonly hasExchange: boolean;
}

export class CoreWalk {
  private readonly actions: CoreActions;
  private readonly env: Environment;
  private readonly iterations: number[] = [];
  private readonly trips: number[] = [];
  private pc = 0;

  constructor(actions: CoreActions, env: Environment) {
    this.actions = actions;
    this.env = env;
  }

  /** Goes on behind the next exchange, or to the end. @returns whether there is more to do */
  advance(): boolean {
    const { actions, env } = this;
    const { steps, execute, hasExchange } = actions;
    for (;;) {
      const action = execute[this.pc];
      if (action !== undefined) {
        action(env);
        this.pc++;
        if (hasExchange && steps[this.pc - 1].instruction.spec.name === 'XCH') return true;
        continue;
      }
      const step = steps[this.pc];
      if (step === undefined || step.kind === 'halt') return false;
      this.control(step);
    }
  }

  private control(step: Step): void {
    const { env, iterations, trips } = this;
    switch (step.kind) {
      case 'loop': {
        const count = step.trips(env);
        if (count <= 0) {
          this.pc = step.end + 1;
          return;
        }
        iterations.push(0);
        trips.push(count);
        setLoopVariable(env, step.variable, 0);
        this.pc++;
        return;
      }
      case 'end': {
        const depth = iterations.length - 1;
        const next = iterations[depth] + 1;
        const loop = this.actions.steps[step.start];
        if (loop?.kind !== 'loop') throw internalError('END without a LOOP');
        if (next < trips[depth]) {
          iterations[depth] = next;
          setLoopVariable(env, loop.variable, next);
          this.pc = step.start + 1;
          return;
        }
        iterations.pop();
        trips.pop();
        this.pc++;
        return;
      }
      case 'base':
        setRegister(env, step.register(env), step.value(env));
        this.pc++;
        return;
      default:
        this.pc++;
    }
  }
}
