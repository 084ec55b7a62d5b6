import { readFileSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import type { Client, ConnectConfig } from 'ssh2';
import { HostError } from '../host.js';
import { fingerprintOf, hostKeyLine, keyOrder } from './host-keys.js';

/** Where a machine is, and how to be let in. One of `keyFile`, `agent` and `password` is enough; all may be given. */
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
   * The machine's key (`ssh-ed25519 AAAA…`) or its fingerprint (`SHA256:…`); null takes the first that is shown, and
   * holds to it. A function is asked at each connection.
   */
  hostKey: string | null | (() => string | null);
  /** Told the key of a machine that was not known, once it has let us in. What it does is done before anything is run. */
  learned?: (hostKey: string) => void | Promise<void>;
  /** What is to be done if it was made anew, and so shows another key; for messages. */
  ifChanged?: string;
  /** Another machine that this one is reached through. */
  jump?: SshLogin | null;
}

/** Times of a connection, in milliseconds. */
export interface SshTimes {
  /** For the connection and the login. */
  connect: number;
  /** Between two questions whether the other side is still there, and how many may stay without an answer. */
  keepAlive: number;
  unanswered: number;
  /** For the next answer while a file is under way. */
  answer: number;
}

/** As the machine is called in messages. */
export const nameOf = ({ user, address, port }: SshLogin): string =>
  `${user}@${address}${port === 22 ? '' : `:${port}`}`;

/** An open connection and what opens with it, such as those to jump hosts. */
export interface SshConnection {
  client: Client;
  end(): void;
}

/** The algorithms that Node's own cryptography does; ssh2 has others only with native parts. */
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
 * @param known keys that were learned in this process, by machine, which are held to from then on
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

/** A way from a jump host to the machine behind it. */
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
  // Only who has machines elsewhere pays for it: 15 MB of memory.
  const ssh2 = await import('ssh2');
  const client = new ssh2.Client();
  // Everything that is under way listens for the end of the connection.
  client.setMaxListeners(0);
  return new Promise((resolve, reject) => {
    let problem: string | null = null;
    const fail = (error: HostError) => {
      clearTimeout(late);
      reject(error);
      client.destroy();
    };
    const late = setTimeout(
      () => fail(new HostError('unreachable', `${name} does not answer within ${times.connect / 1000} s.`)),
      times.connect,
    );
    // Listened to for ever: an error that nobody hears ends the process.
    client.on('error', (error) => {
      // One way in was no good; another may be.
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
      // A key file that is missing or no key, as its message says.
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
      `${name} shows the host key ${fingerprintOf(shown)}, but ${fingerprintOf(hostKey)} is the one that is known. ` +
        `If the machine was really made anew, ${login.ifChanged ?? 'have its old key forgotten'}; ` +
        'if not, somebody else answers in its place.',
    );
  }
  if (error.level === 'client-authentication') {
    const more = problem === null ? '' : ` (${problem})`;
    return new HostError(
      'refused',
      `${name} does not let us in: check the user and the key or password${more}.`,
    );
  }
  return new HostError('unreachable', `${name} cannot be reached: ${error.message}.`, { cause: error });
}
