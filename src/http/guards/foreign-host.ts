import type { Request, RequestHandler } from 'express';
import { PenstockError } from '../../lib/errors.js';
import { safeMethods } from './cross-site.js';

const loopbackAddress = /^(127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+)$/;
const loopbackName = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** True for an address, as a socket tells it, that only this machine can have. */
export const isLoopback = (address: string | undefined): boolean => loopbackAddress.test(address ?? '');

/** The host that a request names, in small letters and without a port; undefined if it names none. */
function nameOf({ headers: { host = '' } }: Request): string | undefined {
  return host === '' ? undefined : host.replace(/:\d*$/, '').toLowerCase();
}

/** True for a request that calls us by a name that no DNS server can give to another machine. */
export const isCalledLoopback = (request: Request): boolean => loopbackName.test(nameOf(request) ?? '');

/**
 * Refuses to be read under a foreign name. It stands before what can be read without a login: the owner of a web page can
 * have the page's own name lead to this machine (DNS rebinding), and a browser then takes our answers for the page's.
 * Only reading is looked at, since whatever changes something asks for a login.
 *
 * @param trust `hosts` are names that are good everywhere. Where there are none, a proxy may bring any name, and any name
 *   is good on an address that others reach, too.
 */
export function refuseForeignHosts(trust: { hosts: readonly string[]; proxy: boolean }): RequestHandler {
  const anyName = trust.hosts.length === 0;
  return (request, _response, next) => {
    const name = nameOf(request);
    const onLoopback = isLoopback(request.socket.localAddress);
    const good =
      !safeMethods.includes(request.method) ||
      // No browser leaves the name out, but simple probes do.
      name === undefined ||
      trust.hosts.includes(name) ||
      (onLoopback ? loopbackName.test(name) || (anyName && trust.proxy) : anyName);
    if (good) next();
    else {
      const detail = `Without a login, Penstock does not answer requests for the host '${name.slice(0, 100)}'. Call it by another name, or add this one to TRUSTED_HOSTS.`;
      next(new PenstockError('foreign-host', detail));
    }
  };
}
