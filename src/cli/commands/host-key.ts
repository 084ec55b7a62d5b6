import type { Command } from 'commander';
import { noun } from '../client/connect.js';
import { kinds } from '../client/find.js';
import { type CliIo, harmless } from '../terminal/io.js';
import { verbsOf } from './verbs.js';

/** `penstock host-key …`: the keys by which machines of `ssh.yaml` are known, for admins. */
export function registerHostKey(program: Command, io: CliIo): void {
  const verbs = verbsOf(
    noun(program, 'host-key', 'keys by which machines of ssh.yaml are known'),
    io,
    kinds.hostKey,
  );

  verbs.list('list the keys that machines have shown', [
    { title: 'HOST', value: (row) => row.host },
    { title: 'MACHINES', value: (row) => (Array.isArray(row.machines) ? row.machines.join(', ') : '') },
    { title: 'FINGERPRINT', value: (row) => row.fingerprint },
    { title: 'SINCE', value: (row) => row.created },
  ]);
  verbs.show('show the key of one machine');
  verbs.remove(
    'forget the key of a machine that was made anew: the next one that it shows is kept',
    ({ host, fingerprint }) => `the key ${fingerprint} of ${harmless(`${host}`)}`,
  );
}
