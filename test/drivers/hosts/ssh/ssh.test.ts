import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { HostError } from '../../../../src/drivers/hosts/host.js';
import { fingerprintOf } from '../../../../src/drivers/hosts/ssh/host-keys.js';
import { type SshOptions, sshHost } from '../../../../src/drivers/hosts/ssh/ssh.js';
import { hostConformance } from '../../../conformance/host.js';
import { type Machine, noSshd, startMachine } from '../../../support/sshd.js';
import { waitFor } from '../../../support/wait-for.js';

const title = (name: string) => (noSshd === null ? name : `${name} (skipped: ${noSshd})`);

describe.skipIf(noSshd !== null)(title('over sshd'), () => {
  hostConformance('ssh', async () => {
    const machine = await startMachine({ disk: 8 * 2 ** 20 });
    return { host: sshHost(machine.login), disk: machine.base, close: () => machine.remove() };
  });
});

describe.skipIf(noSshd !== null)(title('over sshd without SFTP'), () => {
  hostConformance('ssh', async () => {
    const machine = await startMachine({ disk: 8 * 2 ** 20, sftp: null });
    return { host: sshHost(machine.login), disk: machine.base, close: () => machine.remove() };
  });
});

describe.skipIf(noSshd !== null)(title('ssh'), () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'penstock-ssh-'));
  const quick = { connect: 2000, keepAlive: 200, unanswered: 2 };
  let machine: Machine;
  beforeAll(async () => {
    machine = await startMachine();
  });
  afterAll(async () => {
    await machine.remove();
    rmSync(folder, { recursive: true, force: true });
  });
  /** A host for one test. */
  async function using<T>(more: Partial<SshOptions>, act: (host: ReturnType<typeof sshHost>) => Promise<T>) {
    const host = sshHost({ ...machine.login, times: quick, ...more });
    try {
      return await act(host);
    } finally {
      await host.close();
    }
  }
  const who = (more: Partial<SshOptions>) =>
    using(more, async (host) => (await host.run('whoami')).stdout.trim());
  const problem = (more: Partial<SshOptions>) =>
    who(more).then(
      () => null,
      (error: unknown) => error as HostError,
    );

  test('logs in by a key file, by a password, and by an agent', async () => {
    expect(await who({})).toBe('root');
    expect(await who({ keyFile: null, ...machine.guest })).toBe('penstock-guest');
    const agent = path.join(folder, 'agent');
    const child: ChildProcess = spawn('ssh-agent', ['-D', '-a', agent], { stdio: 'ignore' });
    try {
      await waitFor(() => existsSync(agent), 'the agent');
      execFileSync('ssh-add', ['-q', machine.login.keyFile ?? ''], {
        env: { ...process.env, SSH_AUTH_SOCK: agent },
        stdio: 'ignore',
      });
      expect(await who({ keyFile: null, agent })).toBe('root');
    } finally {
      child.kill();
    }
  });

  test('says why it is not let in, and no secret', async () => {
    const wrong = await problem({ keyFile: null, user: 'penstock-guest', password: 'not this one' });
    expect(wrong).toMatchObject({ name: 'HostError', problem: 'refused' });
    expect(wrong?.message).toContain('penstock-guest@');
    expect(wrong?.message).not.toContain('not this one');
    expect(await problem({ user: 'nobody-here' })).toMatchObject({ problem: 'refused' });
    expect(await problem({ keyFile: '/no/such/key' })).toMatchObject({ problem: 'refused' });
    expect(await problem({ keyFile: null, agent: '/no/such/agent' })).toMatchObject({ problem: 'refused' });
    const bad = path.join(folder, 'bad-key');
    writeFileSync(bad, 'PRIVATE nonsense');
    expect((await problem({ keyFile: bad }))?.message).not.toContain('nonsense');
  });

  test('pins the host key: the first is learned, another is refused with both fingerprints', async () => {
    const other = await startMachine();
    try {
      const learned: string[] = [];
      const login = { ...other.login, learned: (key: string) => void learned.push(key) };
      expect(await who(login)).toBe('root');
      const first = other.hostKey();
      expect(learned).toEqual([first]);
      for (const hostKey of [first, fingerprintOf(first)]) {
        expect(await who({ ...login, hostKey })).toBe('root');
      }
      await using(login, async (host) => {
        await host.run(':');
        await other.changeHostKey();
        // One that was learned in this process is held to, even if nobody stored it.
        await expect(waitFor(() => host.run(':').then(() => false), 'never')).rejects.toMatchObject({
          problem: expect.stringMatching(/host-key|unreachable/),
        });
        await expect(host.run(':')).rejects.toMatchObject({ problem: 'host-key' });
      });
      for (const hostKey of [first, fingerprintOf(first)]) {
        const refused = await problem({ ...login, hostKey });
        expect(refused).toMatchObject({ name: 'HostError', problem: 'host-key' });
        expect(refused?.message).toContain(fingerprintOf(first));
        expect(refused?.message).toContain(fingerprintOf(other.hostKey()));
      }
      expect(learned).toHaveLength(2);
    } finally {
      await other.remove();
    }
  });

  test('a machine with several keys shows the one that is known', async () => {
    const rsa = path.join(folder, 'rsa');
    execFileSync('ssh-keygen', ['-q', '-t', 'rsa', '-b', '2048', '-N', '', '-C', 'test', '-f', rsa]);
    const other = await startMachine({ lines: [`HostKey ${rsa}`] });
    try {
      const hostKey = readFileSync(`${rsa}.pub`, 'utf8').split(' ').slice(0, 2).join(' ');
      expect(await who({ ...other.login, hostKey })).toBe('root');
      expect(await who({ ...other.login, hostKey: other.hostKey() })).toBe('root');
    } finally {
      await other.remove();
    }
  });

  test('goes through a jump host', async () => {
    // Nothing listens at this address but as the jump host sees it.
    const other = await startMachine({ lines: ['ListenAddress 127.0.0.1', 'Port 22'] });
    try {
      const behind = { ...other.login, address: '127.0.0.1', jump: other.login, times: quick };
      await using(behind, async (host) => {
        expect((await host.run('echo $SSH_CONNECTION')).stdout).toMatch(/^127\.0\.0\.1 .* 127\.0\.0\.1 22$/m);
        other.cut();
        await expect(host.run('sleep 100')).rejects.toMatchObject({ problem: 'unreachable' });
        other.mend();
        await waitFor(() => host.run('echo').catch(() => null), 'the way back');
      });
      const nowhere = await problem({ ...behind, port: 1 });
      expect(nowhere).toMatchObject({ problem: 'unreachable' });
      expect(nowhere?.message).toContain('cannot be reached from root@10.');
      expect(await problem({ ...behind, jump: { ...other.login, user: 'nobody-here' } })).toMatchObject({
        problem: 'refused',
      });
    } finally {
      await other.remove();
    }
  });

  test('notices a dead link, fails what was under way, and comes back by itself', async () => {
    await using({}, async (host) => {
      await host.run(':');
      const under = [host.run('sleep 1000'), host.run('sleep 1000')].map((each) =>
        expect(each).rejects.toMatchObject({ name: 'HostError', problem: 'unreachable', begun: true }),
      );
      machine.cut();
      await Promise.all(under);
      await expect(host.run(':')).rejects.toMatchObject({ problem: 'unreachable', begun: false });
      machine.mend();
      await waitFor(() => host.run('echo back').catch(() => null), 'the way back');
    });
  });

  test('a machine that never answers costs no longer than it may', async () => {
    await using({}, async (host) => {
      machine.freeze();
      await expect(host.run(':')).rejects.toMatchObject({ problem: 'unreachable', begun: false });
      machine.thaw();
      await waitFor(() => host.run(':').catch(() => null), 'the way back');
      machine.freeze();
      await expect(host.run('sleep 1000')).rejects.toMatchObject({ problem: 'unreachable' });
      machine.thaw();
    });
  });

  test.each(['put', 'get'] as const)('%s is given up that nobody serves any more', async (way) => {
    const file = path.join(folder, 'stuck');
    writeFileSync(file, randomBytes(48 * 2 ** 20));
    await using({ times: { ...quick, answer: 500 } }, async (host) => {
      const stopped: number[] = [];
      const stop = () => {
        if (stopped.length > 0) return;
        stopped.push(...machine.processes('sftp-server'));
        for (const pid of stopped) process.kill(pid, 'SIGSTOP');
      };
      // The connection itself is alive, and answers.
      const moved = host[way](file, path.join(folder, `stuck-${way}`), { progress: stop });
      await expect(moved).rejects.toMatchObject({ name: 'HostError', problem: 'unreachable' });
      expect((await host.run('echo alive')).stdout).toBe('alive\n');
      expect(stopped).toHaveLength(1);
      await host[way](file, path.join(folder, `stuck-${way}`));
      expect(readFileSync(path.join(folder, `stuck-${way}`)).equals(readFileSync(file))).toBe(true);
      for (const pid of stopped) process.kill(pid, 'SIGKILL');
    });
  });

  test('SFTP that never begins is given up', async () => {
    const other = await startMachine({ sftp: '/bin/sleep 1000' });
    try {
      await using({ ...other.login, times: { ...quick, answer: 500 } }, async (host) => {
        const got = host.get('/etc/passwd', path.join(folder, 'passwd'));
        await expect(got).rejects.toMatchObject({ name: 'HostError', problem: 'unreachable' });
      });
    } finally {
      await other.remove();
    }
  });

  test('the end of sshd is heard at once', async () => {
    await using({ times: { ...quick, keepAlive: 60_000 } }, async (host) => {
      await host.run(':');
      const under = expect(host.run('sleep 1000')).rejects.toMatchObject({ problem: 'unreachable' });
      await machine.killSshd();
      await under;
      await expect(host.run(':')).rejects.toMatchObject({ problem: 'unreachable' });
      await machine.startSshd();
      await waitFor(() => host.run(':').catch(() => null), 'the way back');
    });
  });

  test.each(['put', 'get'] as const)('%s goes on where it was cut off', async (way) => {
    const file = path.join(folder, 'large');
    const to = path.join(folder, `large-${way}`);
    writeFileSync(file, randomBytes(48 * 2 ** 20));
    await using({}, async (host) => {
      const seen: number[] = [];
      let cut = false;
      const first = host[way](file, to, {
        progress: (done) => {
          if (cut || done < 16 * 2 ** 20) return;
          cut = true;
          machine.cut();
        },
      });
      await expect(first).rejects.toMatchObject({ problem: 'unreachable' });
      machine.mend();
      const again = () => host[way](file, to, { progress: (done) => seen.push(done) });
      await waitFor(
        () =>
          again().then(
            () => true,
            () => false,
          ),
        'the whole of it',
      );
      expect(seen[0]).toBeGreaterThan(8 * 2 ** 20);
      expect(readFileSync(to).equals(readFileSync(file))).toBe(true);
    });
  });

  test('what an earlier upload of something else left does no harm', async () => {
    const file = path.join(folder, 'changed');
    writeFileSync(file, randomBytes(2 ** 20));
    writeFileSync(path.join(folder, '.to.part'), randomBytes(2 ** 19));
    await using({}, (host) => host.put(file, path.join(folder, 'to')));
    expect(readFileSync(path.join(folder, 'to')).equals(readFileSync(file))).toBe(true);
  });

  test.each([
    ['MaxSessions 1', undefined],
    ['MaxSessions 2', undefined],
    ['MaxSessions 3', undefined],
    ['MaxSessions 1', null],
    ['MaxSessions 2', null],
  ] as const)('keeps to fewer channels where a machine takes no more: %s, SFTP %s', async (line, sftp) => {
    const other = await startMachine({ lines: [line], ...(sftp === undefined ? {} : { sftp }) });
    const file = path.join(folder, 'for few channels');
    writeFileSync(file, randomBytes(6_000_000));
    try {
      await using({ ...other.login, times: {} }, async (host) => {
        const said = Promise.all(Array.from({ length: 20 }, () => host.run('sleep 0.1; echo ok')));
        const files = Array.from({ length: 3 }, async (_, n) => {
          const [there, here] = [`there ${n}`, `here ${n}`].map((name) => path.join(other.base, name)) as [
            string,
            string,
          ];
          await host.put(file, there);
          await host.get(there, here);
          expect(readFileSync(here).equals(readFileSync(file))).toBe(true);
        });
        // One that is given up has a channel until it is ended there.
        await expect(host.run('sleep 1000', { timeout: 300 })).rejects.toMatchObject({
          problem: 'unreachable',
        });
        await Promise.all(files);
        expect((await said).map(({ stdout }) => stdout)).toEqual((await said).map(() => 'ok\n'));
        expect(other.processes('sleep')).toEqual([]);
      });
    } finally {
      await other.remove();
    }
  });
});
