import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeCertificate } from '../support/certificate.js';
import { startServer, type TestServer } from '../support/server.js';

const folder = mkdtempSync(path.join(os.tmpdir(), 'penstock-tls-'));
let server: TestServer;
beforeAll(async () => {
  server = await startServer({ application: makeCertificate(folder) });
});
afterAll(async () => {
  await server.remove();
  rmSync(folder, { recursive: true });
});

/** What a client of one version only comes to: the version that was agreed on, or why there is none. */
const connect = (version: tls.SecureVersion): Promise<string | null> =>
  new Promise((resolve) => {
    const { hostname, port } = new URL(server.url);
    const socket = tls.connect({
      host: hostname,
      port: Number(port),
      rejectUnauthorized: false,
      minVersion: version,
      maxVersion: version,
      // With its own defaults OpenSSL does not even try the old versions.
      ciphers: 'DEFAULT@SECLEVEL=0',
    });
    socket.on('secureConnect', () => {
      resolve(socket.getProtocol());
      socket.destroy();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });

test.each<tls.SecureVersion>(['TLSv1.2', 'TLSv1.3'])('%s is spoken', async (version) => {
  expect(await connect(version)).toBe(version);
});

test.each<tls.SecureVersion>(['TLSv1', 'TLSv1.1'])('%s is refused', async (version) => {
  expect(await connect(version)).toBe('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION');
});
