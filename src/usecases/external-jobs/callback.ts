import type { Job } from '../../domain/jobs/job.js';

/** Where callbacks go. */
export interface CallbackSettings {
  /** The URL that they begin with; null: the URL by which the client called us. */
  server: string | null;
  actor: string;
  /** The nonce that all of them carry; null: each job's own. */
  nonce: string | null;
}

/** The actor that a job's own nonce is for; null if all callbacks carry the configured one. */
export const callbackActor = ({ actor, nonce }: CallbackSettings): string | null =>
  nonce === null ? actor : null;

/**
 * The URL that a platform calls with a job's status, as in the older system: it appends `&status=…`. Parameters are
 * encoded.
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
