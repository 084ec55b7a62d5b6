import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { remoteExecutor } from '../../../../src/drivers/executors/remote/remote.js';
import type { Host } from '../../../../src/drivers/hosts/host.js';
import { remoteFolder } from '../../../../src/drivers/hosts/scripts/remote-launch.js';
import { sshHost } from '../../../../src/drivers/hosts/ssh/ssh.js';
import { thisMachine } from '../../../../src/drivers/hosts/this-machine.js';
import { executorConformance } from '../../../conformance/executor.js';
import { type Machine, noSshd, startMachine } from '../../../support/sshd.js';

function stageOn(host: () => Host) {
  const instance = `test-${randomBytes(4).toString('hex')}`;
  const base = mkdtempSync(path.join(os.tmpdir(), 'penstock-remote-'));
  return {
    make: () => remoteExecutor({ instance, hostOf: host }),
    keeps: { memory: false, processes: false },
    tracks: false,
    joins: false,
    place: (uuid: string) => ({ host: 'test', folder: remoteFolder(base, instance, uuid, '1') }),
    close: () => rmSync(base, { recursive: true, force: true }),
  };
}

describe('remote executor on this machine', () => {
  const host = thisMachine();
  afterAll(() => host.close());
  executorConformance('remote here', () => stageOn(() => host));
});

describe.skipIf(noSshd !== null)(
  noSshd === null ? 'remote executor over SSH' : `remote executor over SSH (skipped: ${noSshd})`,
  () => {
    let machine: Machine;
    let host: Host;
    beforeAll(async () => {
      machine = await startMachine();
      host = sshHost(machine.login);
    });
    afterAll(async () => {
      await host.close();
      await machine.remove();
    });
    executorConformance('ssh', () => stageOn(() => host));
  },
);
