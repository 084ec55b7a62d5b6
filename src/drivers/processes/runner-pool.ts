import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { type ControlGroups, groupMembers } from './cgroups/cgroup.js';
import { basicEnvironment } from './environment.js';
import { descendantsOf, isOver, readProcess } from './processes.js';
import { findReaper } from './reaper.js';
import { runnerScript } from './runner.js';
import { umaskForPrograms } from './umask.js';

/** A process, told from any later one with the same pid. */
export interface ProcessIdentity {
  pid: number;
  start_time: number;
}

/** Who runs a job, and what holds all together that comes of it. */
export interface Placement {
  runner: ProcessIdentity;
  /** The control group in which it does, if there is one. */
  home: string | null;
  /** True if the runner is given whatever detaches itself; it only is where there are no control groups. */
  reaper: boolean;
}

/** What became of a folder's job: it was run to its end, it could not be begun, or its runner has died. */
export type RunEnd = 'ended' | 'refused' | 'died';

interface Runner {
  placement: Placement;
  /** The job that it has, or had last. */
  folder: string;
  child: ChildProcess;
  /** Called once when the runner is done with its job. */
  done: ((end: RunEnd) => void) | undefined;
}

/**
 * Runners of this machine, reused. Starting a program from a shell that is already there costs one fork of a very
 * small process: several times less than a fork of this server, whose memory would have to be mapped anew.
 */
export class RunnerPool {
  readonly #idle: Runner[] = [];
  readonly #all = new Map<number, Runner>();
  readonly #maxIdle: number;
  #groups: Pick<ControlGroups, 'makeHome' | 'remove'> | null = null;
  readonly #environment: Record<string, string>;
  /** What makes a runner of a shell that is given its orphaned descendants; undefined until it is needed. */
  #reaper: readonly string[] | null | undefined;
  #closed = false;

  constructor(maxIdle: number, environment: Record<string, string> = basicEnvironment) {
    this.#maxIdle = maxIdle;
    this.#environment = environment;
  }

  /** Runners that start from now on live in groups of their own. */
  liveIn(groups: Pick<ControlGroups, 'makeHome' | 'remove'>): void {
    this.#groups = groups;
  }

  /** True if one of these runners lives there, or is about to move in. */
  uses(home: string): boolean {
    return [...this.#all.values()].some(({ placement }) => placement.home === home);
  }

  /**
   * Hands a prepared folder to a runner.
   *
   * @param done called once when nobody runs the folder's job any more
   * @returns who runs it
   */
  run(folder: string, done: (end: RunEnd) => void): Placement {
    const runner = this.#idle.pop() ?? this.#start();
    runner.done = done;
    runner.folder = folder;
    runner.child.stdin?.write(`${folder}\n`);
    return runner.placement;
  }

  /**
   * True unless the runner has another job by now. A runner that is not of this pool, because a server before this
   * one started it, never gets another.
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
      detached: true, // setsid: a session of its own, which no terminal and no end of ours touches
      env: this.#environment,
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    const leave = () => {
      if (home !== null) this.#groups?.remove([home]);
    };
    const { pid } = child;
    if (pid === undefined) {
      // The error comes as an event, too, and one that nobody listens to would end the server.
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
    // A broken pipe shows as the runner's exit, too.
    child.stdin?.on('error', () => {});
    child.unref();
    return runner;
  }

  #release(runner: Runner): void {
    const { home, reaper, runner: self } = runner.placement;
    // What a program left behind stays in its home: the next one moves into another. Or it stays with the runner, which
    // ends it before it leaves.
    const shared =
      (home !== null && groupMembers([home]).size > 1) ||
      (reaper && descendantsOf(self.pid).some((process) => !isOver(process)));
    if (shared || this.#closed || this.#idle.length >= this.#maxIdle) runner.child.stdin?.end();
    else this.#idle.push(runner);
  }

  /** Lets idle runners go. Busy ones end their job and then leave by themselves. */
  close(): void {
    this.#closed = true;
    for (const runner of this.#idle.splice(0)) runner.child.stdin?.end();
  }
}
