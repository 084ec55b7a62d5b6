import type { Job } from '../../domain/jobs/job.js';

/** Where callbacks go. */
export interface CallbackSettings {
  /** The URL that they begin with; null: as the client called us. */
  server: string | null;
  actor: string;
  /** The nonce that all of them carry; null: each job's own. */
  nonce: string | null;
}

/** The actor that a job's own nonce is to be for; null where all callbacks carry the configured one. */
export const callbackActor = ({ actor, nonce }: CallbackSettings): string | null =>
  nonce === null ? actor : null;

/**
 * Where a platform is to call with a job's status, as of old: it adds `&status=…`. Each parameter is encoded.
 *
 * @param origin how the client called us, such as `http://host:8100`
 * @param nonce the job's own nonce
 */
export function callbackUrl(
  settings: CallbackSettings,
  origin: string,
  job: Job,
  token: string,
  nonce: string | undefined,
): string | null {
  const own = settings.nonce ?? nonce;
  if (own === undefined) return null;
  const parameters = { 'x-nonce': own, token, uuid: job.uuid, session: job.session ?? '' };
  const query = Object.entries(parameters).map(([key, value]) => `${key}=${encodeURIComponent(value)}`);
  const server = (settings.server ?? origin).replace(/\/+$/, '');
  return `${server}/actors/v2/${encodeURIComponent(settings.actor)}/messages?${query.join('&')}`;
}
