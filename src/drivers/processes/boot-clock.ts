import { readFileSync } from 'node:fs';
import type { Moment } from '../../domain/moment.js';
import { bootId } from './processes.js';

/** Seconds since this machine's boot. */
export const sinceBoot = (): number => Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]);

export const thisMoment = (): Moment => ({ boot_id: bootId(), seconds: sinceBoot() });

/**
 * Seconds since something began. Clocks since boot are useless across reboots: if it began before a reboot, or without
 * a recorded moment, the date decides.
 *
 * @param began when, by the clock since boot, if recorded
 * @param date when, by the wall's clock; null is now
 */
export function secondsSince(began: Moment | null | undefined, date: Date | null): number {
  const passed =
    began?.boot_id === bootId()
      ? sinceBoot() - began.seconds
      : (Date.now() - (date?.getTime() ?? Date.now())) / 1000;
  return Math.max(0, passed);
}
