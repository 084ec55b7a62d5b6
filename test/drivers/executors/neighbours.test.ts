import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import type { Executor, ExecutorFiles } from '../../../src/drivers/executors/executor.js';
import { localExecutor } from '../../../src/drivers/executors/local.js';
import { remoteExecutor } from '../../../src/drivers/executors/remote/remote.js';
import { remoteFolder } from '../../../src/drivers/hosts/scripts/remote-launch.js';
import { thisMachine } from '../../../src/drivers/hosts/this-machine.js';
import { openControlGroups } from '../../../src/drivers/processes/cgroups/cgroup.js';
import { RunnerPool } from '../../../src/drivers/processes/runner-pool.js';
import { alive, linesOf, program } from '../../support/programs.js';
import { waitFor } from '../../support/wait-for.js';

const none = { fileSize: null, memory: null, cpuTime: null, cpus: null, processes: null };

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** Both executors of one installation, as with `connector: local`, whose servers are this machine. */
function neighbours() {
  const root = mkdtempSync(path.join(os.tmpdir(), 'penstock-neighbours-'));
  const instance = randomBytes(8).toString('hex');
  const host = thisMachine();
  const groups = openControlGroups(instance, path.join('/', 'no', 'control', 'groups'));
  const local = localExecutor({ instance, pool: new RunnerPool(2), groups });
  const remote = remoteExecutor({ instance, hostOf: () => host });
  closing.push(
    () => rmSync(root, { recursive: true, force: true }),
    () => host.close(),
    () => remote.close(),
    () => local.close(),
  );
  let count = 0;
  const start = async (executor: Executor, exec: string, argv: string[]) => {
    count += 1;
    const folder = path.join(root, String(count));
    mkdirSync(path.join(folder, 'work'), { recursive: true });
    const uuid = `3070000${count}-0000-5000-8000-${String(process.pid).padStart(12, '0')}`;
    const there = remoteFolder(path.join(root, 'there'), instance, uuid, '1');
    const files: ExecutorFiles = {
      ...{ folder, stdin: null, companions: [] },
      ...{ stdout: path.join(folder, 'stdout'), stderr: path.join(folder, 'stderr') },
      ...(executor === remote ? { place: { host: 'this', folder: there } } : {}),
    };
    const cwd = executor === remote ? `${there}/work` : path.join(folder, 'work');
    const environment = { PATH: '/usr/bin:/bin' };
    return executor.start(
      { uuid, exec: program(exec), argv, environment, cwd, user: null, killGrace: 1, limits: none },
      files,
    );
  };
  return { root, local, remote, start };
}

test('what is cleared away after a job of this machine is never a run that another executor has here', async () => {
  const { root, local, remote, start } = neighbours();
  const healthy = path.join(root, 'healthy');
  const handle = await start(remote, 'forever', [healthy]);
  const pid = Number(await waitFor(() => linesOf(healthy)[0], 'the healthy run'));

  // When this one's daemon has been ended, the clearing has looked at every process of the machine.
  const left = path.join(root, 'left');
  const done = await start(local, 'holds-stdout', [left]);
  expect(await local.wait(done)).toMatchObject({ cause: 'exit', exit_code: 0 });
  const daemon = Number(await waitFor(() => linesOf(left)[0], 'the daemon'));
  await waitFor(() => alive(daemon) === undefined, 'the end of the daemon');

  expect(alive(pid)).toMatchObject({ pid });
  const receipt = await remote.cancel(handle, 1);
  expect(receipt.signalled.find((one) => one.pid === pid)?.signals).toContain('SIGTERM');
  expect(await remote.wait(handle)).not.toMatchObject({ cause: 'exit', exit_code: 0 });
});
