import { constants, type Stats } from 'node:fs';
import { copyFile as copyBytes, type FileHandle, open, stat } from 'node:fs/promises';

const { COPYFILE_EXCL, COPYFILE_FICLONE, COPYFILE_FICLONE_FORCE } = constants;

/** Aligned runs of zeros of this length become a hole. */
const piece = 256 * 1024;
const zeros = Buffer.alloc(piece);

const isSparse = ({ blocks, size }: Stats): boolean => blocks * 512 < size;

/**
 * Copies a file, following a symbolic link. Blocks are shared if the file system can, and holes stay holes: a file of 1
 * TB with 1 MB in it takes no more space than that.
 *
 * @param exclusive fails with EEXIST if the target is there already
 */
export async function copyFile(from: string | Buffer, to: string, { exclusive = false } = {}): Promise<void> {
  const flags = exclusive ? COPYFILE_EXCL : 0;
  const found = await stat(from);
  if (!isSparse(found)) return copyBytes(from, to, flags | COPYFILE_FICLONE);
  try {
    await copyBytes(from, to, flags | COPYFILE_FICLONE_FORCE);
  } catch (error) {
    if (exclusive && (error as NodeJS.ErrnoException).code === 'EEXIST') throw error;
    await copyData(from, to, found, exclusive ? 'wx' : 'w');
  }
}

async function copyData(
  from: string | Buffer,
  to: string,
  { mode }: Stats,
  flags: 'w' | 'wx',
): Promise<void> {
  const source = await open(from, 'r');
  try {
    const target = await open(to, flags, mode & 0o777);
    try {
      await target.truncate(await writeData(source, target));
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

/** Writes everything but zeros. @returns how many bytes there were in all */
async function writeData(source: FileHandle, target: FileHandle): Promise<number> {
  const buffer = Buffer.allocUnsafe(piece);
  for (let position = 0; ; ) {
    const { bytesRead } = await source.read(buffer, 0, piece, position);
    if (bytesRead === 0) return position;
    const bytes = buffer.subarray(0, bytesRead);
    if (!bytes.equals(zeros.subarray(0, bytesRead))) await writeAll(target, bytes, position);
    position += bytesRead;
  }
}

async function writeAll(target: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await target.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}
