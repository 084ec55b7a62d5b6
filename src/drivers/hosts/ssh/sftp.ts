import type { Client, SFTPWrapper } from 'ssh2';
import { HostError } from '../host.js';

/** One SFTP session of a connection, in promises. All of them fail when the connection breaks. */
export interface Sftp {
  open(file: string, flags: 'r' | 'r+' | 'wx'): Promise<Buffer>;
  close(handle: Buffer): Promise<void>;
  /** Bytes of a file, or of an open one. */
  size(file: string | Buffer): Promise<number>;
  read(handle: Buffer, length: number, position: number): Promise<Buffer>;
  write(handle: Buffer, data: Buffer, position: number): Promise<void>;
}

/** The other side has no SFTP, or something talks in between, such as the start files of a login shell. */
export class NoSftp extends Error {}

/** Its session ended in the middle, although the connection is alive. */
export class SftpEnded extends HostError {}

const sessions = new WeakMap<Client, Promise<Sftp>>();
/**
 * Connections that have ended because ssh2 could not read what came. It takes the first bytes of a session for a length
 * with a sign; from 0x80 on, as in most that is not ASCII, it then fails as a whole.
 */
const garbled = new WeakSet<Client>();

/**
 * The SFTP session of a connection: there is one, since each takes a channel.
 *
 * Fails with `NoSftp` where there is none.
 *
 * @param patience milliseconds that the other side may be silent while it is asked for something
 * @param prove done once it is open; it is closed again, and fails in the same way, if that fails
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
          ? new NoSftp('something else answers there')
          : new HostError('unreachable', `The connection to ${name} broke while SFTP was asked for.`),
      );
    // What is wrong with the connection itself has a level.
    client.on('error', (error) => {
      if (error.level === undefined) garbled.add(client);
    });
    const late = setTimeout(() => fail(silent(name, patience)), patience);
    client.once('close', broken);
    client.sftp((error, session) => {
      // If the connection has broken, that is the reason, and is told in a moment.
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
  /** What is to be told when the connection breaks: one listener for all that is under way. */
  const underWay = new Set<(error: Error) => void>();
  let gone = false;
  let connected = true;
  const broken = () => {
    connected = false;
    const how = `The connection to ${name} broke during a transfer.`;
    fail(garbled.has(client) ? new SftpEnded('unreachable', how) : new HostError('unreachable', how));
  };
  /** If the connection has broken, that is the reason, and is told in a moment. */
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
  // The connection may well be alive, and what is behind it not: the next transfer has a session of its own.
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
          // No answer of SFTP's: its session is over.
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
        // The end of the file is told as an error.
        if (sftpCode(error) === 1) return Buffer.alloc(0);
        throw error;
      }
    },
    write: (handle, data, position) =>
      ask((done) => session.write(handle, data, 0, data.length, position, (error) => done(error, undefined))),
  };
}

/** The number by which SFTP tells a problem: 1 end of file, 2 no such file, 3 permission denied, 4 any other. */
export const sftpCode = (error: unknown): number | undefined =>
  typeof (error as { code?: unknown }).code === 'number' ? (error as { code: number }).code : undefined;
