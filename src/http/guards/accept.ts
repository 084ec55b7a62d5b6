import type { NextFunction, Request, Response } from 'express';
import { PenstockError } from '../../lib/errors.js';

/** The media types that an `Accept` lists, without their parameters; what is in quotes may hold commas. */
function typesOf(accept: string): string[] {
  const ranges = accept.replace(/"(?:[^"\\]|\\.)*"/g, '').split(',');
  return ranges.filter((range) => range.trim() !== '').map((range) => range.split(';')[0]?.trim() ?? '');
}

/** What HttpURLConnection of Java sends unless it is told otherwise. It means anything, but is no media range. */
const star = '*';

/** A media range without a slash is no media range; everything else gets JSON, whatever it asks for. */
export function checkAccept(request: Request, _response: Response, next: NextFunction): void {
  const wrong = typesOf(request.get('accept') ?? '').find((type) => type !== star && !type.includes('/'));
  if (wrong === undefined) next();
  else {
    const shown = wrong.slice(0, 100);
    next(new PenstockError('bad-header', `Accept: '${shown}' is not a media type such as application/json.`));
  }
}

/** True for who would rather have a page than JSON: a browser, but no library that only lists HTML first. */
export const wantsPage = (request: Request): boolean =>
  request.accepts(['json', 'html']) === 'html' && !typesOf(request.get('accept') ?? '').includes(star);
