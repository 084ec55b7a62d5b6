import { createHash, timingSafeEqual } from 'node:crypto';

/** What admin tokens are computed from. Lifetime in seconds. */
export interface AdminTokenSettings {
  secret: string;
  key: string;
  lifetime: number;
}

const bucketOf = (date: Date, lifetime: number): number => Math.floor(date.getTime() / 1000 / lifetime);

/**
 * The admin token of a span of time, as PipelineJobs computes it: the first 16 hexadecimal digits of the SHA-256 of
 * secret, key and each single digit of the span's number, joined by colons.
 *
 * @param bucket how many lifetimes have passed since 1970
 */
export function adminToken(secret: string, key: string, bucket: number): string {
  const text = [secret, key, ...String(bucket)].join(':');
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** True for the admin token of this span or the one before: a token lives for one to two lifetimes. */
export function isAdminToken(settings: AdminTokenSettings, token: string, now: Date): boolean {
  const given = createHash('sha256').update(token).digest();
  const current = bucketOf(now, settings.lifetime);
  return [current, current - 1]
    .map((bucket) =>
      createHash('sha256')
        .update(adminToken(settings.secret, settings.key, bucket))
        .digest(),
    )
    .some((digest) => timingSafeEqual(digest, given));
}
