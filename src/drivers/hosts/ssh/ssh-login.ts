import { readFileSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import type { Client, ConnectConfig } from 'ssh2';
import { HostError } from '../host.js';
import { fingerprintOf, hostKeyLine, keyOrder } from './host-keys.js';

/** Where a machine is, and how to log in. One of `keyFile`, `agent` and `password` is enough; all may be given. */
export interface SshLogin {
  address: string;
  port: number;
  user: string;
  keyFile?: string | null;
  passphrase?: string | null;
  /** The path of an SSH agent's socket. */
  agent?: string | null;
  password?: string | null;
  /**
   * The machine's key (`ssh-ed25519 AAAA…`) or its fingerprint (`SHA256:…`); null accepts the first key and then only
   * that one. A function is called for each connection.
   */
  hostKey: string | null | (() => string | null);
  /** Called with the key of an unknown machine after the login. It finishes before anything is run. */
  learned?: (hostKey: string) => void | Promise<void>;
  /** What to do if the machine was rebuilt and so shows another key; for messages. */
  ifChanged?: string;
  /** The jump host for this machine. */
  jump?: SshLogin | null;
}

/** Times of a connection, in milliseconds. */
export interface SshTimes {
  /** For connecting and logging in. */
  connect: number;
  /** Between two keep-alive requests, and how many may stay unanswered. */
  keepAlive: number;
  unanswered: number;
  /** For the next answer during a file transfer. */
  answer: number;
}

/** The machine's name in messages. */
export const nameOf = ({ user, address, port }: SshLogin): string =>
  `${user}@${address}${port === 22 ? '' : `:${port}`}`;

/** An open connection, together with those to jump hosts. */
export interface SshConnection {
  client: Client;
  end(): void;
}

/** The algorithms of Node's own cryptography; ssh2 supports others only with native parts. */
const cipher: ConnectConfig['algorithms'] = {
  cipher: [
    'aes128-gcm@openssh.com',
    'aes256-gcm@openssh.com',
    'chacha20-poly1305@openssh.com',
    'aes128-ctr',
    'aes192-ctr',
    'aes256-ctr',
  ],
};

/**
 * Opens a connection and logs in. Fails with a `HostError`: `unreachable`, `refused` or `host-key`.
 *
 * @param known keys learned in this process, by machine, which are required from then on
 */
export async function logIn(
  login: SshLogin,
  times: SshTimes,
  known: Map<string, string>,
): Promise<SshConnection> {
  const name = nameOf(login);
  const jump = login.jump ? await logIn(login.jump, times, known) : null;
  try {
    const sock =
      jump === null ? undefined : await through(jump.client, login, nameOf(login.jump as SshLogin));
    const client = await connect(login, times, known, sock);
    client.once('close', () => jump?.end());
    return {
      client,
      end: () => {
        client.end();
        jump?.end();
      },
    };
  } catch (error) {
    jump?.end();
    throw error instanceof HostError ? error : new HostError('unreachable', `${name}: ${String(error)}`);
  }
}

/** A tunnel from a jump host to the machine behind it. */
function through(jump: Client, { address, port }: SshLogin, jumpName: string): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const told = (why: string) =>
      reject(new HostError('unreachable', `${address}:${port} cannot be reached from ${jumpName}: ${why}.`));
    jump.once('close', () => told('the connection broke'));
    jump.forwardOut('127.0.0.1', 0, address, port, (error, channel) => {
      if (error) told(error.message);
      else resolve(channel);
    });
  });
}

async function connect(
  login: SshLogin,
  times: SshTimes,
  known: Map<string, string>,
  sock: Duplex | undefined,
): Promise<Client> {
  const name = nameOf(login);
  const hostKey =
    typeof login.hostKey === 'function' ? login.hostKey() : (login.hostKey ?? known.get(name) ?? null);
  let shown: Buffer | null = null;
  // Loaded only if there are remote machines: it takes 15 MB of memory.
  const ssh2 = await import('ssh2');
  const client = new ssh2.Client();
  // Everything in progress listens for the end of the connection.
  client.setMaxListeners(0);
  return new Promise((resolve, reject) => {
    let problem: string | null = null;
    const fail = (error: HostError) => {
      clearTimeout(late);
      reject(error);
      client.destroy();
    };
    const late = setTimeout(
      () => fail(new HostError('unreachable', `${name} did not answer within ${times.connect / 1000} s.`)),
      times.connect,
    );
    // The listener stays: an unhandled error would end the process.
    client.on('error', (error) => {
      // One login method failed; another may work.
      if (error.level === 'agent') problem = `the agent ${login.agent}: ${error.message}`;
      else fail(connectError(login, error, hostKey, shown, problem));
    });
    client.once('close', () => fail(new HostError('unreachable', `${name} closed the connection.`)));
    client.once('keyboard-interactive', (_name, _instructions, _language, prompts, finish) =>
      finish(prompts.map(() => login.password ?? '')),
    );
    client.once('ready', () => {
      clearTimeout(late);
      client.setNoDelay(true);
      if (hostKey !== null || shown === null) return resolve(client);
      const line = hostKeyLine(shown);
      known.set(name, line);
      Promise.resolve(login.learned?.(line)).then(() => resolve(client), reject);
    });
    try {
      client.connect({
        host: login.address,
        port: login.port,
        username: login.user,
        ...(sock === undefined ? {} : { sock }),
        ...(login.keyFile ? { privateKey: readFileSync(login.keyFile) } : {}),
        ...(login.passphrase ? { passphrase: login.passphrase } : {}),
        ...(login.agent ? { agent: login.agent } : {}),
        ...(login.password ? { password: login.password, tryKeyboard: true } : {}),
        readyTimeout: 0,
        keepaliveInterval: times.keepAlive,
        keepaliveCountMax: times.unanswered,
        algorithms: { ...cipher, serverHostKey: keyOrder(hostKey) },
        hostVerifier: (key: Buffer) => {
          shown = key;
          return hostKey === null || fingerprintOf(key) === fingerprintOf(hostKey);
        },
      });
    } catch (error) {
      // The key file is missing or is not a key, as the message says.
      fail(new HostError('refused', `${name} cannot be logged in to: ${(error as Error).message}.`));
    }
  });
}

function connectError(
  login: SshLogin,
  error: Error & { level?: string },
  hostKey: string | null,
  shown: Buffer | null,
  problem: string | null,
): HostError {
  const name = nameOf(login);
  if (hostKey !== null && shown !== null && fingerprintOf(shown) !== fingerprintOf(hostKey)) {
    return new HostError(
      'host-key',
      `${name} shows the host key ${fingerprintOf(shown)}, but the known key is ${fingerprintOf(hostKey)}. ` +
        `If the machine was really rebuilt, ${login.ifChanged ?? 'delete its old key'}; ` +
        'if not, another machine is answering in its place.',
    );
  }
  if (error.level === 'client-authentication') {
    const more = problem === null ? '' : ` (${problem})`;
    return new HostError(
      'refused',
      `${name} rejected the login: check the user and the key or password${more}.`,
    );
  }
  return new HostError('unreachable', `${name} cannot be reached: ${error.message}.`, { cause: error });
}
