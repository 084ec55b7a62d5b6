import { type CredentialsSource, readCredentials } from './credentials.js';
import { openSession, type Session } from './session.js';
import { openWire } from './wire.js';

/** How a cloud is signed in to and asked. */
export interface OpenStackOptions {
  credentials: CredentialsSource;
  /** Instead of those that the credentials name. */
  region: string | null;
  interface: 'public' | 'internal' | 'admin' | null;
  /** Milliseconds to connect in. */
  connectTimeout: number;
  /** Milliseconds that one try of a request may take. */
  requestTimeout: number;
  /** How often a request that may be repeated is tried again. */
  retries: number;
}

/** Reads the credentials, at once and once; the cloud is asked for nothing yet. */
export function openStack(options: OpenStackOptions): Session {
  const credentials = readCredentials(options.credentials);
  const { ca, insecure } = credentials;
  const { connectTimeout, requestTimeout, retries } = options;
  const wire = openWire({ connectTimeout, requestTimeout, retries, ca, insecure });
  return openSession(wire, { credentials, region: options.region, interface: options.interface });
}
