import type { OperationDocument } from '../../lib/generated/operation.js';
import type { Framing } from '../feeder/framing.js';

/** How an operation works, with every default filled in. */
export interface OperationSettings {
  framing: Framing;
  /** `one`: the n-th record answers the n-th message. `any`: records are nobody's answer. */
  answers: 'one' | 'any';
  /** Of what is published; null is that of the message. */
  contentType: string | null;
  /** Null: as many as suits the mode. */
  prefetch: number | null;
  /** Jobs at once. */
  concurrency: number;
  maxDeliveries: number;
  /** The stream of its dead letters, by name; null is one of its own. */
  deadLetters: string | null;
}

/** The keys of the document, in the order in which they are shown. */
export const documentKeys = [
  'framing',
  'answers',
  'content_type',
  'prefetch',
  'concurrency',
  'max_deliveries',
  'dead_letters',
] as const;

/** @param row an operation as it is stored; its document has passed the schema, whose defaults these are */
export function operationSettings({ document }: { document: OperationDocument }): OperationSettings {
  return {
    framing: document.framing ?? 'line',
    // Without a framing nobody can tell where one answer ends.
    answers: document.answers ?? (document.framing === 'none' ? 'any' : 'one'),
    contentType: document.content_type ?? null,
    prefetch: document.prefetch ?? null,
    concurrency: document.concurrency ?? 1,
    maxDeliveries: document.max_deliveries ?? 5,
    deadLetters: document.dead_letters ?? null,
  };
}

/** The queue that an operation reads; several installations may share a broker. */
export const operationQueue = (id: number, instance: string): string => `operation-${id}-${instance}`;

/** How many messages may be unsettled at once. Jobs that run at once need as many messages, or they never do. */
export function prefetchOf(settings: OperationSettings, mode: 'single' | 'service'): number {
  if (mode === 'service') return settings.prefetch ?? 200;
  return Math.max(settings.prefetch ?? settings.concurrency * 2, settings.concurrency);
}

/** What dead letters say of themselves, in headers of their own. */
export const deadHeaders = {
  job: 'penstock-job',
  reason: 'penstock-reason',
  operation: 'penstock-operation',
} as const;

/** Set to `true` on what is published for a message that may have been answered before. */
export const redeliveredHeader = 'redelivered';

/** Set to `true` where the headers of a message were too large to go on with what came of it. */
const leftOutHeader = 'penstock-headers-left-out';

/** Bytes of headers that every broker takes; the client that other programs use may send a few more. */
const mostHeaders = 65_000;
const mostOfOurs = 5000;

/**
 * The headers of what came of a message, with those that we add. Where they are too large together, the message's own are
 * left out, and that is told: one that could never be published would hold up all that come after it.
 */
export function fittingHeaders(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const size = Object.entries(headers).reduce(
    (sum, [name, value]) => sum + byteLength(name) + byteLength(value) + 6,
    0,
  );
  if (size <= mostHeaders) return headers;
  const ours: readonly string[] = [...Object.values(deadHeaders), redeliveredHeader];
  const kept = Object.entries(headers).flatMap(([name, value]) =>
    // Others may have used these names, too.
    ours.includes(name) ? [[name, value.slice(0, mostOfOurs)]] : [],
  );
  return { ...Object.fromEntries(kept), [leftOutHeader]: 'true' };
}

const byteLength = (text: string): number => new TextEncoder().encode(text).length;

const endings: Readonly<Record<string, string>> = {
  'application/json': '.json',
  'application/xml': '.xml',
  'application/pdf': '.pdf',
  'audio/mpeg': '.mp3',
  'audio/wav': '.wav',
  'image/gif': '.gif',
  'image/jpeg': '.jpg',
  'image/png': '.png',
  'text/csv': '.csv',
  'text/html': '.html',
  'text/plain': '.txt',
  'text/xml': '.xml',
  'video/mp4': '.mp4',
};

/** What the file that holds a message is called, where it has no `file-name`: programs look at the ending. */
export const messageFileName = (contentType: string): string =>
  `message${endings[contentType.split(';', 1)[0]?.trim().toLowerCase() ?? ''] ?? ''}`;
