import { existsSync, statfsSync } from 'node:fs';
import path from 'node:path';
import type { Config } from '../../config/config.js';
import { messageOf } from '../../lib/errors.js';
import { makeDataFolder, readableByOthers } from '../../store/folder/data-folder.js';
import { lowRoom, reserveFile } from '../../store/folder/reserve.js';
import type { Finding } from './finding.js';

const gibibyte = lowRoom;

/** Checks the data folder: that it can be used, is private, and has room. */
export function examineData({ data, database }: Config): Finding[] {
  try {
    makeDataFolder(data);
  } catch (error) {
    const mend = `make ${data} writable for this user, or choose another folder with --data`;
    return [{ check: 'data folder', state: 'wrong', detail: messageOf(error), mend }];
  }
  const { bavail, bsize } = statfsSync(data);
  const free = (bavail * bsize) / gibibyte;
  const open = readableByOthers(data, database);
  return [
    {
      check: 'data folder',
      state: free < 1 ? 'wrong' : 'ok',
      detail: `${data}, ${free.toFixed(1)} GiB free`,
      mend: 'free some space, or choose another folder with --data',
    },
    {
      check: 'data folder privacy',
      state: open.length > 0 ? 'wrong' : 'ok',
      detail: open.length > 0 ? `other users can read it: ${open.join(', ')}` : 'only its owner can read it',
      mend: `close it with \`chmod 700 ${data}\`, or restart the server, which closes it and its files`,
    },
    ...besideData(data, database),
    ...examineReserve(database),
  ];
}

/** A database outside the data folder may be on another disk. */
function besideData(data: string, database: string): Finding[] {
  if (database.startsWith(`${data}/`) || !existsSync(database)) return [];
  const { bavail, bsize } = statfsSync(database);
  const free = (bavail * bsize) / gibibyte;
  return [
    {
      check: 'space for the database',
      state: free < 1 ? 'wrong' : 'ok',
      detail: `${database}, ${free.toFixed(1)} GiB free`,
      mend: 'free some space, or move the database (PENSTOCK_DATABASE_URL)',
    },
  ];
}

/** Without its reserve a server on a full disk cannot end and remove jobs. */
function examineReserve(database: string): Finding[] {
  const file = reserveFile(path.dirname(database));
  if (!existsSync(database)) return [];
  const there = existsSync(file);
  return [
    {
      check: 'reserve',
      state: there ? 'ok' : 'wrong',
      detail: there
        ? file
        : `${file} is missing: the disk was full, or the server has not run since it was removed`,
      mend: 'free some space, for example by deleting old jobs; a running server restores the reserve within seconds',
    },
  ];
}
