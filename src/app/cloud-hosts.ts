import type { CloudFiles, MachineEntry } from '../config/config-cloud.js';
import type { Reach } from '../domain/servers/server.js';
import type { Host } from '../drivers/hosts/host.js';
import { sshHost } from '../drivers/hosts/ssh/ssh.js';
import type { SshLogin } from '../drivers/hosts/ssh/ssh-login.js';
import { thisMachine } from '../drivers/hosts/this-machine.js';
import { PenstockError } from '../lib/errors.js';
import type { SshFile } from '../lib/generated/config/ssh.js';
import type { HostKeyService } from '../usecases/servers/host-keys.js';

/** Hosts for the machines of `ssh.yaml` and for servers, by the current settings. */
export function cloudHosts(current: () => CloudFiles, keys: Pick<HostKeyService, 'keyOf' | 'pin'>) {
  /** Connections to machines, each with the settings it was opened with: changed settings need a new connection. */
  const machines = new Map<string, { by: string; host: Host }>();

  /** The login of a permanent machine. The first host key that it shows is pinned, unless the file has its key. */
  function machineLogin(ssh: SshFile, entry: MachineEntry): SshLogin {
    const { NAME, ADDRESS: address, PORT: port, HOST_KEY } = entry;
    const name = `${address}:${port}`;
    return {
      ...wayIn(ssh, entry),
      address,
      port,
      user: entry.AUTH_USER ?? ssh.AUTH_USER ?? 'root',
      hostKey: HOST_KEY ?? (() => keys.keyOf(name)),
      learned: (key) => keys.pin(name, key),
      ifChanged:
        HOST_KEY === null
          ? `an admin must remove the old key (penstock host-key remove ${name}, or DELETE /api/host_key/${name}/)`
          : `correct HOST_KEY of ${NAME} in ssh.yaml`,
      jump: jumpOf(ssh, NAME),
    };
  }

  /** The jump host of the other machines. It is not its own jump host. */
  function jumpOf(ssh: SshFile, name: string | null): SshLogin | null {
    const jump = ssh.MACHINES.find(({ NAME }) => NAME === ssh.JUMP_HOST);
    return jump === undefined || jump.NAME === name ? null : machineLogin(ssh, jump);
  }

  return {
    /** The machine with this name. Throws `not-found` if `ssh.yaml` does not have it. */
    machine(name: string): Host {
      const { ssh } = current();
      const entry = ssh.MACHINES.find(({ NAME }) => NAME === name);
      if (entry === undefined)
        throw new PenstockError('not-found', `there is no machine ${name} in ssh.yaml`);
      const by = JSON.stringify([entry, ssh]);
      const known = machines.get(name);
      if (known?.by === by) return known.host;
      const host = sshHost({ ...machineLogin(ssh, entry), times: timesOf(ssh) });
      machines.set(name, { by, host });
      void known?.host.close();
      return host;
    },

    /** A server of a connector. `learned` stores the host key of a server that is not permanent. */
    server(reach: Reach, learned: (hostKey: string) => Promise<void>): Host {
      if (reach.by === 'here') return thisMachine();
      const { ssh } = current();
      const { address, port, user, hostKey } = reach;
      const entry = ssh.MACHINES.find(({ ADDRESS, PORT }) => ADDRESS === address && PORT === port);
      const login =
        entry !== undefined
          ? machineLogin(ssh, entry)
          : { ...wayIn(ssh), address, port, hostKey, learned, jump: jumpOf(ssh, null) };
      return sshHost({
        ...login,
        user: user ?? entry?.AUTH_USER ?? ssh.AUTH_USER ?? 'root',
        times: timesOf(ssh),
      });
    },

    async close(): Promise<void> {
      await Promise.all([...machines.values()].map(({ host }) => host.close()));
    },
  };
}

/** The credentials of a machine: its own, or else those of all machines. */
const wayIn = (ssh: SshFile, own?: MachineEntry) => ({
  keyFile: own?.AUTH_KEYFILE ?? ssh.AUTH_KEYFILE,
  // The older scheduler used the password as the key's passphrase.
  passphrase: ssh.AUTH_PASSPHRASE ?? own?.AUTH_PASSWORD ?? ssh.AUTH_PASSWORD,
  agent: ssh.AUTH_AGENT,
  password: own?.AUTH_PASSWORD ?? ssh.AUTH_PASSWORD,
});

const timesOf = (ssh: SshFile) => ({
  connect: ssh.CONNECT_TIMEOUT * 1000,
  keepAlive: ssh.KEEPALIVE_INTERVAL * 1000,
});
