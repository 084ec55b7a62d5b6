import { createReadStream, existsSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Job } from '../../domain/jobs/job.js';
import { messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import type { JobFiles } from '../../store/folder/job-files.js';
import type { Store } from '../../store/store.js';
import { jobFile } from '../../usecases/jobs/job-files.js';
import type { JobNews, JobService } from '../../usecases/jobs/jobs.js';
import { markedText, timesHeader, timesRow } from './times-file.js';

/** Adds a line to TIMETEST_CSV_FILE for each successful task. @returns a function that waits for pending writes */
export function keepTaskTimes(given: {
  jobs: JobService;
  store: Store;
  files: JobFiles;
  log: Logger;
  /** The currently configured file, or null. */
  file: () => string | null;
}): () => Promise<void> {
  const { jobs, store, files, log } = given;
  // One line at a time: two at once could write two headers.
  let writing: Promise<void> = Promise.resolve();

  async function add(job: Job, file: string): Promise<void> {
    const row = timesRow(await store.jobs.history(job.id), await markOf(files, job));
    const begin = existsSync(file) ? '' : timesHeader;
    await appendFile(file, `${begin}\n${row}`);
  }

  jobs.news.on('news', ({ job, event }: JobNews) => {
    const file = given.file();
    if (file === null || job.task === null || event.name !== 'finish') return;
    writing = writing
      .then(() => add(job, file))
      .catch((error: unknown) =>
        log.error({ job: job.uuid, file, error: messageOf(error) }, 'cannot write the times of a task'),
      );
  });
  return () => writing;
}

/** The times that the script itself reports, or null. */
async function markOf(files: JobFiles, job: Job): Promise<string | null> {
  const input = createReadStream(jobFile(files, job, 'stdout').file);
  try {
    for await (const line of createInterface({ input })) {
      const text = markedText(line);
      if (text !== null) return text;
    }
    return null;
  } finally {
    input.destroy();
  }
}
