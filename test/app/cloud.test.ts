import { execFileSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startServer } from '../support/server.js';
import { noSshd, startMachine } from '../support/sshd.js';

test('a locked key is unlocked with AUTH_PASSWORD where there is no AUTH_PASSPHRASE, as of old', async ({
  skip,
}) => {
  if (noSshd !== null) skip(noSshd);
  const machine = await startMachine();
  onTestFinished(() => machine.remove());
  const key = path.join(path.dirname(machine.base), 'locked');
  copyFileSync(machine.login.keyFile ?? '', key);
  execFileSync('ssh-keygen', ['-q', '-p', '-P', '', '-N', 'a passphrase', '-f', key]);
  const server = await startServer({
    config: {
      'ssh.yaml': {
        AUTH_USER: 'root',
        AUTH_KEYFILE: key,
        AUTH_PASSWORD: 'a passphrase',
        MACHINES: [{ NAME: 'bench', ADDRESS: machine.address }],
      },
    },
  });
  onTestFinished(() => server.remove());
  const id = await server.register({ exec: 'echo', argv: ['in'], executor: 'ssh', host: 'bench' });
  const answer = await server.fetch(`/api/process_definition/${id}/run/?wait=60&output=raw`, {
    method: 'POST',
  });
  expect(await answer.text()).toBe('in\n');
});
