import { remoteFolder } from '../../drivers/hosts/scripts/remote-launch.js';
import type { Places } from './machine-places.js';

/** Places on one permanent machine. There is always one: the lane limits how many run at a time. */
export function machinePlaces(options: { instance: string; host: string; base: () => string }): Places {
  const place = (uuid: string, attempt: number) => {
    const base = options.base();
    return { host: options.host, base, folder: remoteFolder(base, options.instance, uuid, String(attempt)) };
  };
  return {
    take: async (job) => place(job.uuid, job.attempt),
    found: async (job, attempt) => place(job.uuid, attempt),
    give: async () => {},
  };
}
