import { adapterContext } from './adapt.js';
import type { Places } from './machine-places.js';
import { persist, type Run, type RunContext } from './run.js';

/** Waits until there is a place for an attempt. The reasons for waiting go into the job's history. */
export async function takePlace(context: RunContext, places: Places, run: Run): Promise<void> {
  const { attempt } = run.job;
  let telling = Promise.resolve();
  const tell = (waiting: string) => {
    telling = telling.then(async () => {
      // Until the program starts, the job's latest attempt is the previous one.
      const job = await persist(context, run.job, 'resource', { waiting, attempt: attempt - 1 }, { waiting });
      run.job = { ...job, attempt };
    });
  };
  const asked = new Date();
  try {
    run.place = await places.take(run.job, run.definition, { signal: run.unwanted.signal, tell });
    run.setting = adapterContext(context.files, run);
    run.placing = { asked, placed: new Date() };
  } finally {
    await telling;
  }
}
