import type { Request, RequestHandler } from 'express';
import { PenstockError } from '../../lib/errors.js';
import { safeMethods } from './cross-site.js';

const loopbackAddress = /^(127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+)$/;
const loopbackName = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** Whether the address of a socket is a loopback address. */
export const isLoopback = (address: string | undefined): boolean => loopbackAddress.test(address ?? '');

/** The host that a request names, in lower case and without a port. Undefined if it names none. */
function nameOf({ headers: { host = '' } }: Request): string | undefined {
  return host === '' ? undefined : host.replace(/:\d*$/, '').toLowerCase();
}

/** Whether a request calls us by a loopback name, which no DNS server can give to another machine. */
export const isCalledLoopback = (request: Request): boolean => loopbackName.test(nameOf(request) ?? '');

/**
 * Refuses reads under a foreign host name. It guards everything that needs no login: the owner of a web page can make the
 * page's own name resolve to this machine (DNS rebinding), and browsers then take our answers for the page's. Only
 * reads are checked, because every change needs a login.
 *
 * @param trust `hosts` are allowed everywhere. If there are none, a proxy may use any name, and any name is allowed on
 *   an address that other machines can reach.
 */
export function refuseForeignHosts(trust: { hosts: readonly string[]; proxy: boolean }): RequestHandler {
  const anyName = trust.hosts.length === 0;
  return (request, _response, next) => {
    const name = nameOf(request);
    const onLoopback = isLoopback(request.socket.localAddress);
    const good =
      !safeMethods.includes(request.method) ||
      // Every browser sends a name, but simple probes do not.
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
