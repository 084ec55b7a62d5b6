import { nearest } from '../../lib/nearest.js';
import { show } from '../../lib/wording.js';
import { fileNameProblem } from '../definitions/file-name.js';

/** Where the bytes of a file in a JSON body come from, and what it is called. */
export type FileReference = { name?: string } & (
  | { text: string }
  | { base64: string }
  | { url: string }
  /** Without `output`: the main one. */
  | { job: string; output?: string }
);

const sources = ['text', 'base64', 'url', 'job'] as const;
const keys = [...sources, 'output', 'name'];

/** How a file may be given, as a sentence that shows no value. */
export const referenceForms =
  'a file is {"text": …}, {"base64": …}, {"url": …} or {"job": UUID, "output": NAME}, and may have a "name"';

/** What is wrong with a file in a JSON body; null if nothing is. */
export function referenceProblem(value: unknown): string | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return `${referenceForms}, not ${show(value)}`;
  }
  const given = value as Record<string, unknown>;
  for (const [key, one] of Object.entries(given)) {
    if (!keys.includes(key)) {
      const near = nearest(key, keys);
      return `unknown key ${show(key)}; ${near === undefined ? `known are ${keys.join(', ')}` : `did you mean "${near}"?`}`;
    }
    if (typeof one !== 'string') return `${key} must be a string, not ${show(one)}`;
  }
  const from = sources.filter((key) => given[key] !== undefined);
  if (from.length !== 1) return `say in one way where the bytes come from: ${sources.join(', ')}`;
  if (given.output !== undefined && given.job === undefined) return 'output belongs to a job';
  if (typeof given.base64 === 'string' && !isBase64(given.base64)) return 'base64 is not valid Base64';
  if (typeof given.job === 'string' && !/^[0-9a-fA-F-]{36}$/.test(given.job))
    return `job must be a UUID, not ${show(given.job)}`;
  if (typeof given.url === 'string' && given.url.length > 8192) return 'url is longer than 8,192 characters';
  if (typeof given.output === 'string' && given.output.length > 64)
    return 'output is longer than 64 characters';
  return typeof given.name === 'string' ? (fileNameProblem(given.name) ?? null) : null;
}

/** Whether a text is Base64 as in RFC 4648: nothing else is skipped silently. */
const isBase64 = (text: string): boolean => text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
