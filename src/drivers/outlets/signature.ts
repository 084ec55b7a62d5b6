import { createHmac } from 'node:crypto';

const prefix = 'whsec_';

/**
 * The headers of Standard Webhooks 1.0: the message's id, the time of sending, and for each secret a signature over
 * `id.timestamp.body`, so that a receiver can check who sent it, that nobody changed it, and that it is not an old one.
 *
 * @param secrets each `whsec_` and base64 of the key
 * @param seconds now, as a Unix time
 */
export function signedHeaders(
  id: string,
  body: string,
  secrets: readonly string[],
  seconds: number,
): Record<string, string> {
  const sign = (secret: string) => {
    const key = Buffer.from(secret.startsWith(prefix) ? secret.slice(prefix.length) : secret, 'base64');
    return `v1,${createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64')}`;
  };
  return {
    'webhook-id': id,
    'webhook-timestamp': String(seconds),
    ...(secrets.length > 0 ? { 'webhook-signature': secrets.map(sign).join(' ') } : {}),
  };
}
