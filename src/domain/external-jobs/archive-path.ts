import Hashids from 'hashids';
import type { TypedUuids } from './typed-uuid.js';

/** The prefix of folders that Penstock makes beside those it clears; no other folder's name may begin with it. */
export const ownFolders = '.penstock-';

/** Whether a path may be cleared. If so: its normal form, as segments, with the prefix that it is below. */
type ArchiveTarget =
  | { allowed: true; path: string; prefix: readonly string[]; below: readonly string[] }
  | { allowed: false; reason: string };

/** Whether there is now an empty folder. If not, the reason, which says whether the folder is untouched or empty. */
export type Cleared = { cleared: true; path: string } | { cleared: false; reason: string };

/** The segments of an absolute path; undefined for one that is not absolute, or could lead somewhere else. */
function segmentsOf(path: string): string[] | undefined {
  if (!path.startsWith('/') || path.includes('\0')) return undefined;
  const segments = path.split('/').filter((segment) => segment !== '' && segment !== '.');
  return segments.includes('..') ? undefined : segments;
}

/** The path in its normal form; undefined for one that is not absolute, or could lead somewhere else. */
export function normalArchivePath(path: string): string | undefined {
  const segments = segmentsOf(path);
  return segments === undefined ? undefined : `/${segments.join('/')}`;
}

/**
 * Decides whether an archive path may be cleared: only strictly below one of the prefixes, never a prefix itself.
 * Anything doubtful is refused, including `..`, which is not resolved.
 */
export function archiveTarget(prefixes: readonly string[], path: string): ArchiveTarget {
  const refused = (reason: string): ArchiveTarget => ({ allowed: false, reason });
  if (path === '') return refused('there is no archive path');
  const segments = segmentsOf(path);
  if (segments === undefined) return refused("the archive path is not an absolute path without '..'");
  if (segments.some((segment) => segment.startsWith(ownFolders))) {
    return refused(`names that begin with '${ownFolders}' are not for archive paths`);
  }
  for (const text of prefixes) {
    const prefix = segmentsOf(text);
    // A prefix that covers the whole system would protect nothing.
    if (prefix === undefined || prefix.length === 0 || prefix.length >= segments.length) continue;
    if (prefix.every((segment, index) => segment === segments[index])) {
      const below = segments.slice(prefix.length);
      return { allowed: true, path: `/${segments.join('/')}`, prefix, below };
    }
  }
  return refused('the archive path is not below a prefix that may be cleared');
}

/** What the short ids in archive paths are made from. */
interface ShortIds {
  uuids: TypedUuids;
  salt: string;
}

/** The short id of a text: its generic UUID as a number, written by hashids. */
export function shortId({ uuids, salt }: ShortIds, text: string): string {
  const number = BigInt(`0x${uuids.computed('generic', text).replaceAll('-', '')}`);
  return new Hashids(salt).encode(number);
}

/** 20260131T235959Z */
const compact = (date: Date): string => `${date.toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`;

/**
 * Where a job's results go by default: the same pipeline, parents and parameters always lead to the same folder, unless
 * each run gets its own.
 *
 * @param job `dataText` is the parameters as minified JSON; `instancedAt` the time of a run with a folder of its own
 */
export function archivePath(
  ids: ShortIds,
  job: {
    pipelineUuid: string;
    childOf: readonly string[];
    dataText: string;
    session: string | null;
    instancedAt: Date | null;
  },
): string {
  const folder = [
    '/products/v2',
    job.pipelineUuid.replaceAll('-', ''),
    shortId(ids, job.childOf.join(':')),
    shortId(ids, job.dataText),
  ].join('/');
  if (job.instancedAt === null) return folder;
  const instance = [...(job.session === null ? [] : [job.session]), compact(job.instancedAt)].join('-');
  return `${folder}/${instance}`;
}
