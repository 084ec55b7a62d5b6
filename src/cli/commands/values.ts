import { InvalidArgumentError } from 'commander';

/** Gathers the values of an option that may be given more than once. */
export function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}

export function readCount(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError('It must be a whole number above 0.');
  return Number(text);
}

/** A time for the API: complete, and in UTC. A date alone means its first second in local time. */
export function readTime(text: string): string {
  const dateOnly = /^\d{4}-\d{2}-\d{2}$/.test(text);
  const time = new Date(dateOnly ? `${text}T00:00:00` : text);
  if (!/^\d{4}-\d{2}-\d{2}/.test(text) || Number.isNaN(time.getTime())) {
    throw new InvalidArgumentError('It must be an ISO 8601 time, such as 2030-01-31T12:00:00Z.');
  }
  return time.toISOString();
}
