import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { HostError, type Said, type ScriptOptions, type Transfer, usualTimeout } from '../host.js';
import { cksumOf, nameScript, sha256Of } from './checksum.js';
import { problemIn } from './complaints.js';
import { type Sftp, sftpCode } from './sftp.js';
import type { RawSaid } from './ssh-run.js';
import { appendByShell, tailByShell } from './ssh-shell-files.js';

/** What transfers need of a connection. */
export interface FileLink {
  name: string;
  run(script: string, options?: ScriptOptions): Promise<Said>;
  /** The same, for output that is not text. */
  raw(script: string, options?: ScriptOptions): Promise<RawSaid>;
  /** Null if it is unavailable. */
  sftp(signal?: AbortSignal): Promise<Sftp | null>;
}

/** Bytes of one request, and how many requests are pending at once. */
const piece = 32_768;
const atOnce = 32;
/** Up to this size a file is sent as the input of the command that stores it. Bytes. */
const small = 131_072;

/**
 * $1 the temporary name, $2 its name, $3 its mode or nothing, $4 its size. Leftovers of interrupted transfers are
 * removed after a day.
 */
const smallScript = `
export LC_ALL=C
if [ -d "$2" ]; then echo "$2 is a directory" >&2; exit 1; fi
for old in "\${2%/*}/.\${2##*/}".*.part; do
  if [ -f "$old" ]; then find "$old" -type f -mtime +0 -exec rm -f {} +; fi
done
mkdir -p "\${2%/*}/" && (umask 077; cat >"$1") || { rm -f "$1"; exit 1; }
[ "$(($(wc -c <"$1")))" = "$4" ] || { rm -f "$1"; echo short; exit; }
if [ -n "$3" ]; then chmod "$3" "$1" || exit; fi
mv -f "$1" "$2" && echo done
`;
/**
 * Prints how many bytes of a file have already arrived, 0 if there is nothing to resume. Anything of that name that is
 * not our own private file, such as a link, does not count and is removed if possible. $1 the file, $2 its maximum size
 */
const partScript = `
export LC_ALL=C
read -r mode links owner group size rest <<END
$(ls -ldn "$1" 2>/dev/null)
END
case "$mode $links $owner" in
  -rw-------*" 1 $(id -u)") if [ "$size" -le "$2" ] && [ "$size" -gt 0 ]; then echo "$size"; exit; fi ;;
esac
rm -f "$1" && echo 0
`;
/** Tests whether there is disk space: SFTP itself only reports a failure. $1 a file that may be created. */
const roomScript = 'LC_ALL=C dd if=/dev/zero of="$1" bs=65536 count=1; code=$?; rm -f "$1"; exit $code';
const above = (file: string) => path.posix.dirname(file);
const beside = (file: string, what: string) =>
  path.posix.join(above(file), `.${path.posix.basename(file)}.${what}`);

export async function putOver(
  link: FileLink,
  from: string,
  to: string,
  options: Transfer & { mode?: number } = {},
): Promise<void> {
  const { signal, progress } = options;
  const { size } = await stat(from);
  const mode = options.mode === undefined ? '' : options.mode.toString(8);
  if (size <= small) {
    const input = await readFile(from);
    const part = beside(to, `${randomBytes(6).toString('hex')}.part`);
    const args = [part, to, mode, String(input.length)];
    const said = await link.run(smallScript, { args, input, ...(signal && { signal }) });
    if (said.stdout.trim() !== 'done') throw putProblem(link.name, to, said);
    progress?.(size, size);
    return;
  }
  const part = beside(to, 'part');
  const sum = await sha256Of(from);
  for (const resumed of [true, false]) {
    const sftp = await link.sftp(signal);
    try {
      await upload(sftp, link, from, part, size, resumed, options);
    } catch (error) {
      throw await told(link, error, part);
    }
    // The time includes reading a slow disk.
    const timeout = usualTimeout + size / 10_000;
    const naming = { args: [part, to, mode, sum], timeout, ...(signal && { signal }) };
    let said = await link.run(nameScript, naming);
    const [, cksum] = /^(\d+ \d+)\s*$/.exec(said.stdout) ?? [];
    if (cksum !== undefined && cksum === (await cksumOf(from))) {
      said = await link.run(nameScript, { args: [part, to, mode, '-'], ...(signal && { signal }) });
    }
    if (said.stdout.trim() === 'done') return;
    if (said.code !== 0) throw putProblem(link.name, to, said);
    // The leftover of an earlier attempt was from another file: start again from the beginning.
  }
  throw new HostError('unreachable', `${from} arrived on ${link.name} with a wrong checksum, twice.`);
}

const putProblem = (name: string, to: string, said: Said) =>
  new HostError(
    problemIn(said.stderr) ?? 'unreachable',
    `${to} cannot be written on ${name}: ${said.stderr.trim() || said.stdout.trim() || 'no reason was given'}.`,
  );

async function upload(
  sftp: Sftp | null,
  link: FileLink,
  from: string,
  part: string,
  size: number,
  resumed: boolean,
  { signal, progress }: Transfer,
): Promise<void> {
  const how = signal && { signal };
  const said = await link.run(partScript, { args: [part, String(resumed ? size : 0)], ...how });
  if (!/^\d+\s*$/.test(said.stdout)) throw putProblem(link.name, part, said);
  const start = Number(said.stdout);
  if (sftp === null) return appendByShell(link, from, part, { ...how, start, size, progress });
  // Created exclusively, so it is not a file that somebody else has put there.
  const open = () => sftp.open(part, start > 0 ? 'r+' : 'wx');
  const handle = await open().catch(async (error: unknown) => {
    if (sftpCode(error) !== 2) throw error;
    await link.run('mkdir -p "$1"', { args: [above(part)], ...how });
    return open();
  });
  let sent = start;
  const underWay = new Set<Promise<void>>();
  let failed: unknown = null;
  try {
    for await (const chunk of createReadStream(from, { start, highWaterMark: piece })) {
      signal?.throwIfAborted();
      const data = chunk as Buffer;
      const write = sftp.write(handle, data, sent).then(
        () => progress?.(Math.min(size, sent), size),
        (error: unknown) => {
          failed ??= error;
        },
      );
      sent += data.length;
      underWay.add(write);
      void write.finally(() => underWay.delete(write));
      if (underWay.size >= atOnce) await Promise.race(underWay);
      if (failed !== null) break;
    }
  } finally {
    await Promise.all(underWay);
    await sftp.close(handle).catch((error: unknown) => {
      failed ??= error;
    });
  }
  if (failed !== null) throw failed;
}

/** The error for a failure of SFTP. */
async function told(link: FileLink, error: unknown, file: string): Promise<unknown> {
  const code = sftpCode(error);
  if (code === undefined) return error;
  if (code === 2 || code === 3) {
    const why = code === 2 ? 'there is no such file or folder' : 'permission denied';
    return new HostError('missing', `${file} on ${link.name}: ${why}.`);
  }
  const { stderr } = await link.run(roomScript, {
    args: [beside(file, `${randomBytes(6).toString('hex')}.room`)],
  });
  if (problemIn(stderr) === 'full') {
    // An unfinished file must not take up disk space.
    await link.run('rm -f "$1"', { args: [file] });
    return new HostError('full', `The disk of ${link.name} has no space left for ${file}.`);
  }
  const { message } = error as Error;
  return new HostError(problemIn(stderr) ?? 'missing', `${file} on ${link.name}: ${message}.`);
}

export async function getOver(
  link: FileLink,
  from: string,
  to: string,
  options: Transfer & { most?: number | null } = {},
): Promise<number> {
  const sftp = await link.sftp(options.signal);
  let handle: Buffer | null = null;
  await mkdir(path.dirname(to), { recursive: true });
  // Not for appending: each byte is written at its own offset, even if two fetch the same file.
  const file = await open(to, 'a').then(async (made) => {
    await made.close();
    return open(to, 'r+');
  });
  try {
    if (sftp === null) return await tailByShell(link, from, file, options);
    handle = await sftp.open(from, 'r');
    return await download(sftp, handle, file, options);
  } catch (error) {
    throw await told(link, error, from);
  } finally {
    await file.close();
    if (handle !== null) void sftp?.close(handle).catch(() => {});
  }
}

async function download(
  sftp: Sftp,
  handle: Buffer,
  file: FileHandle,
  { signal, progress, most }: Transfer & { most?: number | null },
): Promise<number> {
  let done = (await file.stat()).size;
  const total = Math.min(await sftp.size(handle), most ?? Number.POSITIVE_INFINITY);
  const pieces: Promise<Buffer>[] = [];
  let asked = done;
  try {
    while (done < total) {
      signal?.throwIfAborted();
      for (; pieces.length < atOnce && asked < total; asked += piece) {
        const next = sftp.read(handle, Math.min(piece, total - asked), asked);
        next.catch(() => {});
        pieces.push(next);
      }
      const wanted = Math.min(piece, total - done);
      const data = (await pieces.shift()) ?? Buffer.alloc(0);
      // In order, so that however it ends, the local file is a prefix of the remote one.
      await file.write(data, 0, data.length, done);
      done += data.length;
      progress?.(done, total);
      if (data.length === 0) break;
      if (data.length < wanted) {
        // It returned less than requested: request the rest again.
        await Promise.allSettled(pieces.splice(0));
        asked = done;
      }
    }
  } finally {
    await Promise.allSettled(pieces);
  }
  return done;
}
