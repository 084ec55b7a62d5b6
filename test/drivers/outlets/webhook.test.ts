import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { webhookOutlet } from '../../../src/drivers/outlets/webhook.js';
import { outletConformance } from '../../conformance/outlet.js';
import { type Receiver, startReceiver } from '../../support/receiver.js';
import { waitFor } from '../../support/wait-for.js';

const secrets = ['first', 'second'].map((key) => `whsec_${Buffer.from(`the ${key} key`).toString('base64')}`);
const outlet = webhookOutlet({ timeout: 500, privateAddresses: true });
const slow = webhookOutlet({ timeout: 60_000, privateAddresses: true });
const never = new AbortController().signal;
let receiver: Receiver;
beforeAll(async () => {
  receiver = await startReceiver();
});
afterAll(async () => {
  await Promise.all([outlet.close(), slow.close()]);
  await receiver.down();
});

const send = (path: string, body = '{"a":1}', by = outlet) =>
  by.send(
    { id: 'msg_1', url: `${receiver.url}${path}`, contentType: 'application/json', body, secrets },
    never,
  );

outletConformance('webhook', () => {
  receiver.behave = ({ path }) => ({ '/good': 204, '/bad': 500 })[path];
  return {
    outlet: slow,
    good: `${receiver.url}/good`,
    bad: `${receiver.url}/bad`,
    silent: `${receiver.url}/silent`,
    arrived: () => receiver.accepted.map(({ body }) => body),
  };
});

test('signatures are verified by the library of the standard, and only whole messages are', async () => {
  receiver.behave = () => 200;
  expect(await send('/', '{"text":"grüße"}')).toEqual({ accepted: true, status: 200, error: null });
  const { headers, body } = receiver.accepted.at(-1) ?? { headers: {}, body: '' };
  for (const secret of secrets) expect(new Webhook(secret).verify(body, headers)).toEqual({ text: 'grüße' });
  const verify = (secret: string, text: string, more = {}) =>
    new Webhook(secret).verify(text, { ...headers, ...more });
  expect(() => verify(secrets[0] ?? '', body.replace('grüße', 'grusse'))).toThrow();
  expect(() => verify(secrets[0] ?? '', body, { 'webhook-id': 'msg_2' })).toThrow();
  expect(() => verify(`whsec_${Buffer.from('another').toString('base64')}`, body)).toThrow();
});

describe('what is not accepted', () => {
  test('a redirect, which is not followed', async () => {
    const target = await startReceiver();
    receiver.behave = (_request, response) => {
      response.writeHead(307, { Location: `${target.url}/` }).end();
      return undefined;
    };
    const answer = await send('/');
    expect(answer).toMatchObject({ accepted: false, status: 307 });
    expect(answer.error).toContain('redirects are not followed');
    expect(target.seen).toEqual([]);
    await target.down();
  });

  test('silence, until the time is over', async () => {
    receiver.behave = () => undefined;
    expect(await send('/')).toMatchObject({ accepted: false, status: null });
    expect((await send('/')).error).toContain('did not answer within 0.5 s');
  });

  test('nobody there, and no such host', async () => {
    const gone = await startReceiver();
    await gone.down();
    const to = (url: string) =>
      outlet.send({ id: 'x', url, contentType: 'text/plain', body: '', secrets: [] }, never);
    expect((await to(gone.url)).error).toMatch(/ECONNREFUSED/);
    expect((await to('http://nowhere.invalid/')).error).toMatch(/is unknown|did not answer/);
    expect((await to('http://a:b@127.0.0.1/')).error).toMatch(/name or password/);
    expect((await to('ftp://127.0.0.1/')).error).toMatch(/http or https/);
  });

  test('a private address, unless they are allowed', async () => {
    const careful = webhookOutlet({ timeout: 2000, privateAddresses: false });
    const before = receiver.seen.length;
    const { port } = new URL(receiver.url);
    for (const host of ['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '2130706433', '0x7f.1']) {
      const url = `http://${host}:${port}/`;
      const message = { id: 'x', url, contentType: 'text/plain', body: '', secrets };
      const answer = await careful.send(message, never);
      expect([host, answer.accepted, answer.status]).toEqual([host, false, null]);
      expect(answer.error).toMatch(/no public address|is unknown/);
    }
    expect(receiver.seen.length).toBe(before);
    await careful.close();
  });

  test('too many, with the time that the receiver asks for', async () => {
    receiver.behave = (_request, response) => {
      response.writeHead(429, { 'Retry-After': '7' }).end();
      return undefined;
    };
    expect(await send('/')).toMatchObject({ accepted: false, status: 429, retryAfter: 7000 });
  });
});

test('an answer without end is accepted by its status and not listened to', async () => {
  let closed = 0;
  receiver.behave = (_request, response) => {
    response.on('close', () => {
      closed += 1;
    });
    response.writeHead(200);
    const more = () => {
      while (response.write('x'.repeat(65_536)));
      response.once('drain', more);
    };
    more();
    return undefined;
  };
  expect(await send('/')).toMatchObject({ accepted: true });
  await waitFor(() => closed === 1, 'the endless answer to be given up');
  receiver.behave = (_request, response) => {
    response.on('close', () => {
      closed += 1;
    });
    response.writeHead(200, { 'Content-Length': '10' });
    response.write('x');
    return undefined;
  };
  expect(await send('/')).toMatchObject({ accepted: true });
  await waitFor(() => closed === 2, 'the dribbling answer to be given up');
});

test('a connection is kept, and one that the receiver has closed meanwhile does no harm', async () => {
  const ports = new Set<number>();
  receiver.behave = (_request, response) => {
    ports.add(response.req.socket.remotePort ?? 0);
    return 200;
  };
  for (let count = 0; count < 5; count += 1) {
    expect((await send('/')).accepted).toBe(true);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(ports.size).toBeLessThan(4);
  await receiver.down();
  await receiver.up();
  expect((await send('/')).accepted).toBe(true);
});

describe('a receiver that is no web server', () => {
  let server: Server;
  afterAll(() => server.close());
  test('is an answer too', async () => {
    server = createServer((socket) => socket.end('SSH-2.0-x\r\n'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}/`;
    const answer = await outlet.send({ id: 'x', url, contentType: 'text/plain', body: 'x', secrets }, never);
    expect(answer).toMatchObject({ accepted: false, status: null });
  });
});
