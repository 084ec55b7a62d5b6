import type { Client, SFTPWrapper } from 'ssh2';
import { HostError } from '../host.js';

/** One SFTP session of a connection, with promises. All of them fail when the connection breaks. */
export interface Sftp {
  open(file: string, flags: 'r' | 'r+' | 'wx'): Promise<Buffer>;
  close(handle: Buffer): Promise<void>;
  /** The size in bytes of a file, by path or handle. */
  size(file: string | Buffer): Promise<number>;
  read(handle: Buffer, length: number, position: number): Promise<Buffer>;
  write(handle: Buffer, data: Buffer, position: number): Promise<void>;
}

/** The other side has no SFTP, or something else prints, such as the start files of a login shell. */
export class NoSftp extends Error {}

/** The session ended during a transfer, although the connection is alive. */
export class SftpEnded extends HostError {}

const sessions = new WeakMap<Client, Promise<Sftp>>();
/**
 * Connections that ended because ssh2 could not parse what it received. It reads the first bytes of a session as a
 * signed length; with a first byte from 0x80 on, as in most non-ASCII text, the whole connection fails.
 */
const garbled = new WeakSet<Client>();

/**
 * The SFTP session of a connection: only one, since each takes a channel.
 *
 * Fails with `NoSftp` where there is none.
 *
 * @param patience milliseconds that the other side may be silent during a request
 * @param prove called once it is open; if it fails, the session is closed and fails in the same way
 */
export function sftpOf(
  client: Client,
  name: string,
  patience: number,
  prove: () => Promise<unknown>,
): Promise<Sftp> {
  const known = sessions.get(client);
  if (known !== undefined) return known;
  const made = open(client, name, patience, prove);
  sessions.set(client, made);
  made.catch(() => sessions.delete(client));
  return made;
}

function open(client: Client, name: string, patience: number, prove: () => Promise<unknown>): Promise<Sftp> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => {
      client.removeListener('close', broken);
      clearTimeout(late);
      act();
    };
    const fail = (error: Error) => settle(() => reject(error));
    const broken = () =>
      fail(
        garbled.has(client)
          ? new NoSftp('something else answered')
          : new HostError('unreachable', `The connection to ${name} broke while SFTP was being started.`),
      );
    // An error of the connection itself has a level.
    client.on('error', (error) => {
      if (error.level === undefined) garbled.add(client);
    });
    const late = setTimeout(() => fail(silent(name, patience)), patience);
    client.once('close', broken);
    client.sftp((error, session) => {
      // If the connection broke, its own error comes in a moment.
      if (error) return void setImmediate(() => fail(new NoSftp(error.message)));
      session.on('error', () => {});
      session.once('close', () => sessions.delete(client));
      settle(() => {
        const made = wrap(client, session, name, patience);
        prove().then(
          () => resolve(made),
          (why: unknown) => {
            session.end();
            reject(why);
          },
        );
      });
    });
  });
}

const silent = (name: string, patience: number) =>
  new HostError('unreachable', `${name} did not answer during a transfer for ${patience / 1000} s.`);

function wrap(client: Client, session: SFTPWrapper, name: string, patience: number): Sftp {
  /** Callbacks for when the connection breaks: one listener serves all transfers. */
  const underWay = new Set<(error: Error) => void>();
  let gone = false;
  let connected = true;
  const broken = () => {
    connected = false;
    const how = `The connection to ${name} broke during a transfer.`;
    fail(garbled.has(client) ? new SftpEnded('unreachable', how) : new HostError('unreachable', how));
  };
  /** If the connection broke, its own error comes in a moment. */
  const ended = () =>
    setImmediate(() => {
      sessions.delete(client);
      if (connected) fail(new SftpEnded('unreachable', `SFTP on ${name} ended during a transfer.`));
      else broken();
    });
  const fail = (error: HostError) => {
    gone = true;
    clearTimeout(late);
    for (const reject of [...underWay]) reject(error);
  };
  client.once('close', broken);
  session.once('close', ended);
  // The connection may be alive while the SFTP server is stuck: the next transfer gets a new session.
  const stuck = () => {
    sessions.delete(client);
    fail(silent(name, patience));
    session.end();
  };
  let late: NodeJS.Timeout | undefined;
  const heard = () => {
    clearTimeout(late);
    late = underWay.size > 0 ? setTimeout(stuck, patience) : undefined;
  };
  const ask = <T>(act: (done: (error: Error | null | undefined, value: T) => void) => void): Promise<T> =>
    new Promise((resolve, reject) => {
      const lost = (error: Error) => {
        underWay.delete(lost);
        reject(error);
      };
      underWay.add(lost);
      if (gone) return void ended();
      if (underWay.size === 1) heard();
      try {
        act((error, value) => {
          // Not an SFTP answer: the session is over.
          if (error && sftpCode(error) === undefined) return void ended();
          underWay.delete(lost);
          heard();
          if (error) reject(error);
          else resolve(value);
        });
      } catch {
        ended();
      }
    });
  return {
    open: (file, flags) => ask((done) => session.open(file, flags, 0o600, done)),
    close: (handle) => ask((done) => session.close(handle, (error) => done(error, undefined))),
    size: async (file) => {
      const found = await ask<{ size: number }>((done) =>
        typeof file === 'string' ? session.stat(file, done) : session.fstat(file, done),
      );
      return found.size;
    },
    read: async (handle, length, position) => {
      const buffer = Buffer.allocUnsafe(length);
      try {
        const count = await ask<number>((done) =>
          session.read(handle, buffer, 0, length, position, (error, bytes) => done(error, bytes)),
        );
        return buffer.subarray(0, count);
      } catch (error) {
        // The end of the file is reported as an error.
        if (sftpCode(error) === 1) return Buffer.alloc(0);
        throw error;
      }
    },
    write: (handle, data, position) =>
      ask((done) => session.write(handle, data, 0, data.length, position, (error) => done(error, undefined))),
  };
}

/** SFTP's code for a problem: 1 end of file, 2 no such file, 3 permission denied, 4 any other. */
export const sftpCode = (error: unknown): number | undefined =>
  typeof (error as { code?: unknown }).code === 'number' ? (error as { code: number }).code : undefined;
