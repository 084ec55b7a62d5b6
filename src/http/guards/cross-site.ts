import type { Request, RequestHandler } from 'express';
import { PenstockError } from '../../lib/errors.js';
import type { Known } from '../answers/answer.js';

/** Methods that change nothing. */
export const safeMethods: readonly string[] = ['GET', 'HEAD', 'OPTIONS'];

/** An origin without its default port. Undefined for `null` and anything else that is not an origin. */
function readOrigin(text: string): string | undefined {
  const origin = URL.canParse(text) ? new URL(text).origin : 'null';
  return origin === 'null' ? undefined : origin;
}

/** The origins of our own pages, as the client sees them. */
function ownOrigins(request: Request, trustProxy: boolean): (string | undefined)[] {
  const names = [
    request.get('host'),
    trustProxy ? request.get('x-forwarded-host')?.split(',')[0]?.trim() : '',
  ];
  // A proxy that terminates TLS may not say so. A client that uses TLS with us cannot have our pages over plain HTTP.
  const schemes = request.protocol === 'https' ? ['https'] : ['http', 'https'];
  return names
    .filter((name) => name !== undefined && name !== '')
    .flatMap((name) => schemes.map((scheme) => readOrigin(`${scheme}://${name}`)));
}

/**
 * Whether a web page of another origin made the request. Only browsers send `Sec-Fetch-Site` and `Origin`, and no page
 * can forge them. Over plain HTTP, and from older browsers, there is only `Origin`; from still older ones, `Referer`.
 */
function isCrossSite(request: Request, trust: { origins: readonly string[]; proxy: boolean }): boolean {
  const { origin = request.headers.referer, 'sec-fetch-site': site } = request.headers;
  const from = origin === undefined ? undefined : readOrigin(origin);
  if (from !== undefined && trust.origins.includes(from)) return false;
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true;
  return origin !== undefined && (from === undefined || !ownOrigins(request, trust.proxy).includes(from));
}

/**
 * Refuses changes by web pages of other origins: the visitor's browser adds the visitor's login by itself, or reaches a
 * server that needs none. Sets `response.locals.crossSite`.
 *
 * @param trust the allowed origins, and whether to trust a proxy
 */
export function refuseCrossSite(trust: { origins: readonly string[]; proxy: boolean }): RequestHandler {
  return (request, response, next) => {
    const crossSite = isCrossSite(request, trust);
    (response.locals as Known).crossSite = crossSite;
    if (!crossSite || safeMethods.includes(request.method)) next();
    else {
      const { origin = request.headers.referer } = request.headers;
      const from = origin === undefined ? 'another site' : `another origin (${origin.slice(0, 100)})`;
      const detail = `This request was made by a web page of ${from}. Only Penstock's own pages and those of TRUSTED_ORIGINS may send a ${request.method.slice(0, 20)}.`;
      next(new PenstockError('cross-site', detail));
    }
  };
}
