/**
 * Programs that answer calls in a process of their own, so that each side of a comparison has memory, engine flags and
 * threads to itself, and all of it goes when the process ends.
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Starts a file of `children/`. @returns `{ call(method, ...args), close() }` */
export function startChild(file) {
  const child = fork(fileURLToPath(new URL(`../children/${file}`, import.meta.url)), [], {
    stdio: ['ignore', 2, 2, 'ipc'],
    serialization: 'advanced',
  });
  const waiting = [];
  const fail = (error) => {
    for (const { reject } of waiting.splice(0)) reject(error);
  };
  child.on('message', ({ value, error }) => {
    const { resolve, reject } = waiting.shift();
    if (error === undefined) resolve(value);
    else reject(new Error(`${file}: ${error}`));
  });
  child.on('error', fail);
  child.on('exit', (code, signal) => fail(new Error(`${file} ended with ${code ?? signal}`)));
  return {
    call: (method, ...args) =>
      new Promise((resolve, reject) => {
        waiting.push({ resolve, reject });
        child.send({ method, args }, (error) => error && fail(error));
      }),
    /** Ends the process. */
    close: () =>
      new Promise((resolve) => {
        if (child.exitCode !== null || child.signalCode !== null) resolve();
        else child.once('exit', () => resolve()).kill();
      }),
  };
}

/** In a child: answers calls by the functions of `methods`, one after the other. */
export function answer(methods) {
  let last = Promise.resolve();
  process.on('message', ({ method, args }) => {
    last = last
      .then(() => methods[method](...args))
      .then(
        (value) => process.send({ value }),
        (error) => process.send({ error: error instanceof Error ? error.stack : String(error) }),
      );
  });
  // Without a parent there is nobody to answer.
  process.on('disconnect', () => process.exit());
}
