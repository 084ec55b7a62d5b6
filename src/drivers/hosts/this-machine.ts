import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { chmod, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { basicEnvironment } from '../processes/environment.js';
import { signalChild } from '../processes/signal.js';
import { umaskForPrograms } from '../processes/umask.js';
import {
  type Host,
  HostError,
  type HostProblem,
  mostSaid,
  type Said,
  type ScriptOptions,
  type Transfer,
  usualTimeout,
} from './host.js';

const day = 86_400_000; // milliseconds

const problems: Readonly<Record<string, HostProblem>> = {
  ENOSPC: 'full',
  EDQUOT: 'full',
  ENOENT: 'missing',
  ENOTDIR: 'missing',
  EEXIST: 'missing',
  EISDIR: 'missing',
  EACCES: 'missing',
  EPERM: 'missing',
  EROFS: 'missing',
};

/** A file system error as a `HostError`. */
function told(error: unknown, signal?: AbortSignal): unknown {
  if (signal?.aborted) return signal.reason;
  const { code, message } = error as NodeJS.ErrnoException;
  const problem = problems[code ?? ''];
  return problem === undefined
    ? error
    : new HostError(problem, `This machine: ${message}.`, { cause: error });
}

/** This machine as a host for programs. */
export function thisMachine(): Host {
  const closing = new AbortController();
  setMaxListeners(0, closing.signal);
  const closed = () => new HostError('unreachable', 'This machine is no longer used as a host.');
  return {
    run(script, options = {}) {
      if (closing.signal.aborted) throw closed();
      return runHere(script, options, closing.signal);
    },
    put: (from, to, options) =>
      putHere(from, to, options).catch((error: unknown) => Promise.reject(told(error, options?.signal))),
    get: (from, to, options) =>
      getHere(from, to, options).catch((error: unknown) => Promise.reject(told(error, options?.signal))),
    async close() {
      closing.abort(closed());
    },
  };
}

function runHere(script: string, options: ScriptOptions, closing: AbortSignal): Promise<Said> {
  const { args = [], input = '', timeout = usualTimeout, signal } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason as Error);
    const umask = umaskForPrograms();
    // A session of its own and a clean environment, as with sshd.
    const child = spawn(
      '/bin/sh',
      ['-c', umask === null ? script : `umask ${umask}\n${script}`, 'sh', ...args],
      {
        detached: true,
        cwd: os.homedir(),
        env: { ...basicEnvironment, HOME: os.homedir() },
      },
    );
    const [out, err]: [Buffer[], Buffer[]] = [[], []];
    const give = (error: Error) => {
      reject(error);
      signalChild(child, 'SIGKILL');
    };
    const aborted = () => give(signal?.reason as Error);
    const stopped = () => give(closing.reason as Error);
    const useless = (why: string) => give(new HostError('unreachable', why, { begun: true }));
    const late = setTimeout(
      () => useless(`This machine did not finish a command within ${timeout / 1000} s.`),
      timeout,
    );
    let said = 0;
    const keep = (into: Buffer[]) => (chunk: Buffer) => {
      said += chunk.length;
      if (said <= mostSaid) into.push(chunk);
      else useless(`This machine sent more than ${mostSaid} bytes in answer to a command.`);
    };
    signal?.addEventListener('abort', aborted, { once: true });
    closing.addEventListener('abort', stopped, { once: true });
    child.stdout.on('data', keep(out));
    child.stderr.on('data', keep(err));
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    child.once('error', (error) => reject(told(error)));
    child.once('close', (code, by) => {
      clearTimeout(late);
      signal?.removeEventListener('abort', aborted);
      closing.removeEventListener('abort', stopped);
      resolve({
        code,
        signal: by,
        stdout: Buffer.concat(out).toString(),
        stderr: Buffer.concat(err).toString(),
      });
    });
  });
}

/** Reports the progress of a transfer as its bytes pass. */
const counted = (done: number, total: number, progress: Transfer['progress']) =>
  new Transform({
    transform(chunk: Buffer, _encoding, next) {
      done += chunk.length;
      progress?.(done, total);
      next(null, chunk);
    },
  });

/** Removes leftovers of interrupted copies of that name that are older than a day: no copy takes that long. */
async function clearParts(folder: string, name: string): Promise<void> {
  const ours = (each: string) =>
    each.startsWith(`.${name}.`) && /^[0-9a-f]{12}\.part$/.test(each.slice(name.length + 2));
  for (const each of (await readdir(folder)).filter(ours)) {
    const file = path.join(folder, each);
    const found = await stat(file).catch(() => null);
    if (found !== null && Date.now() - found.mtimeMs > day) await rm(file, { force: true });
  }
}

async function putHere(from: string, to: string, options: Transfer & { mode?: number } = {}): Promise<void> {
  const { size } = await stat(from);
  await mkdir(path.dirname(to), { recursive: true });
  await clearParts(path.dirname(to), path.basename(to));
  const part = path.join(path.dirname(to), `.${path.basename(to)}.${randomBytes(6).toString('hex')}.part`);
  const { signal, progress, mode } = options;
  try {
    await pipeline(
      createReadStream(from),
      counted(0, size, progress),
      createWriteStream(part, { flags: 'wx', mode: 0o600 }),
      { signal },
    );
    if (mode !== undefined) await chmod(part, mode);
    await rename(part, to);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

async function getHere(
  from: string,
  to: string,
  options: Transfer & { most?: number | null } = {},
): Promise<number> {
  await mkdir(path.dirname(to), { recursive: true });
  const made = await open(to, 'a');
  const start = (await made.stat()).size.valueOf();
  await made.close();
  const size = Math.min((await stat(from)).size, options.most ?? Number.POSITIVE_INFINITY);
  if (size <= start) return start;
  await pipeline(
    createReadStream(from, { start, end: size - 1 }),
    counted(start, size, options.progress),
    createWriteStream(to, { flags: 'r+', start }),
    { signal: options.signal },
  );
  return size;
}
