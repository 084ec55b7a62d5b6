import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { Job } from '../../domain/jobs/job.js';
import { hashToken } from '../users/logins.js';

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
/** Bytes from here on would make the first letters more likely than the last. */
const fair = 256 - (256 % alphabet.length);

/** A text of letters and digits, each drawn at random. */
export function randomText(length: number): string {
  let text = '';
  while (text.length < length) {
    for (const byte of randomBytes(2 * length)) {
      if (byte < fair && text.length < length) text += alphabet.charAt(byte % alphabet.length);
    }
  }
  return text;
}

/** A job's token: whoever has it may send the job's events. Sixteen letters and digits, as older clients expect. */
export const newJobToken = (): string => randomText(16);

export function isJobToken(job: Job, token: string): boolean {
  if (job.tokenHash === null) return false;
  return timingSafeEqual(Buffer.from(hashToken(token), 'hex'), Buffer.from(job.tokenHash, 'hex'));
}
