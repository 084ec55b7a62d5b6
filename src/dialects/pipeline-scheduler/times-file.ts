import type { JobEvent } from '../../domain/jobs/job.js';

/** The first line of the file, unchanged from the older scheduler. The script's own times follow the first three. */
export const timesHeader = [
  'server_start',
  'script_upload',
  'script_start',
  'dicom_download_start',
  ...[1, 2, 3].flatMap((algorithm) => [`algo${algorithm}_processing_start`, `algo${algorithm}_upload_start`]),
  'script_stop',
].join(';');

const mark = 'OUTPUTMARKER';

/** The text between the first two marks in a line, or null. */
export function markedText(line: string): string | null {
  const [, text, rest] = line.split(mark);
  return text === undefined || rest === undefined ? null : text;
}

/** Seconds since 1970, with two digits after the point. */
const seconds = (moment: string | Date): string => (new Date(moment).getTime() / 1000).toFixed(2);

/**
 * A line for a successful task: when it asked for its server, when it got it, when the script started, and the times
 * that the script reports.
 *
 * @param events the job's history; its last `run` is the successful one
 */
export function timesRow(events: readonly JobEvent[], marked: string | null): string {
  const run = events.findLast(({ name }) => name === 'run');
  const { asked, placed } = (run?.data ?? {}) as { asked?: string; placed?: string };
  const started = run?.date ?? new Date(0);
  const times = [asked ?? started, placed ?? started, started].map(seconds);
  return [...times, marked ?? 'None', ''].join(';');
}
