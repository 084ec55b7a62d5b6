import type { Framing } from './framing.js';

/** What may be said of an operation besides what has a column of its own. */
export interface OperationDocument {
  framing?: Framing;
  answers?: 'one' | 'any';
  content_type?: string | null;
  prefetch?: number | null;
  concurrency?: number;
  max_deliveries?: number;
  dead_letters?: string | null;
}

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

/** The document must have passed the schema; the defaults are those that it states. */
export function operationSettings(document: OperationDocument): OperationSettings {
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
