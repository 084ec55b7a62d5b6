import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ask } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';

const folder = mkdtempSync(path.join(os.tmpdir(), 'penstock-tls-'));
const file = (name: string) => path.join(folder, name);
const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' });

/** A certificate for a name, signed by itself or by the authority of that name. */
function certificate(name: string, host: string, by?: string): void {
  const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const signed = by === undefined ? [] : ['-CA', file(`${by}.pem`), '-CAkey', file(`${by}.key`)];
  const names = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=${host}`, '-days', '2'];
  openssl(...made, ...signed, ...names, '-keyout', file(`${name}.key`), '-out', file(`${name}.pem`));
}

let accepted = 0;
const receivers: https.Server[] = [];
async function receiver(name: string): Promise<number> {
  const server = https.createServer(
    { key: readFileSync(file(`${name}.key`)), cert: readFileSync(file(`${name}.pem`)) },
    (request, response) => {
      request.resume();
      accepted += 1;
      response.writeHead(204).end();
    },
  );
  server.on('tlsClientError', () => {});
  receivers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

let trusting: TestServer;
let plain: TestServer;
const ports = { own: 0, signed: 0, other: 0 };
beforeAll(async () => {
  certificate('authority', 'DNS:authority');
  certificate('own', 'DNS:localhost');
  certificate('signed', 'DNS:localhost,IP:127.0.0.1', 'authority');
  certificate('other', 'DNS:other.example', 'authority');
  for (const name of ['own', 'signed', 'other'] as const) ports[name] = await receiver(name);
  const application = { WEBHOOK_PRIVATE_ADDRESSES: true };
  plain = await startServer({ application });
  trusting = await startServer({
    application,
    environment: { NODE_EXTRA_CA_CERTS: file('authority.pem') },
  });
});
afterAll(async () => {
  await Promise.all([plain.remove(), trusting.remove()]);
  for (const server of receivers) {
    server.closeAllConnections();
    server.close();
  }
  rmSync(folder, { recursive: true });
});

async function ping(server: TestServer, url: string) {
  const { json } = await ask(server, '/api/subscription/', { json: { url } });
  return (await ask(server, `/api/subscription/${json.id}/ping/`, { method: 'POST' })).json;
}

describe('a receiver with TLS', () => {
  test('whose certificate nobody vouches for is refused, with the reason', async () => {
    const why = { accepted: false, status: null };
    const own = await ping(plain, `https://localhost:${ports.own}/`);
    expect(own).toMatchObject({ ...why, error: expect.stringMatching(/self-signed certificate/) });
    const signed = await ping(plain, `https://localhost:${ports.signed}/`);
    expect(signed).toMatchObject({ ...why, error: expect.stringMatching(/unable to verify|local issuer/) });
    expect(accepted).toBe(0);
  });

  test('whose authority is in NODE_EXTRA_CA_CERTS is told, by name and by address', async () => {
    for (const host of ['localhost', '127.0.0.1']) {
      expect(await ping(trusting, `https://${host}:${ports.signed}/`)).toMatchObject({
        accepted: true,
        status: 204,
      });
    }
    expect(accepted).toBe(2);
  });

  test('whose certificate is for another name is refused', async () => {
    const answer = await ping(trusting, `https://localhost:${ports.other}/`);
    expect(answer).toMatchObject({ accepted: false, error: expect.stringMatching(/altnames/) });
    expect(accepted).toBe(2);
  });
});
