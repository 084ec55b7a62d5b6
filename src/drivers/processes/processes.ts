import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** A process as Linux describes it in /proc. `startTime` is in clock ticks since boot. */
export interface Process {
  pid: number;
  name: string;
  state: string;
  parent: number;
  group: number;
  session: number;
  /** True if it has a controlling terminal, so that a person uses it. */
  terminal: boolean;
  startTime: number;
}

let boot: string | null = null;

/** The id of this machine's current boot: a pid means nothing after a reboot. */
export function bootId(): string {
  boot ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return boot;
}

/** Clock ticks in a second, as /proc counts: the same on every Linux. */
export const ticksPerSecond = 100;

/** One process, or undefined if it is gone. */
export function readProcess(pid: number): Process | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The name is in parentheses and may itself contain parentheses and spaces.
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  const fields = text.slice(close + 2).split(' ');
  return {
    pid,
    name: text.slice(open + 1, close),
    state: fields[0] ?? '?',
    parent: Number(fields[1]),
    group: Number(fields[2]),
    session: Number(fields[3]),
    terminal: fields[4] !== '0',
    startTime: Number(fields[19]),
  };
}

/** All processes of this machine. */
export function listProcesses(): Process[] {
  const list: Process[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const process = readProcess(Number(name));
    if (process !== undefined) list.push(process);
  }
  return list;
}

/** Whether the kernel lists children, which saves reading every process. */
const tellsChildren = existsSync('/proc/thread-self/children');

/** The pids of a process's children, including zombies. */
function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1').split(' ').filter(Boolean).map(Number),
    );
  } catch {
    return [];
  }
}

/**
 * All current descendants of a process. One that is born or loses its parent meanwhile may be missed: if the root
 * adopts its orphaned descendants (see `reaper.ts`), the next call shows it as a child of the root.
 */
export function descendantsOf(root: number): Process[] {
  const found = new Map<number, Process>();
  const all = tellsChildren ? [] : listProcesses();
  const below = (pid: number): Process[] =>
    tellsChildren
      ? childrenOf(pid).flatMap((child) => readProcess(child) ?? [])
      : all.filter(({ parent }) => parent === pid);
  const open = [root];
  for (let pid = open.pop(); pid !== undefined; pid = open.pop()) {
    for (const process of below(pid)) {
      // A pid may have passed to a stranger meanwhile.
      if (found.has(process.pid) || (process.parent !== pid && process.parent !== root)) continue;
      found.set(process.pid, process);
      open.push(process.pid);
    }
  }
  return [...found.values()];
}

/** The value of a variable that the process was started with, or undefined. */
export function variableOf(pid: number, name: string): string | undefined {
  try {
    const environment = `\0${readFileSync(`/proc/${pid}/environ`, 'latin1')}`;
    const start = environment.indexOf(`\0${name}=`);
    if (start < 0) return undefined;
    const from = start + name.length + 2;
    return environment.slice(from, environment.indexOf('\0', from));
  } catch {
    return undefined;
  }
}

/** The working folder of a process, or undefined if it is gone or we may not see it. */
export function workingFolder(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return undefined;
  }
}

/** True if the process works in the folder or writes to a file in it. Reading there does not count. */
export function usesFolder(pid: number, folder: string): boolean {
  const inside = (link: string) => {
    try {
      const target = readlinkSync(link);
      return target === folder || target.startsWith(`${folder}/`);
    } catch {
      return false;
    }
  };
  if (inside(`/proc/${pid}/cwd`)) return true;
  try {
    return readdirSync(`/proc/${pid}/fd`).some(
      (descriptor) => inside(`/proc/${pid}/fd/${descriptor}`) && writes(pid, descriptor),
    );
  } catch {
    return false;
  }
}

function writes(pid: number, descriptor: string): boolean {
  const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/${pid}/fdinfo/${descriptor}`, 'utf8'))?.[1];
  return flags !== undefined && (Number.parseInt(flags, 8) & 3) !== 0;
}

/** True for a process that has ended and only waits to be reaped. */
export const isOver = ({ state }: Process): boolean => state === 'Z' || state === 'X';

/**
 * True if that very process is exiting. The kernel frees its memory first, and with it all marks of its job; files,
 * ports and locks are held for a moment longer.
 */
export function isDying({ pid, startTime }: Process): boolean {
  const process = readProcess(pid);
  if (process === undefined || process.startTime !== startTime || isOver(process)) return false;
  try {
    return readFileSync(`/proc/${pid}/cmdline`).length === 0;
  } catch {
    return false;
  }
}

/** True if that very process still lives: the pid alone may have been given to another. A zombie does not live. */
export function lives(pid: number, startTime: number): boolean {
  const process = readProcess(pid);
  return process !== undefined && process.startTime === startTime && !isOver(process);
}
