import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { type ControlGroups, groupMembers } from './cgroups/cgroup.js';
import { basicEnvironment } from './environment.js';
import { descendantsOf, isOver, readProcess } from './processes.js';
import { findReaper } from './reaper.js';
import { runnerScript } from './runner.js';
import { umaskForPrograms } from './umask.js';

/** Identifies a process among all that ever have the same pid. */
export interface ProcessIdentity {
  pid: number;
  start_time: number;
}

/** Which runner has a job, and what keeps all its processes together. */
export interface Placement {
  runner: ProcessIdentity;
  /** The runner's control group, if there is one. */
  home: string | null;
  /** True if the runner adopts processes that detach; only used without control groups. */
  reaper: boolean;
}

/** What became of a folder's job: it ran to its end, it could not be started, or its runner died. */
export type RunEnd = 'ended' | 'refused' | 'died';

interface Runner {
  placement: Placement;
  /** Its current or last job. */
  folder: string;
  child: ChildProcess;
  /** Called once when the runner is done with its job. */
  done: ((end: RunEnd) => void) | undefined;
}

/**
 * Runners of this machine, reused. Starting a program from an existing shell costs one fork of a very small process,
 * which is several times cheaper than forking this server, whose memory mappings would have to be copied.
 */
export class RunnerPool {
  readonly #idle: Runner[] = [];
  readonly #all = new Map<number, Runner>();
  readonly #maxIdle: number;
  #groups: Pick<ControlGroups, 'makeHome' | 'remove'> | null = null;
  readonly #environment: Record<string, string>;
  /** The prefix that makes a runner adopt its orphaned descendants; undefined until needed. */
  #reaper: readonly string[] | null | undefined;
  #closed = false;

  constructor(maxIdle: number, environment: Record<string, string> = basicEnvironment) {
    this.#maxIdle = maxIdle;
    this.#environment = environment;
  }

  /** Runners started from now on get their own groups. */
  liveIn(groups: Pick<ControlGroups, 'makeHome' | 'remove'>): void {
    this.#groups = groups;
  }

  /** True if one of these runners is in that group, or about to enter it. */
  uses(home: string): boolean {
    return [...this.#all.values()].some(({ placement }) => placement.home === home);
  }

  /**
   * Hands a prepared folder to a runner.
   *
   * @param done called once when the folder's job is no longer running
   * @returns the runner that runs it
   */
  run(folder: string, done: (end: RunEnd) => void): Placement {
    const runner = this.#idle.pop() ?? this.#start();
    runner.done = done;
    runner.folder = folder;
    runner.child.stdin?.write(`${folder}\n`);
    return runner.placement;
  }

  /**
   * True unless the runner has another job by now. A runner from before a restart is not in this pool and never gets
   * another.
   */
  keeps(runner: ProcessIdentity, folder: string): boolean {
    const known = this.#all.get(runner.pid);
    return (
      known === undefined ||
      known.placement.runner.start_time !== runner.start_time ||
      known.folder === folder
    );
  }

  #start(): Runner {
    const home = this.#groups?.makeHome(randomBytes(8).toString('hex')) ?? null;
    const door = home === null ? '' : path.join(home, 'cgroup.procs');
    if (home === null && this.#reaper === undefined) this.#reaper = findReaper(this.#environment);
    const before = home === null ? (this.#reaper ?? []) : [];
    const reaper = before.length > 0;
    const given = [door, umaskForPrograms() ?? '', reaper ? 'reaper' : ''];
    const [program = '', ...words] = [...before, '/bin/sh', '-c', runnerScript, 'penstock-runner', ...given];
    const child = spawn(program, words, {
      cwd: '/',
      detached: true, // setsid: its own session, so that neither a terminal nor our end affects it
      env: this.#environment,
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    const leave = () => {
      if (home !== null) this.#groups?.remove([home]);
    };
    const { pid } = child;
    if (pid === undefined) {
      // The error also comes as an event, and without a listener it would end the server.
      child.on('error', () => {});
      leave();
      throw new Error('no shell can be started on this machine');
    }
    const runner: Runner = {
      placement: { runner: { pid, start_time: readProcess(pid)?.startTime ?? 0 }, home, reaper },
      folder: '',
      child,
      done: undefined,
    };
    this.#all.set(pid, runner);
    const finish = (end: RunEnd) => {
      const { done } = runner;
      runner.done = undefined;
      if (end !== 'died') this.#release(runner);
      done?.(end);
    };
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (!text.includes('\n')) return;
      const end = text.startsWith('refused') ? 'refused' : 'ended';
      text = '';
      finish(end);
    });
    child.on('exit', () => {
      const index = this.#idle.indexOf(runner);
      if (index >= 0) this.#idle.splice(index, 1);
      this.#all.delete(pid);
      leave();
      finish('died');
    });
    child.on('error', () => finish('died'));
    // A broken pipe also shows as the runner's exit.
    child.stdin?.on('error', () => {});
    child.unref();
    return runner;
  }

  #release(runner: Runner): void {
    const { home, reaper, runner: self } = runner.placement;
    // Processes left behind stay in their home, and the next program gets another. Or they stay with the runner, which
    // ends them before it leaves.
    const shared =
      (home !== null && groupMembers([home]).size > 1) ||
      (reaper && descendantsOf(self.pid).some((process) => !isOver(process)));
    if (shared || this.#closed || this.#idle.length >= this.#maxIdle) runner.child.stdin?.end();
    else this.#idle.push(runner);
  }

  /** Ends idle runners. Busy ones finish their job and then leave by themselves. */
  close(): void {
    this.#closed = true;
    for (const runner of this.#idle.splice(0)) runner.child.stdin?.end();
  }
}
