import type { NextFunction, Request, Response } from 'express';
import { PenstockError } from '../../lib/errors.js';

/** The media types in an `Accept` header, without parameters. Quoted parts may contain commas. */
function typesOf(accept: string): string[] {
  const ranges = accept.replace(/"(?:[^"\\]|\\.)*"/g, '').split(',');
  return ranges.filter((range) => range.trim() !== '').map((range) => range.split(';')[0]?.trim() ?? '');
}

/** Java's HttpURLConnection sends this by default. It means anything, but is not a media range. */
const star = '*';

/** Refuses a media range without a slash. Every other `Accept` gets JSON, whatever it asks for. */
export function checkAccept(request: Request, _response: Response, next: NextFunction): void {
  const wrong = typesOf(request.get('accept') ?? '').find((type) => type !== star && !type.includes('/'));
  if (wrong === undefined) next();
  else {
    const shown = wrong.slice(0, 100);
    next(new PenstockError('bad-header', `Accept: '${shown}' is not a media type such as application/json.`));
  }
}

/** Whether the client prefers a page to JSON: true for browsers, but not for libraries that merely list HTML first. */
export const wantsPage = (request: Request): boolean =>
  request.accepts(['json', 'html']) === 'html' && !typesOf(request.get('accept') ?? '').includes(star);
