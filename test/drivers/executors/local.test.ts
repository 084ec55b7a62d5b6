import { randomBytes } from 'node:crypto';
import { accessSync, constants, existsSync } from 'node:fs';
import path from 'node:path';
import { localExecutor } from '../../../src/drivers/executors/local.js';
import { openControlGroups } from '../../../src/drivers/processes/cgroups/cgroup.js';
import { findReaper } from '../../../src/drivers/processes/reaper.js';
import { RunnerPool } from '../../../src/drivers/processes/runner-pool.js';
import { executorConformance } from '../../conformance/executor.js';

const probe = { memory: 2 ** 30, cpus: null, processes: 100 };
const unlimited = path.join('/', 'no', 'control', 'groups');

function stageAt(root?: string) {
  const name = `penstock-test-${randomBytes(4).toString('hex')}`;
  const groups = openControlGroups(name, root);
  const { folders, unkept } = groups.create('probe', probe);
  groups.remove(folders);
  const home = groups.makeHome('probe');
  if (home !== null) groups.remove([home]);
  return {
    make: () => localExecutor({ instance: name, pool: new RunnerPool(8), groups }),
    keeps: { memory: !unkept.includes('memory'), processes: !unkept.includes('processes') },
    joins: true,
    tracks: (home !== null && writable(path.dirname(home))) || findReaper() !== null,
    // The runners have left by now, or do so at once.
    close: () => void groups.remove([...groups.listHomes(), ...(home === null ? [] : [path.dirname(home)])]),
  };
}

function writable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return existsSync(folder);
  } catch {
    return false;
  }
}

executorConformance('local', () => stageAt());
executorConformance('local without control groups', () => stageAt(unlimited));
