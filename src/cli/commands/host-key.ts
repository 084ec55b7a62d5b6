import type { Command } from 'commander';
import { noun } from '../client/connect.js';
import { kinds } from '../client/find.js';
import { type CliIo, harmless } from '../terminal/io.js';
import { verbsOf } from './verbs.js';

/** `penstock host-key …`: the pinned host keys of the machines of `ssh.yaml`, for admins. */
export function registerHostKey(program: Command, io: CliIo): void {
  const verbs = verbsOf(
    noun(program, 'host-key', 'pinned host keys of the machines in ssh.yaml'),
    io,
    kinds.hostKey,
  );

  verbs.list('list the pinned host keys', [
    { title: 'HOST', value: (row) => row.host },
    { title: 'MACHINES', value: (row) => (Array.isArray(row.machines) ? row.machines.join(', ') : '') },
    { title: 'FINGERPRINT', value: (row) => row.fingerprint },
    { title: 'SINCE', value: (row) => row.created },
  ]);
  verbs.show('show the host key of one machine');
  verbs.remove(
    'forget the host key of a reinstalled machine; its next key is pinned',
    ({ host, fingerprint }) => `the key ${fingerprint} of ${harmless(`${host}`)}`,
  );
}
