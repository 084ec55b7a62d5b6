import { type ChildProcess, spawn } from 'node:child_process';
import { readProcess } from './processes.js';
import { runnerScript } from './runner.js';

/** A process, told from any later one with the same pid. */
export interface ProcessIdentity {
  pid: number;
  start_time: number;
}

interface Runner {
  identity: ProcessIdentity;
  child: ChildProcess;
  /** Called once when the runner has ended its job (`died` false) or has died itself. */
  done: ((died: boolean) => void) | undefined;
}

/** Programs find what a login shell would; nothing of the server's own environment reaches them. */
const runnerEnvironment = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' };

/**
 * Runners of this machine, reused. Starting a program from a shell that is already there costs one fork of a very
 * small process: several times less than a fork of this server, whose memory would have to be mapped anew.
 */
export class RunnerPool {
  readonly #idle: Runner[] = [];
  readonly #maxIdle: number;
  readonly #environment: Record<string, string>;
  #closed = false;

  constructor(maxIdle: number, environment: Record<string, string> = runnerEnvironment) {
    this.#maxIdle = maxIdle;
    this.#environment = environment;
  }

  /**
   * Hands a prepared folder to a runner.
   *
   * @param done called once when the folder's job has ended, or (`true`) its runner has died
   * @returns who runs it
   */
  run(folder: string, done: (died: boolean) => void): ProcessIdentity {
    const runner = this.#idle.pop() ?? this.#start();
    runner.done = done;
    runner.child.stdin?.write(`${folder}\n`);
    return runner.identity;
  }

  #start(): Runner {
    const child = spawn('/bin/sh', ['-c', runnerScript, 'penstock-runner'], {
      cwd: '/',
      detached: true, // setsid: a session of its own, which no terminal and no end of ours touches
      env: this.#environment,
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    if (child.pid === undefined) throw new Error('no shell can be started on this machine');
    const runner: Runner = {
      identity: { pid: child.pid, start_time: readProcess(child.pid)?.startTime ?? 0 },
      child,
      done: undefined,
    };
    const finish = (died: boolean) => {
      const { done } = runner;
      runner.done = undefined;
      if (!died) this.#release(runner);
      done?.(died);
    };
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (!text.includes('\n')) return;
      text = '';
      finish(false);
    });
    child.on('exit', () => {
      const index = this.#idle.indexOf(runner);
      if (index >= 0) this.#idle.splice(index, 1);
      finish(true);
    });
    child.on('error', () => finish(true));
    // A broken pipe shows as the runner's exit, too.
    child.stdin?.on('error', () => {});
    child.unref();
    return runner;
  }

  #release(runner: Runner): void {
    if (this.#closed || this.#idle.length >= this.#maxIdle) runner.child.stdin?.end();
    else this.#idle.push(runner);
  }

  /** Lets idle runners go. Busy ones end their job and then leave by themselves. */
  close(): void {
    this.#closed = true;
    for (const runner of this.#idle.splice(0)) runner.child.stdin?.end();
  }
}
