import { type CredentialsSource, readCredentials } from './credentials.js';
import { openSession, type Session } from './session.js';
import { openWire } from './wire.js';

/** How to sign in to a cloud and send it requests. */
export interface OpenStackOptions {
  credentials: CredentialsSource;
  /** Overrides the credentials. */
  region: string | null;
  interface: 'public' | 'internal' | 'admin' | null;
  /** Milliseconds to connect in. */
  connectTimeout: number;
  /** Milliseconds that one attempt at a request may take. */
  requestTimeout: number;
  /** How many times a repeatable request is retried. */
  retries: number;
}

/** Reads the credentials at once, and only once; sends no request yet. */
export function openStack(options: OpenStackOptions): Session {
  const credentials = readCredentials(options.credentials);
  const { ca, insecure } = credentials;
  const { connectTimeout, requestTimeout, retries } = options;
  const wire = openWire({ connectTimeout, requestTimeout, retries, ca, insecure });
  return openSession(wire, { credentials, region: options.region, interface: options.interface });
}
