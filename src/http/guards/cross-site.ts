import type { Request, RequestHandler } from 'express';
import { PenstockError } from '../../lib/errors.js';
import type { Known } from '../answers/answer.js';

/** Methods that change nothing. */
export const safeMethods: readonly string[] = ['GET', 'HEAD', 'OPTIONS'];

/** An origin without the port that its scheme has anyway; undefined for `null` and whatever else is none. */
function readOrigin(text: string): string | undefined {
  const origin = URL.canParse(text) ? new URL(text).origin : 'null';
  return origin === 'null' ? undefined : origin;
}

/** The origins of our own pages, as the client sees us. */
function ownOrigins(request: Request, trustProxy: boolean): (string | undefined)[] {
  const names = [
    request.get('host'),
    trustProxy ? request.get('x-forwarded-host')?.split(',')[0]?.trim() : '',
  ];
  // A proxy that ends TLS need not say so; whoever speaks TLS with us has no page of ours without it.
  const schemes = request.protocol === 'https' ? ['https'] : ['http', 'https'];
  return names
    .filter((name) => name !== undefined && name !== '')
    .flatMap((name) => schemes.map((scheme) => readOrigin(`${scheme}://${name}`)));
}

/**
 * True for a request that a web page of another origin has made. Only browsers send `Sec-Fetch-Site` and `Origin`, and
 * no page can forge them. Over plain HTTP, and in older browsers, there is only `Origin`; in some that are older still,
 * `Referer`.
 */
function isCrossSite(request: Request, trust: { origins: readonly string[]; proxy: boolean }): boolean {
  const { origin = request.headers.referer, 'sec-fetch-site': site } = request.headers;
  const from = origin === undefined ? undefined : readOrigin(origin);
  if (from !== undefined && trust.origins.includes(from)) return false;
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true;
  return origin !== undefined && (from === undefined || !ownOrigins(request, trust.proxy).includes(from));
}

/**
 * Refuses what web pages of other origins would have done here: their visitor's browser adds the visitor's login by
 * itself, or reaches a server that needs none. Whether a request is of that kind is left in `response.locals.crossSite`.
 *
 * @param trust origins whose pages may, and whether a proxy is believed
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
