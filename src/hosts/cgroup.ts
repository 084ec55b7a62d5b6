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
export interface GroupLimits {
  memory: number | null;
  cpus: number | null;
  processes: number | null;
}
export type GroupLimit = keyof GroupLimits;

const period = 100_000; // microseconds over which the processor's share is counted

/** Per limit: the controller, and what is written where. Version 1 has one hierarchy for each controller. */
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

/**
 * The control groups of this machine, as far as this server may use them. Nothing is created before `create`.
 *
 * @param name the folder of ours in each hierarchy
 * @param root where control groups are mounted
 */
export function openControlGroups(name: string, root = '/sys/fs/cgroup') {
  const unified = existsSync(path.join(root, 'cgroup.controllers'));
  const version = unified ? 2 : 1;
  const parents: Partial<Record<GroupLimit, string>> = {};
  for (const limit of ['memory', 'cpus', 'processes'] as const) {
    const { controller } = kinds[version][limit];
    const base = unified ? root : path.join(root, controller);
    const usable =
      existsSync(base) &&
      attempt(() => accessSync(base, constants.W_OK)) &&
      (!unified ||
        readFileSync(path.join(root, 'cgroup.controllers'), 'utf8').split(/\s/).includes(controller));
    if (usable) parents[limit] = path.join(base, name);
  }

  function makeParent(limit: GroupLimit): boolean {
    const parent = parents[limit];
    if (parent === undefined) return false;
    if (existsSync(parent)) return true;
    return attempt(() => {
      const { controller } = kinds[version][limit];
      if (unified) writeFileSync(path.join(root, 'cgroup.subtree_control'), `+${controller}`);
      mkdirSync(parent);
      if (unified) writeFileSync(path.join(parent, 'cgroup.subtree_control'), '+memory +cpu +pids');
    });
  }

  /** Any hierarchy will do to know who descends from whom; the second version's costs the least. */
  const tracking = (
    unified ? [root] : ['unified', 'pids', 'freezer'].map((one) => path.join(root, one))
  ).find(
    (base) => existsSync(path.join(base, 'cgroup.procs')) && attempt(() => accessSync(base, constants.W_OK)),
  );
  const homes = tracking === undefined ? undefined : path.join(tracking, `${name}-runners`);

  return {
    /**
     * Makes a home for a runner: a group without limits, which holds all that its programs start, however they
     * detach themselves. A runner enters it once, so that a job costs nothing more.
     *
     * @returns its folder, or null where groups cannot be made
     */
    makeHome(key: string): string | null {
      if (homes === undefined) return null;
      const folder = path.join(homes, key);
      return attempt(() => mkdirSync(folder, { recursive: true })) ? folder : null;
    },

    /** The homes that there are, also those of runners from before a restart. */
    listHomes(): string[] {
      if (homes === undefined) return [];
      try {
        return readdirSync(homes, { withFileTypes: true })
          .filter((entry) => entry.isDirectory())
          .map((entry) => path.join(homes, entry.name));
      } catch {
        return [];
      }
    },

    /** The groups that were made for a job, also by a server that could not store its handle any more. */
    find(uuid: string): string[] {
      const folders = Object.values(parents).map((parent) => path.join(parent, uuid));
      return [...new Set(folders)].filter((folder) => existsSync(folder));
    },

    /**
     * Makes a job's groups.
     *
     * @returns the folders made, and the limits that cannot be kept here
     */
    create(uuid: string, limits: GroupLimits): { folders: string[]; unkept: GroupLimit[] } {
      const folders = new Set<string>();
      const unkept: GroupLimit[] = [];
      for (const limit of ['memory', 'cpus', 'processes'] as const) {
        const value = limits[limit];
        if (value === null) continue;
        const parent = makeParent(limit) ? parents[limit] : undefined;
        const folder = parent === undefined ? undefined : path.join(parent, uuid);
        const made =
          folder !== undefined &&
          attempt(() => {
            mkdirSync(folder, { recursive: true });
            folders.add(folder);
            kinds[version][limit].settings(value).forEach(([file, text], index) => {
              const full = path.join(folder, file);
              // The first is the limit itself. Not every kernel has every other (swap accounting can be off).
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
     * @returns those that stay
     */
    remove(folders: readonly string[]): string[] {
      return folders.filter((folder) => !attempt(() => rmdirSync(folder)) && existsSync(folder));
    },
  };
}

export type ControlGroups = ReturnType<typeof openControlGroups>;

/** The pids in groups. */
export function groupMembers(folders: readonly string[]): Set<number> {
  const pids = new Set<number>();
  for (const folder of folders) {
    attempt(() => {
      for (const line of readFileSync(path.join(folder, 'cgroup.procs'), 'utf8').split('\n')) {
        if (line !== '') pids.add(Number(line));
      }
    });
  }
  return pids;
}

/** True if the kernel ended something in one of the groups for want of memory. */
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
