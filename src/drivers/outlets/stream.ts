import { messageOf } from '../../lib/errors.js';
import type { Publisher } from '../streams/stream.js';
import type { Outlet } from './outlet.js';

const scheme = 'stream:';

/** Publishes events on streams, for addresses `stream:NAME`. It does not close the stream. */
export function streamOutlet(stream: Publisher): Outlet {
  return {
    async send({ id, url, contentType, body }, signal) {
      try {
        if (!url.startsWith(scheme)) throw new Error(`${url} is not the address of a stream`);
        const message = { id, contentType, headers: {}, body: Buffer.from(body) };
        await stream.publish(url.slice(scheme.length), message, signal);
        return { accepted: true, status: null, error: null };
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        return { accepted: false, status: null, error: messageOf(error) };
      }
    },
    async close() {},
  };
}
