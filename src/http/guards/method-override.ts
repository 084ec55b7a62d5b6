import type { RequestHandler } from 'express';

/** The methods that a client which can only send GET and POST may override a POST with. */
export const overrides: readonly string[] = ['PUT', 'PATCH', 'DELETE'];

/**
 * Turns a POST into the method of its `X-HTTP-Method-Override`, and removes the header. If the header asks for another
 * method, it stays, and `checkMethod` refuses it. Above all a POST must not become a HEAD: the answer would announce a
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
