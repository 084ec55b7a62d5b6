import type { Filter, FilterValue, ListQuery } from '../../domain/query.js';
import { sharedReading } from '../../lib/shared-reading.js';
import type { EventPage } from '../../store/job-events.js';
import type { Store } from '../../store/store.js';
import { type Actor, mayUse, scopeOf } from '../actor.js';
import type { JobNews, JobService } from './jobs.js';

/** The fields of a filter that can be checked on the news alone. */
const told: Readonly<Record<string, (news: JobNews) => FilterValue>> = {
  state: ({ event }) => event.state,
  last_event: ({ event }) => event.name,
  uuid: ({ job }) => job.uuid,
  pipeline: ({ job }) => job.pipelineId,
  process_definition: ({ job }) => job.processDefinitionId,
  session: ({ job }) => job.session,
  archive_system: ({ job }) => job.archiveSystem,
  archive_path: ({ job }) => job.archivePath,
  hidden: ({ job }) => job.hidden,
};

/** False only if the filter certainly excludes this; the database has the last word. */
function mayPass({ field, lookup, values }: Filter, news: JobNews): boolean {
  const read = lookup === 'exact' || lookup === 'in' ? told[field] : undefined;
  return read === undefined || values.includes(read(news));
}

/** The events of all jobs that somebody may see, as they are stored. */
export function followJobsService(store: Store, jobs: JobService) {
  const shared = sharedReading<EventPage>();

  return {
    /** The id of the newest event of any user. */
    lastId: (): Promise<number> => store.jobEvents.lastId(),

    /** The events after an id; see the store's page. Identical requests at the same time share the same objects. */
    page(actor: Actor, query: ListQuery, after: number): Promise<EventPage> {
      const scope = scopeOf(actor);
      const key = JSON.stringify([jobs.announced(), scope, after, query]);
      return shared(key, () => store.jobEvents.page(scope, query, after));
    },

    /**
     * Calls `wake` after the commit of an event that the actor may want to read.
     *
     * @returns what stops the calls
     */
    listen(actor: Actor, query: ListQuery, wake: () => void): () => void {
      const heard = (news: JobNews) => {
        if (mayUse(actor, news.job.ownerId) && query.filters.every((filter) => mayPass(filter, news))) wake();
      };
      jobs.news.on('news', heard);
      return () => {
        jobs.news.off('news', heard);
      };
    },
  };
}

export type FollowJobsService = ReturnType<typeof followJobsService>;
