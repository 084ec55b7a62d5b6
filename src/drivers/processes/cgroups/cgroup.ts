import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';

/** What a control group can limit. Memory in bytes, cpus in processors (0.5 is half of one). */
interface GroupLimits {
  memory: number | null;
  cpus: number | null;
  processes: number | null;
}
type GroupLimit = keyof GroupLimits;
const limits = ['memory', 'cpus', 'processes'] as const satisfies readonly GroupLimit[];

const period = 100_000; // microseconds over which the processor's share is counted

/** Per limit: the controller, and which files get which values. Version 1 has one hierarchy per controller. */
const kinds: Record<
  1 | 2,
  Record<GroupLimit, { controller: string; settings: (value: number) => [string, string][] }>
> = {
  1: {
    memory: {
      controller: 'memory',
      settings: (bytes) => [
        ['memory.limit_in_bytes', String(bytes)],
        ['memory.memsw.limit_in_bytes', String(bytes)],
      ],
    },
    cpus: {
      controller: 'cpu',
      settings: (cpus) => [
        ['cpu.cfs_period_us', String(period)],
        ['cpu.cfs_quota_us', String(Math.max(1000, Math.round(cpus * period)))],
      ],
    },
    processes: { controller: 'pids', settings: (count) => [['pids.max', String(count)]] },
  },
  2: {
    memory: {
      controller: 'memory',
      settings: (bytes) => [
        ['memory.max', String(bytes)],
        ['memory.swap.max', '0'],
        ['memory.oom.group', '1'],
      ],
    },
    cpus: {
      controller: 'cpu',
      settings: (cpus) => [['cpu.max', `${Math.max(1000, Math.round(cpus * period))} ${period}`]],
    },
    processes: { controller: 'pids', settings: (count) => [['pids.max', String(count)]] },
  },
};

const attempt = (action: () => void): boolean => {
  try {
    action();
    return true;
  } catch {
    return false;
  }
};

const mayWrite = (folder: string): boolean =>
  attempt(() => {
    accessSync(folder, constants.W_OK);
    accessSync(path.join(folder, 'cgroup.procs'), constants.W_OK);
  });

/**
 * Where groups may be made in a version 2 hierarchy: at its root, or, for an ordinary user, beside or below the
 * server's own group, if systemd delegates it with `Delegate=yes`.
 */
function unifiedBase(root: string): string | undefined {
  if (!existsSync(path.join(root, 'cgroup.procs'))) return undefined;
  const own = /^0::(\/.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '/';
  return [root, path.dirname(path.join(root, own)), path.join(root, own)].find(
    (folder) => (folder === root || folder.startsWith(`${root}/`)) && mayWrite(folder),
  );
}

/**
 * The control groups of this machine, as far as Penstock may use them. Nothing is created before `create`.
 *
 * @param name our folder in each hierarchy
 * @param root where control groups are mounted
 */
export function openControlGroups(name: string, root = '/sys/fs/cgroup') {
  const unified = existsSync(path.join(root, 'cgroup.controllers'));
  const version = unified ? 2 : 1;
  const delegated = unifiedBase(unified ? root : path.join(root, 'unified'));
  /** The folder in which a limit's groups may be made. */
  const baseOf = (controller: string): string | undefined => {
    const base = unified ? delegated : path.join(root, controller);
    if (base === undefined || !mayWrite(base)) return undefined;
    const offered = () => readFileSync(path.join(base, 'cgroup.controllers'), 'utf8').split(/\s/);
    return !unified || offered().includes(controller) ? base : undefined;
  };
  const bases = Object.fromEntries(
    Object.entries(kinds[version]).map(([limit, { controller }]) => [limit, baseOf(controller)]),
  ) as Record<GroupLimit, string | undefined>;
  const parentOf = (limit: GroupLimit) =>
    bases[limit] === undefined ? undefined : path.join(bases[limit], name);

  function makeParent(limit: GroupLimit): boolean {
    const [base, parent] = [bases[limit], parentOf(limit)];
    if (base === undefined || parent === undefined) return false;
    if (existsSync(parent)) return true;
    return attempt(() => {
      const { controller } = kinds[version][limit];
      if (unified) writeFileSync(path.join(base, 'cgroup.subtree_control'), `+${controller}`);
      mkdirSync(parent);
      if (unified) writeFileSync(path.join(parent, 'cgroup.subtree_control'), '+memory +cpu +pids');
    });
  }

  /** Any hierarchy can track descendants; the best is one in which a group can be frozen. */
  const tracking =
    delegated ??
    ['freezer', 'pids'].map((one) => path.join(root, one)).find((base) => !unified && mayWrite(base));

  const homes = tracking === undefined ? undefined : path.join(tracking, `${name}-runners`);

  return {
    /** Our names in these. */
    names: [name, `${name}-runners`],
    /** The folders in which Penstock installations make their groups. */
    bases: [...new Set([tracking, ...Object.values(bases)])].filter((base) => base !== undefined),

    /**
     * Makes a home for a runner: a group without limits that holds everything its programs start, however it detaches
     * itself. A runner enters it once, so that it costs nothing per job.
     *
     * @returns its folder, or null if groups cannot be made
     */
    makeHome(key: string): string | null {
      if (homes === undefined) return null;
      const folder = path.join(homes, key);
      return attempt(() => mkdirSync(folder, { recursive: true })) ? folder : null;
    },

    /** All homes, including those of runners from before a restart. */
    listHomes(): string[] {
      return homes === undefined ? [] : groupsIn(homes);
    },

    /** The groups that were made for a job, even if its handle was never stored. */
    find(uuid: string): string[] {
      const folders = limits
        .flatMap((limit) => parentOf(limit) ?? [])
        .map((parent) => path.join(parent, uuid));
      return [...new Set(folders)].filter((folder) => existsSync(folder));
    },

    /**
     * Makes a job's groups.
     *
     * @returns the folders made, and the limits that cannot be enforced here
     */
    create(uuid: string, wanted: GroupLimits): { folders: string[]; unkept: GroupLimit[] } {
      const folders = new Set<string>();
      const unkept: GroupLimit[] = [];
      for (const limit of limits) {
        const value = wanted[limit];
        if (value === null) continue;
        const parent = makeParent(limit) ? parentOf(limit) : undefined;
        const folder = parent === undefined ? undefined : path.join(parent, uuid);
        const made =
          folder !== undefined &&
          attempt(() => {
            mkdirSync(folder, { recursive: true });
            folders.add(folder);
            kinds[version][limit].settings(value).forEach(([file, text], index) => {
              const full = path.join(folder, file);
              // The first is the limit itself. Some kernels lack the others (swap accounting can be off).
              if (index === 0 || existsSync(full)) writeFileSync(full, text);
            });
          });
        if (!made) unkept.push(limit);
      }
      return { folders: [...folders], unkept };
    },

    /**
     * Removes groups. One that still has processes stays.
     *
     * @returns those that remain
     */
    remove(folders: readonly string[]): string[] {
      return folders.filter((folder) => !removeGroup(folder) && existsSync(folder));
    },
  };
}

export type ControlGroups = ReturnType<typeof openControlGroups>;

/** The groups within a group: a program with the right to do so can make its own. */
export function groupsIn(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => path.join(folder, entry.name));
  } catch {
    return [];
  }
}

/** Removes a group with its subgroups; false if it still has processes. */
export const removeGroup = (folder: string): boolean =>
  groupsIn(folder).every(removeGroup) && attempt(() => rmdirSync(folder));

/** The pids in groups and their subgroups. */
export function groupMembers(folders: readonly string[]): Set<number> {
  const pids = new Set<number>();
  for (const folder of folders) {
    attempt(() => {
      for (const line of readFileSync(path.join(folder, 'cgroup.procs'), 'utf8').split('\n')) {
        if (line !== '') pids.add(Number(line));
      }
    });
    for (const pid of groupMembers(groupsIn(folder))) pids.add(pid);
  }
  return pids;
}

/** True if the kernel killed something in one of the groups for lack of memory. */
export function ranOutOfMemory(folders: readonly string[]): boolean {
  return folders.some((folder) =>
    ['memory.events', 'memory.oom_control'].some((file) => {
      try {
        const text = readFileSync(path.join(folder, file), 'utf8');
        return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0) > 0;
      } catch {
        return false;
      }
    }),
  );
}
