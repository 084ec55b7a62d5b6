import type { RequestHandler } from 'express';

/** What a client that can only send GET and POST may have a POST taken for. */
export const overrides: readonly string[] = ['PUT', 'PATCH', 'DELETE'];

/**
 * Takes a POST for what its `X-HTTP-Method-Override` says. A header that is still there after this asks for something
 * else; `checkMethod` refuses it. A HEAD above all must not be made of a POST: its answer would tell the length of a
 * body that never comes, and the client would take the next answer for it.
 */
export const overrideMethod: RequestHandler = (request, _response, next) => {
  const asked = request.get('x-http-method-override')?.trim().toUpperCase();
  if (asked !== undefined && request.method === 'POST' && overrides.includes(asked)) {
    request.method = asked;
    delete request.headers['x-http-method-override'];
  }
  next();
};
