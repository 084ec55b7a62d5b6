import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type RemoteOptions, remoteExecutor } from '../../../src/drivers/executors/remote/remote.js';
import type { Host } from '../../../src/drivers/hosts/host.js';
import { remoteFolder } from '../../../src/drivers/hosts/scripts/remote-launch.js';
import { sshHost } from '../../../src/drivers/hosts/ssh/ssh.js';
import { type Machine, noSshd, startMachine } from '../../support/sshd.js';
import { waitFor } from '../../support/wait-for.js';

const none = { fileSize: null, memory: null, cpuTime: null, cpus: null, processes: null };
/** Somebody else who has a login on the machine. */
const other = 61234;

describe.skipIf(noSshd !== null)(
  noSshd === null ? 'other users of a machine' : `other users of a machine (skipped: ${noSshd})`,
  () => {
    let machine: Machine;
    let host: Host;
    let root: string;
    let base: string;
    let count = 0;
    beforeAll(async () => {
      machine = await startMachine();
      host = sshHost(machine.login);
      root = mkdtempSync(path.join(os.tmpdir(), 'penstock-others-'));
    });
    afterAll(async () => {
      await host.close();
      await machine.remove();
      rmSync(root, { recursive: true, force: true });
    });
    beforeEach(() => {
      // As /tmp is.
      base = path.join(machine.base, randomBytes(4).toString('hex'));
      mkdirSync(base);
      chmodSync(base, 0o1777);
    });
    const theirs = (file: string, mode: number) => {
      chownSync(file, other, other);
      chmodSync(file, mode);
    };

    function prepare(script: string, options: Partial<RemoteOptions> = {}) {
      count += 1;
      const folder = path.join(root, String(count));
      mkdirSync(folder);
      const input = path.join(folder, 'input');
      writeFileSync(input, 'a secret input\n', { mode: 0o644 });
      const uuid = `2070001${count}-0000-5000-8000-${String(process.pid).padStart(12, '0')}`;
      const there = remoteFolder(base, 'test', uuid, '1');
      const executor = remoteExecutor({ instance: 'test', hostOf: () => host, ...options });
      const command = {
        ...{ uuid, exec: '/bin/sh', argv: ['-c', script], user: null, killGrace: 1, limits: none },
        ...{ environment: { PATH: '/usr/bin:/bin', SECRET: 'value' }, cwd: `${there}/work` },
      };
      const [stdout, stderr] = ['stdout', 'stderr'].map((name) => path.join(folder, name)) as [
        string,
        string,
      ];
      const files = {
        ...{ folder, stdin: input, stdout, stderr, companions: [] },
        ...{ place: { host: 'machine', folder: there } },
      };
      return { executor, command, files, there, stdout };
    }

    test('cannot enter the folder of a run, also not where it has input', async () => {
      const go = path.join(base, 'go');
      const { executor, command, files, there } = prepare(`cat; until [ -e ${go} ]; do sleep 0.05; done`);
      const handle = await executor.start(command, files);
      await waitFor(() => existsSync(`${there}/stdout`) && statSync(`${there}/stdout`).size > 0, 'output');
      for (let each = there; each !== base; each = path.dirname(each))
        expect([each, (statSync(each).mode & 0o777).toString(8)]).toEqual([each, '700']);
      writeFileSync(go, '');
      expect(await executor.wait(handle)).toMatchObject({ cause: 'exit', exit_code: 0 });
      await executor.close();
    });

    test.each(['a folder', 'a link'] as const)('cannot lay %s in our way', async (kind) => {
      const trap = path.join(base, 'penstock-test');
      const elsewhere = path.join(base, 'elsewhere');
      mkdirSync(elsewhere);
      if (kind === 'a link') symlinkSync(elsewhere, trap);
      else {
        mkdirSync(trap);
        theirs(trap, 0o777);
      }
      for (const input of [true, false]) {
        const { executor, command, files } = prepare('cat');
        const started = executor.start(command, { ...files, ...(input ? {} : { stdin: null }) });
        await expect(started).rejects.toThrow(/penstock-test was not made by us/);
        await executor.close();
        expect(readdirSync(elsewhere)).toEqual([]);
        expect(readdirSync(trap)).toEqual([]);
        expect(await executor.recover(command.uuid, files.folder, null)).toBe('never-started');
        expect(readdirSync(trap)).toEqual([]);
        await executor.close();
      }
    });

    test('cannot have a large file written elsewhere, nor keep one of their own in its place', async () => {
      const large = path.join(root, 'large');
      writeFileSync(large, randomBytes(2 ** 20), { mode: 0o600 });
      const victim = path.join(base, 'victim');
      writeFileSync(victim, 'precious');
      const to = path.join(base, 'tool');
      const part = path.join(base, '.tool.part');
      symlinkSync(victim, part);
      await host.put(large, to, { mode: 0o755 });
      expect(readFileSync(victim, 'utf8')).toBe('precious');
      expect(lstatSync(to).isFile()).toBe(true);
      rmSync(to);

      // One of theirs that could be gone on with, and changed afterwards.
      writeFileSync(part, readFileSync(large));
      truncateSync(part, 2 ** 19);
      theirs(part, 0o666);
      await host.put(large, to, { mode: 0o755 });
      expect([statSync(to).uid, readFileSync(to).equals(readFileSync(large))]).toEqual([0, true]);
    });

    test.each([10, 2 ** 20])('a folder in the place of a file of %i bytes is told', async (size) => {
      const file = path.join(root, 'file');
      writeFileSync(file, randomBytes(size));
      const to = path.join(base, 'folder');
      mkdirSync(to);
      await expect(host.put(file, to)).rejects.toMatchObject({ name: 'HostError', problem: 'missing' });
      expect(readdirSync(to)).toEqual([]);
      expect(existsSync(`${to}/.folder.part`)).toBe(false);
    });
  },
);
