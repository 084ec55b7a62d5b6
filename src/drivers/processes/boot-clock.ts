import { readFileSync } from 'node:fs';
import type { Moment } from '../../domain/moment.js';
import { bootId } from './processes.js';

/** Seconds since this machine's boot. */
export const sinceBoot = (): number => Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]);

export const thisMoment = (): Moment => ({ boot_id: bootId(), seconds: sinceBoot() });

/**
 * Seconds that have passed since something began. Two boots have no clock in common but the wall's: of what began
 * before another boot, or with a Penstock that noted no moment, the date decides.
 *
 * @param began when, by the clock since boot, if that was noted
 * @param date when, by the wall's clock; null is now
 */
export function secondsSince(began: Moment | null | undefined, date: Date | null): number {
  const passed =
    began?.boot_id === bootId()
      ? sinceBoot() - began.seconds
      : (Date.now() - (date?.getTime() ?? Date.now())) / 1000;
  return Math.max(0, passed);
}
