import type { JobEvent } from '../../domain/jobs/job.js';

/** The first line of the file, as it always was. The script's own times come after the first three. */
export const timesHeader = [
  'server_start',
  'script_upload',
  'script_start',
  'dicom_download_start',
  ...[1, 2, 3].flatMap((algorithm) => [`algo${algorithm}_processing_start`, `algo${algorithm}_upload_start`]),
  'script_stop',
].join(';');

const mark = 'OUTPUTMARKER';

/** What stands in a line between the first two marks; null if there are none. */
export function markedText(line: string): string | null {
  const [, text, rest] = line.split(mark);
  return text === undefined || rest === undefined ? null : text;
}

/** Seconds since 1970, with two digits after the point. */
const seconds = (moment: string | Date): string => (new Date(moment).getTime() / 1000).toFixed(2);

/**
 * A line for a task that ended well: when it asked for its server, when it had it, when the script started, and what
 * the script says itself.
 *
 * @param events the job's history; the last `run` of it is the one that ended well
 */
export function timesRow(events: readonly JobEvent[], marked: string | null): string {
  const run = events.findLast(({ name }) => name === 'run');
  const { asked, placed } = (run?.data ?? {}) as { asked?: string; placed?: string };
  const started = run?.date ?? new Date(0);
  const times = [asked ?? started, placed ?? started, started].map(seconds);
  return [...times, marked ?? 'None', ''].join(';');
}
